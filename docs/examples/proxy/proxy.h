/* SPDX-License-Identifier: MIT */
/*
 * A proxy for TCP connections, and for HTTP's CONNECT.
 *
 *     client ◄──stream──► relay ◄──stream──► target
 *
 *     main.c       start, reload, end
 *     config.c     the file that says what is passed on, and to whom
 *     services.c   the listeners, and what a reload makes of them
 *     connect.c    CONNECT: who is asked for, and may that be?
 *     relay.c      bytes, both ways
 */
#ifndef PROXY_H
#define PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/connect.h>
#include <weft/listen.h>
#include <weft/weft.h>

/* ---- config.c ---- */

enum { MOST_TEXT = 256 };

/** One line of the file. */
struct rule {
    char listen[MOST_TEXT];
    char target[MOST_TEXT]; /* "": CONNECT */
    char *allow;            /* of CONNECT: patterns, one after the other, each ended by a NUL */
    size_t allow_len;
};

/** Shared by the connections that began under it; counted. */
struct config {
    size_t users;
    struct rule *rules;
    size_t count;
    weft_ns connect_timeout, idle_timeout, head_timeout, grace;
    size_t most_connections; /* of each rule */
};

/** Read a file; the value is the config, with one user. A failure's message has the line. */
weft_future *config_read(const char *path);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/* ---- services.c ---- */

struct totals {
    uint64_t connections, failed;
    uint64_t up, down; /* bytes */
};

struct service;

/** All that listens; the loop's. */
struct services {
    struct service *first;
    weft_scope *leaving; /* a task for each that still has connections; `forgets` */
    struct totals totals;
};

/**
 * Listen as `config` says. What listens already, by the same address, goes on without a gap; what is
 * not in it any more stops to accept, and its connections go on for `grace`. 0 or -errno: then nothing
 * has changed, and *ret_failed is the address that cannot be had.
 */
int services_set(struct services *services, struct config *config, const char **ret_failed);
/** Stop all; `leaving` closes when the connections have ended, at most `grace` later. */
void services_stop(struct services *services, weft_ns grace);
size_t services_connections(const struct services *services);
void services_free(struct services *services);

/* ---- connect.c ---- */

/** Read the request; the value is the target, by free(). Answers what is none. */
weft_future *connect_target(weft_stream *client, const struct config *config,
                            const struct rule *rule);
/** Tell how it went: 0, or why the target could not be had. */
int connect_answer(weft_stream *client, int status);

/* ---- relay.c ---- */

/** Pass bytes on, both ways, until both have ended; -ETIMEDOUT: none came for `idle_timeout`. */
weft_future *relay(weft_stream *client, weft_stream *target, weft_ns idle_timeout,
                   struct totals *totals);

#endif
