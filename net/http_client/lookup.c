/* SPDX-License-Identifier: MIT */
/*
 * Looking up names. libcurl would start a thread for each, and join it on the loop when the transfer is
 * given up, which takes as long as the resolver does.
 *
 * So it is given the result: an entry for its own cache, one that gets old ("+"), by which the transfer
 * that it was made for finds the addresses. A cancel leaves the look-up behind on its worker.
 */
#include "net/http_client/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <weft/job.h>
#include <weft/lane.h>
#include <weft/pool.h>

#include "net/http_client/text.h"

enum { MAX_ADDRESSES = 16, ADDRESS_TEXT = 64 };

/* The host and port are in the same block as what is to be returned. */
struct look_up {
    struct query *query; /* owned */
};

struct query {
    char *port;
    char host[];
};

static void release(void *args)
{
    weft__companion_free(((struct look_up *)args)->query);
}

/* ",127.0.0.1" or ",[::1]"; false: no address that can be used. */
static bool format_address(const struct addrinfo *info, char text[ADDRESS_TEXT])
{
    char numeric[ADDRESS_TEXT - 4];
    if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
        return false;
    if (getnameinfo(info->ai_addr, info->ai_addrlen, numeric, sizeof(numeric), NULL, 0,
                    NI_NUMERICHOST) != 0)
        return false;
    bool is_v6 = info->ai_family == AF_INET6;
    snprintf(text, ADDRESS_TEXT, is_v6 ? ",[%s]" : ",%s", numeric);
    return true;
}

static char *format_entry(const struct query *query, const struct addrinfo *list)
{
    size_t size = strlen(query->host) + strlen(query->port) + 4 + MAX_ADDRESSES * ADDRESS_TEXT;
    char *entry = weft__companion_malloc(size);
    if (!entry)
        return NULL;
    size_t len = (size_t)snprintf(entry, size, "+%s:%s:", query->host, query->port);
    size_t count = 0;
    for (; list && count < MAX_ADDRESSES; list = list->ai_next) {
        char text[ADDRESS_TEXT];
        if (!format_address(list, text))
            continue;
        len += (size_t)snprintf(entry + len, size - len, "%s", text + (count == 0));
        count++;
    }
    return entry;
}

static WEFT_BLOCKING(look_up)
{
    const struct query *query = self->query;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int failure = getaddrinfo(query->host, NULL, &hints, &list);
    if (failure == EAI_MEMORY)
        return weft_err(-ENOMEM);
    if (failure)
        return weft_errf(WEFT_ERESOLVE, "cannot resolve \"%s\": %s", query->host,
                         gai_strerror(failure));
    char *entry = format_entry(query, list);
    freeaddrinfo(list);
    return entry ? weft_ok(entry, weft__companion_free) : weft_err(-ENOMEM);
}

/* localhost is this machine, whatever a name server says: never looked up. */
static weft_future *local(const struct weft__client_url *url)
{
    size_t size = strlen(url->port) + sizeof("+localhost::127.0.0.1,[::1]");
    char *entry = weft__companion_malloc(size);
    if (!entry)
        return weft_future_failed(-ENOMEM, NULL);
    snprintf(entry, size, "+localhost:%s:127.0.0.1,[::1]", url->port);
    weft_future *future = weft_future_new();
    (void)weft_future_resolve(future, weft_value_ptr(entry), weft__companion_free);
    return future;
}

weft_future *weft__client_lookup(const struct weft__client_url *url)
{
    if (strcmp(url->host, "localhost") == 0)
        return local(url);
    size_t host_size = strlen(url->host) + 1, port_size = strlen(url->port) + 1;
    struct query *query = weft__companion_malloc(sizeof(*query) + host_size + port_size);
    if (!query)
        return weft_future_failed(-ENOMEM, NULL);
    memcpy(query->host, url->host, host_size);
    query->port = memcpy(query->host + host_size, url->port, port_size);
    struct weft_job_options options = {.lane = weft_loop_lane(weft_loop_current(), "dns"),
                                       .on_cancel = WEFT_CANCEL_ABANDON,
                                       .release = release};
    return weft_offload(&options, look_up, .query = query);
}
