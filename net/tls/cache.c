/* SPDX-License-Identifier: MIT */
/*
 * Sessions that a client's context remembers: a ring of the last ones, by the name that was meant.
 *
 * The name is what was verified when the session began, so that a session is only used where the
 * same check would be made. A ticket of TLS 1.3 is used once: with the same one twice, who listens
 * could tell that it is the same client.
 */
#include <string.h>

#include "net/tls/tls.h"

static void drop(struct weft__tls_cache *cache, size_t slot)
{
    SSL_SESSION_free(cache->slots[slot].session);
    weft__companion_free(cache->slots[slot].name);
    cache->slots[slot].session = NULL;
    cache->slots[slot].name = NULL;
}

bool weft__tls_cache_put(struct weft__tls_cache *cache, const char *name, SSL_SESSION *session)
{
    size_t size = strlen(name) + 1;
    char *copy = weft__companion_malloc(size);
    if (!copy)
        return false;
    memcpy(copy, name, size);
    drop(cache, cache->next);
    cache->slots[cache->next].session = session;
    cache->slots[cache->next].name = copy;
    cache->next = (cache->next + 1) % WEFT__TLS_SESSIONS;
    return true;
}

static SSL_SESSION *take(struct weft__tls_cache *cache, size_t slot)
{
    SSL_SESSION *session = cache->slots[slot].session;
    if (!SSL_SESSION_up_ref(session))
        return NULL;
    if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
        drop(cache, slot);
    return session;
}

SSL_SESSION *weft__tls_cache_take(struct weft__tls_cache *cache, const char *name)
{
    for (size_t i = 1; i <= WEFT__TLS_SESSIONS; i++) {
        size_t slot = (cache->next + WEFT__TLS_SESSIONS - i) % WEFT__TLS_SESSIONS;
        if (cache->slots[slot].session && !strcmp(cache->slots[slot].name, name))
            return take(cache, slot);
    }
    return NULL;
}

void weft__tls_cache_clear(struct weft__tls_cache *cache)
{
    for (size_t slot = 0; slot < WEFT__TLS_SESSIONS; slot++)
        drop(cache, slot);
}
