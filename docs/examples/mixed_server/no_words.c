/* SPDX-License-Identifier: MIT */
/* What stands for words.c where the server was built without SQLite. */
#include "site.h"

struct no_words {
    WEFT_FRAME;
};

static WEFT_ASYNC(no_words)
{
    WEFT_BEGIN;
    WEFT_RETURN(NULL);
    WEFT_END;
}

weft_future *words_open(const char *folder)
{
    (void)folder;
    return weft_spawn(no_words);
}

void words_free(struct words *words)
{
    (void)words;
}

struct not_built {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(not_built)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 501, "text/plain",
                                  "this server was built without SQLite; install it (Debian: "
                                  "libsqlite3-dev), and build the server anew\n"));
    WEFT_END;
}

void add_word_routes(struct site *site)
{
    weft_http_route(site->server, "GET /words", not_built);
    weft_http_route(site->server, "POST /visits", not_built);
}
