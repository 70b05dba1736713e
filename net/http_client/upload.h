/* SPDX-License-Identifier: MIT */
/* The body of a request on its way to libcurl. See net/http_client/upload.c. */
#ifndef WEFT_NET_HTTP_CLIENT_UPLOAD_H
#define WEFT_NET_HTTP_CLIENT_UPLOAD_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/future.h>

#include "net/http_client/request.h"

struct weft__client_transfer;

/** All fields are [loop]. */
struct weft__client_upload {
    const struct weft_http_content *body; /* borrowed; NULL: none */
    int64_t length;                       /* -1: not known */
    int64_t given;                        /* to libcurl so far */
    char *piece;                          /* owned; of memory: not used */
    size_t at, len;                       /* what is left of the piece */
    bool has_ended;                       /* the source has */
    bool is_sent;                         /* libcurl has all of it */
    unsigned beginnings;                  /* how often it was begun anew */
    weft_future *room;                    /* a reference: the feeder waits for it */
};

/** `length` of a file is known; for the others it is in the body. 0, -ENOMEM. */
int weft__client_upload_init(struct weft__client_upload *upload,
                             const struct weft__client_request *request, int64_t length);
void weft__client_upload_fini(struct weft__client_upload *upload);

/** Is there a source to be read? */
bool weft__client_upload_needs_feeder(const struct weft__client_upload *upload);

/** Begin anew, whatever libcurl was given; false: the source can be read only once, and was. */
bool weft__client_upload_rewind(struct weft__client_upload *upload);

/** libcurl's read and seek functions; `transfer` is a weft__client_transfer. */
size_t weft__client_upload_read(char *buffer, size_t one, size_t size, void *transfer);
int weft__client_upload_seek(void *transfer, curl_off_t offset, int origin);

/** The task that reads the source of a transfer, until it is cancelled; `file` is borrowed, NULL:
 * the body is none. */
weft_future *weft__client_upload_feed(struct weft__client_transfer *transfer, weft_file *file);

#endif
