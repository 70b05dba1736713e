/* SPDX-License-Identifier: MIT */
/* Answers in another content coding, from the inside. See net/http/coding/coder.c. */
#ifndef WEFT_NET_HTTP_CODING_H
#define WEFT_NET_HTTP_CODING_H

#include <weft/future.h>

#include "net/http/coding/codec.h"
#include "net/http/server.h"

/* ---- accept.c: pure functions ---- */

/** What a client wants. */
struct weft__http_wish {
    enum weft__http_coding coding; /* the best that there is */
    bool insists;                  /* it does not want the answer as it is */
};

struct weft__http_wish weft__http_wished_coding(const struct weft__http_request *request);

/** Does it shrink? `more`: further types, "a/b c/d", or NULL. */
bool weft__http_is_compressible(const char *content_type, const char *more);

/* ---- coding.c ---- */

/** How to code the answer that begins now; the head gets its Vary. `len` -1: not known. */
enum weft__http_coding weft__http_decide_coding(weft__http_exchange *request,
                                                const char *content_type, int64_t len);

/** Would an answer 200 to this request be coded? */
bool weft__http_would_code(const weft__http_exchange *request, const char *content_type,
                           int64_t len);

/** The head says that it is coded; there must be memory: weft__http_prepare_coding(). */
int weft__http_prepare_coding(weft__http_exchange *request);
void weft__http_declare_coding(weft__http_exchange *request, enum weft__http_coding coding);

/* ---- coder.c; for answers of requests that have an encoding ---- */

/** An answer in one piece. The future as of weft_http_respond(); NULL: it is to be sent as it is. */
weft_future *weft__http_code_whole(weft__http_exchange *request, const char *content_type,
                                   const void *data, size_t len);

/** An answer was started, of request->length: from now on it may have a coder. */
void weft__http_code_stream(weft__http_exchange *request, const char *content_type);

/* ---- coder.c; for requests that have a coder ---- */

int weft__http_coded_write(weft__http_exchange *request, const void *data, size_t len);
int weft__http_coded_end(weft__http_exchange *request);
weft_future *weft__http_coded_drain(weft__http_exchange *request);

/** The request is over. */
void weft__http_coder_end(weft__http_exchange *request);

#endif
