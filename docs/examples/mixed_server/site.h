/* SPDX-License-Identifier: MIT */
/* What the handlers share; lives in main's frame. */
#ifndef MIXED_SERVER_SITE_H
#define MIXED_SERVER_SITE_H

#include <weft/http_server.h>
#include <weft/weft.h>

#include "lag.h"

struct trace;
struct trouble;
struct words;

struct site {
    weft_http_server *server;
    weft_pool *pool;
    weft_lane *files;        /* borrowed */
    weft_lane *hashing;      /* owned */
    struct words *words;     /* owned; NULL: there is no database */
    struct trouble *trouble; /* owned */
    struct trace *trace;     /* owned; NULL: none was recorded */
    struct lag lag;
    int root; /* the folder that is served */
};

/* One file each. The site must live as long as the server. */
void add_wait_routes(struct site *site);    /* /sleep, /block, /hash, /time */
void add_file_routes(struct site *site);    /* /files/, /wc/ */
void add_word_routes(struct site *site);    /* /words, /visits */
void add_stats_routes(struct site *site);   /* /stats, /events, /metrics */
void add_trouble_routes(struct site *site); /* /trouble */
void add_trace_routes(struct site *site);   /* /trace, /viewer.html */
void add_page_routes(struct site *site);    /* the page */

/* Open the database in a folder, which is made if it is not there; a new one gets its words. The
 * value is a `struct words *`; NULL: built without SQLite. */
weft_future *words_open(const char *folder);
void words_free(struct words *words);

/* NULL: out of memory. */
struct trouble *trouble_new(weft_pool *pool);
void trouble_free(struct trouble *trouble);

/* Cancel what was caused; done when that has ended. */
weft_future *trouble_end(struct trouble *trouble);

void trace_free(struct site *site);

/* The number of milliseconds that ?ms= asks for; -1: none, or none that is allowed. */
long wanted_ms(const weft_http_request *request);

/* A HEAD request: there will be no body. */
bool is_head(const weft_http_request *request);

#endif
