/* SPDX-License-Identifier: MIT */
/*
 * Limits: a semaphore for all, and one for each host that is in use.
 *
 * They count requests, not connections: libcurl has limits of its own, but a transfer that waits in
 * libcurl has its handle and buffers already. Here it has nothing yet, and its turn can be
 * cancelled. The host's comes first, so that who waits for a slow host takes no place from others.
 */
#include "net/http_client/limits.h"

#include <errno.h>
#include <string.h>

#include "net/http_client/text.h"

/* [loop] */
struct weft__client_host {
    struct weft__client_host *next;
    weft_semaphore *semaphore; /* owned; NULL: no limit */
    size_t users;
    const char *port; /* in the same block */
    char name[];
};

int weft__client_limits_init(struct weft__client_limits *limits, size_t all, size_t per_host)
{
    *limits = (struct weft__client_limits){.per_host = per_host < all ? per_host : 0};
    limits->all = weft_semaphore_new(all, 0);
    return limits->all ? 0 : -errno;
}

void weft__client_limits_fini(struct weft__client_limits *limits)
{
    weft_semaphore_free(limits->all);
    limits->all = NULL;
}

static struct weft__client_host *find_host(struct weft__client_limits *limits,
                                           const struct weft__client_url *url)
{
    struct weft__client_host *host = limits->hosts;
    while (host && (strcmp(host->name, url->host) != 0 || strcmp(host->port, url->port) != 0))
        host = host->next;
    return host;
}

static struct weft__client_host *new_host(struct weft__client_limits *limits,
                                          const struct weft__client_url *url)
{
    size_t name_size = strlen(url->host) + 1, port_size = strlen(url->port) + 1;
    struct weft__client_host *host = weft__client_alloc(sizeof(*host) + name_size + port_size);
    if (!host)
        return NULL;
    memcpy(host->name, url->host, name_size);
    host->port = memcpy(host->name + name_size, url->port, port_size);
    host->semaphore = weft_semaphore_new(limits->per_host, 0);
    if (!host->semaphore) {
        weft__companion_free(host);
        return NULL;
    }
    host->next = limits->hosts;
    limits->hosts = host;
    return host;
}

static void leave_host(struct weft__client_limits *limits, struct weft__client_host *host)
{
    if (--host->users > 0)
        return;
    struct weft__client_host **at = &limits->hosts;
    while (*at != host)
        at = &(*at)->next;
    *at = host->next;
    weft_semaphore_free(host->semaphore);
    weft__companion_free(host);
}

int weft__client_place_enter(struct weft__client_place *place, struct weft__client_limits *limits,
                             const struct weft__client_url *url)
{
    if (limits->per_host) {
        place->host = find_host(limits, url);
        if (!place->host)
            place->host = new_host(limits, url);
        if (!place->host)
            return -ENOMEM;
        place->host->users++;
    }
    place->limits = limits;
    limits->waiting++;
    return 0;
}

weft_future *weft__client_place_of_host(const struct weft__client_place *place)
{
    return weft_semaphore_acquire(place->host->semaphore);
}

weft_future *weft__client_place_of_all(const struct weft__client_place *place)
{
    return weft_semaphore_acquire(place->limits->all);
}

void weft__client_place_is_taken(struct weft__client_place *place)
{
    place->has_all = true;
    place->limits->waiting--;
}

void weft__client_place_leave(struct weft__client_place *place)
{
    struct weft__client_limits *limits = place->limits;
    if (!limits)
        return;
    if (place->has_all)
        (void)weft_semaphore_release(limits->all);
    else
        limits->waiting--;
    if (place->has_host)
        (void)weft_semaphore_release(place->host->semaphore);
    if (place->host)
        leave_host(limits, place->host);
    *place = (struct weft__client_place){0};
}
