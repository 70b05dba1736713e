/* SPDX-License-Identifier: MIT */
/*
 * One look-up, on a worker: getaddrinfo() and getnameinfo() block. See net/resolve/look_up.c.
 */
#ifndef WEFT_NET_LOOK_UP_H
#define WEFT_NET_LOOK_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>

#include "net/resolve/address.h"

/** What is asked. */
struct weft__question {
    bool is_reverse; /* the name of `address`; else the addresses of `host` */
    bool is_number;  /* `host` is one: only the service is looked up */
    int family;      /* AF_UNSPEC: both */
    int type;        /* SOCK_STREAM or SOCK_DGRAM */
    char host[WEFT__HOST_NAME];
    char service[WEFT__SERVICE_NAME]; /* "": none; the ports of the answer are 0 */
    struct weft__address address;
};

/** What came of it, in one block of memory. Freed by weft__free(). */
struct weft__answer {
    int status;   /* 0, or WEFT_ERESOLVE: `text` says why */
    bool is_firm; /* it is so; else somebody on the way failed, and to ask again may help */
    char *text;   /* of a reverse one that succeeded: the name */
    size_t count;
    struct weft__address list[]; /* `count` addresses, at least one of success */
};

/**
 * Start a job for it in the lane "dns", apart from the task that runs now: neither its limits of time
 * nor its context are the job's. The value is a weft__answer with a destructor. Fails with -ENOMEM, or as
 * weft_to_thread(). A cancel abandons it if it runs.
 */
weft_future *weft__look_up(const struct weft__question *question);

#endif
