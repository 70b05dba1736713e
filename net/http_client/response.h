/* SPDX-License-Identifier: MIT */
/* What a server answered. See net/http_client/response.c. */
#ifndef WEFT_NET_HTTP_CLIENT_RESPONSE_H
#define WEFT_NET_HTTP_CLIENT_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/callback.h>
#include <weft/http_client.h>

#include "net/http_client/fields.h"
#include "net/http_client/policy.h"

struct weft__client_transfer;
struct weft__client_link;

/** A list that needs no search to leave it. */
struct weft__client_link {
    struct weft__client_link *next, **at; /* `at` NULL: in no list */
};

static inline void weft__client_link_add(struct weft__client_link **list,
                                         struct weft__client_link *link)
{
    link->next = *list;
    link->at = list;
    if (link->next)
        link->next->at = &link->next;
    *list = link;
}

static inline void weft__client_link_remove(struct weft__client_link *link)
{
    if (!link->at)
        return;
    *link->at = link->next;
    if (link->next)
        link->next->at = link->at;
    link->at = NULL;
}

/** [const] once it is handed over, but for what follows `streams`, which is [loop]. */
struct weft_http_response {
    uint32_t loop_id;
    unsigned generation;
    int status;
    int version;
    unsigned redirects;
    enum weft__client_verdict verdict; /* as the transfer's */
    weft_ns retry_after;
    char *url; /* owned */
    struct weft__client_head head;
    weft_bytes *body; /* owned; NULL: none, or taken */
    size_t capacity;  /* of the body's block, without its head */
    size_t limit;
    bool streams;
    bool takes_all; /* however much waits to be read */
    size_t at;      /* of the body: what was read before */
    struct {
        weft_future *future; /* a reference; NULL: nobody reads */
        void *buffer;
        size_t size;
    } reader;
    bool has_ended;                         /* the transfer has */
    int failure;                            /* why, with its message; 0: that was all */
    char *message;                          /* owned */
    struct weft__client_transfer *transfer; /* owned once it is handed over; NULL: closed */
    struct weft__client_link link;          /* in the session's list, with `transfer` */
    struct weft_callback deadline;
};

/** NULL: out of memory. */
weft_http_response *weft__client_response_new(bool streams, size_t limit);

/** As a destructor. */
void weft__client_response_destroy(void *response);

/** Bytes of the body. 0; WEFT_ELIMIT, -ENOMEM; -EAGAIN: a stream that is full, take nothing. */
int weft__client_response_add(weft_http_response *response, const char *data, size_t len);

/** Of a streamed one: the transfer has ended. The message is copied. */
void weft__client_response_end(weft_http_response *response, int failure, const char *message);

/** A streamed one is the user's from here on, and the transfer is its own. */
void weft__client_response_hand_over(weft_http_response *response,
                                     struct weft__client_transfer *transfer, weft_ns deadline);

/** The transfer of a streamed one has ended, and is to be freed. Not from libcurl's callbacks. */
void weft__client_response_close(weft_http_response *response);

/** The session goes. */
void weft__client_response_cut(struct weft__client_link *link);

#endif
