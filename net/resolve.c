/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo() as a job of the pool, in a lane of its own: names that cannot be looked up for minutes
 * keep no other work waiting, nor does other work keep them. The job has a copy of the name and gives
 * back a list of its own, so that whoever asked may forget about it at any time.
 */
#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <weft/pool.h>

#include "core/memory.h"
#include "core/sys.h"
#include "core/thread.h"

/* A name may have any number of addresses; who has tried so many in vain may give up. */
enum { MAX_ADDRESSES = 16 };

struct look_up {
    char host[WEFT__HOST_NAME];
    uint16_t port;
};

static weft_result failure(const char *host, int code)
{
    if (code == EAI_MEMORY)
        return weft_err(-ENOMEM);
    const char *why = code == EAI_SYSTEM ? weft_strerror(-errno) : gai_strerror(code);
    return weft_errf(WEFT_ERESOLVE, "cannot look up %s: %s", host, why);
}

static struct weft__addresses *copy_list(const struct addrinfo *found)
{
    struct weft__addresses *addresses =
        weft__malloc(sizeof(*addresses) + MAX_ADDRESSES * sizeof(addresses->list[0]));
    if (!addresses)
        return NULL;
    addresses->count = 0;
    for (; found && addresses->count < MAX_ADDRESSES; found = found->ai_next) {
        struct weft__address *next = &addresses->list[addresses->count];
        if (weft__address_set(next, found->ai_addr, found->ai_addrlen) == 0)
            addresses->count++;
    }
    return addresses;
}

static WEFT_BLOCKING(look_up)
{
    char port[8];
    struct addrinfo *found;
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV,
    };
    snprintf(port, sizeof(port), "%u", (unsigned)self->port);
    int code = weft__sys.getaddrinfo(self->host, port, &hints, &found);
    if (code)
        return failure(self->host, code);
    struct weft__addresses *addresses = copy_list(found);
    freeaddrinfo(found);
    if (!addresses)
        return weft_err(-ENOMEM);
    if (!addresses->count) {
        weft__free(addresses);
        return failure(self->host, EAI_NONAME);
    }
    return weft_ok(addresses, weft__free);
}

weft_future *weft__resolve(const char *host, uint16_t port)
{
    struct look_up arguments = {.port = port};
    snprintf(arguments.host, sizeof(arguments.host), "%s", host);
    weft_loop *loop = weft__here();
    weft_lane *lane = loop ? weft_loop_lane(loop, "dns") : NULL;
    return weft__offload(&(struct weft_job_options){.lane = lane}, weft__blocking_look_up(),
                         &arguments, WEFT__HERE);
}
