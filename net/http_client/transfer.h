/* SPDX-License-Identifier: MIT */
/* One exchange with a server: a handle of libcurl's. See net/http_client/transfer.c. */
#ifndef WEFT_NET_HTTP_CLIENT_TRANSFER_H
#define WEFT_NET_HTTP_CLIENT_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <weft/callback.h>
#include <weft/timeout.h>

#include "net/http_client/goodbye.h"
#include "net/http_client/limits.h"
#include "net/http_client/lookup.h"
#include "net/http_client/policy.h"
#include "net/http_client/request.h"
#include "net/http_client/response.h"
#include "net/http_client/scout.h"
#include "net/http_client/upload.h"

/** All fields are [loop]. */
struct weft__client_transfer {
    struct weft__client_transfer *next; /* in the engine's queue */
    weft_http_session *session;         /* a reference */
    const struct weft__client_request
        *request;                 /* borrowed; NULL once the response is handed over */
    weft_http_response *response; /* what it fills; borrowed */
    CURL *easy;                   /* owned; NULL: closed */
    bool is_queued, is_added;
    long connections;                     /* made for it, as they are counted */
    bool has_ended;                       /* nothing comes any more */
    bool has_answer;                      /* the first header came */
    bool has_head;                        /* all headers are there */
    struct weft__client_goodbye *goodbye; /* a reference; NULL: the body has an end of its own */
    bool met_dead_connection;             /* an idle one that was chosen; no answer came */
    bool is_paused;                       /* receiving: the reader is slow */
    bool sending_paused;                  /* the body's source is slow */
    enum weft__client_verdict verdict;    /* with `has_head` */
    weft_ns retry_after;                  /* the same */
    weft_future *event; /* a reference: done when the response can be handed over, or has ended */
    weft_timeout *connecting;        /* to be ended once it is connected; borrowed, or NULL */
    struct weft__client_scout scout; /* others may wait until it is connected */
    struct weft__client_place place; /* among the limits */
    struct weft__client_upload upload;
    struct curl_slist *known;   /* the addresses; owned */
    struct curl_slist *fields;  /* a copy of the request's; owned */
    struct weft_callback nudge; /* while it connects, if there are several addresses */
    bool has_several;           /* addresses of one family */
    struct weft_callback speed; /* looks for progress */
    weft_ns low_speed;
    size_t low_speed_bytes, moved;
    uint64_t discarded; /* bytes of a body that nobody wants */
    char error[CURL_ERROR_SIZE];
};

/** One that is not started; takes over the place. `file_length` of a body that is a file; NULL: out
 * of memory; the place is given up. */
struct weft__client_transfer *weft__client_transfer_new(struct weft__client_request *request,
                                                        struct weft__client_place place,
                                                        int64_t file_length,
                                                        const struct weft__client_known *known);

void weft__client_transfer_start(struct weft__client_transfer *transfer);

/** Nothing more is called back; the connection is closed unless it is done with. Twice is nothing.
 * Not from libcurl's callbacks. */
void weft__client_transfer_close(struct weft__client_transfer *transfer);

/** Close and free. NULL is nothing. */
void weft__client_transfer_free(struct weft__client_transfer *transfer);

/** Of a handle. NULL: none of ours. */
struct weft__client_transfer *weft__client_transfer_of(CURL *easy);

/** It ends with a failure; the handle is still to be closed. The message is copied; may be NULL. */
void weft__client_transfer_fail(struct weft__client_transfer *transfer, int status,
                                const char *message);

/** libcurl is done with it. */
void weft__client_transfer_done(struct weft__client_transfer *transfer, CURLcode result);

/** All of the body was taken by libcurl. */
void weft__client_transfer_sent(struct weft__client_transfer *transfer);

/** The reader has taken from its stream: let more come. */
void weft__client_transfer_resume(struct weft__client_transfer *transfer);

/** The source has given something, or its end. */
void weft__client_transfer_resume_sending(struct weft__client_transfer *transfer);

#endif
