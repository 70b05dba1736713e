/* SPDX-License-Identifier: MIT */
/* What the handlers share; lives in main's frame. */
#ifndef MIXED_SERVER_SITE_H
#define MIXED_SERVER_SITE_H

#include <weft/http_server.h>
#include <weft/weft.h>

#include "lag.h"

struct words;

struct site {
    weft_http_server *server;
    weft_pool *pool;
    weft_lane *files;    /* borrowed */
    weft_lane *hashing;  /* owned */
    struct words *words; /* owned; NULL: there is no database */
    struct lag lag;
    int root; /* the folder that is served */
};

/* One file each. The site must live as long as the server. */
void add_wait_routes(struct site *site);  /* /sleep, /block, /hash, /time */
void add_file_routes(struct site *site);  /* /files/, /wc/ */
void add_word_routes(struct site *site);  /* /words, /visits */
void add_stats_routes(struct site *site); /* /stats, /metrics, /events */

/* Open the database in a folder, which is made if it is not there; a new one gets its words. The
 * value is a `struct words *`; NULL: built without SQLite. */
weft_future *words_open(const char *folder);
void words_free(struct words *words);

/* A HEAD request: there will be no body. */
bool is_head(const weft_http_request *request);

#endif
