/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "crawler.h"

static const char make_tables[] =
    "CREATE TABLE IF NOT EXISTS page ("
    "  url TEXT PRIMARY KEY, depth INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,"
    "  status INTEGER, bytes INTEGER, ms INTEGER, type TEXT, title TEXT, message TEXT)"
    "  WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS page_to_do ON page(state) WHERE state = 0";

struct open_store {
    WEFT_FRAME;
    const char *path;
    weft_sqlite *db;
};

static void destroy(void *db)
{
    weft_sqlite_free(db);
}

static WEFT_ASYNC(open_store)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->db, weft_sqlite_open(self->path, NULL));
    WEFT_AWAIT(weft_sqlite_script(self->db, make_tables));
    weft_sqlite *db = self->db;
    self->db = NULL;
    WEFT_RETURN(db, destroy);

    WEFT_FINALLY;
    weft_sqlite_free(self->db);
    WEFT_END;
}

weft_future *store_open(const char *path)
{
    return weft_call(open_store, .path = path);
}

static void destroy_rows(void *rows)
{
    weft_sqlite_rows_free(rows);
}

/* ---- Begin ---- */

struct begin_store {
    WEFT_FRAME;
    weft_sqlite *db;
    const struct texts *urls;
    const char *at;
    weft_sqlite_rows *rows;
};

static WEFT_ASYNC(begin_store)
{
    WEFT_BEGIN;
    for (self->at = self->urls->data; self->at < self->urls->data + self->urls->len;
         self->at += strlen(self->at) + 1)
        WEFT_AWAIT(weft_sqlite_exec(self->db,
                                    "INSERT OR IGNORE INTO page(url, depth) VALUES (?, 0)",
                                    weft_sqlite_text(self->at)));
    WEFT_AWAIT_INTO(self->rows,
                    weft_sqlite_fetch_all(self->db, "SELECT url, depth FROM page WHERE state = 0 "
                                                    "ORDER BY depth, url"));
    WEFT_RETURN(self->rows, destroy_rows);
    WEFT_END;
}

weft_future *store_begin(weft_sqlite *db, const struct texts *urls)
{
    return weft_call(begin_store, .db = db, .urls = urls);
}

/* ---- A page ---- */

/* All links of a page in one statement: texts that end with a line end, since a URL has none. */
static const char add_links[] =
    "WITH RECURSIVE link(url, rest) AS ("
    "  SELECT NULL, ?1 UNION ALL"
    "  SELECT substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1)"
    "  FROM link WHERE rest <> '')"
    "INSERT OR IGNORE INTO page(url, depth) SELECT url, ?2 FROM link WHERE url IS NOT NULL "
    "RETURNING url";

struct store_one {
    WEFT_FRAME;
    weft_sqlite *db;
    const char *url;
    const struct result *result;
    const struct texts *links;
    int depth;
    weft_sqlite *tx;
    weft_sqlite_rows *rows;
};

static WEFT_ASYNC(store_one)
{
    const struct result *result = self->result;
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
    WEFT_AWAIT(weft_sqlite_exec(self->tx,
                                "UPDATE page SET state = ?, status = ?, bytes = ?, ms = ?, type = "
                                "?, title = ?, message = ? "
                                "WHERE url = ?",
                                weft_sqlite_int(result->state), weft_sqlite_int(result->status),
                                weft_sqlite_int((int64_t)result->bytes),
                                weft_sqlite_int(result->took / WEFT_MS(1)),
                                weft_sqlite_text(result->type), weft_sqlite_text(result->title),
                                weft_sqlite_text(result->message), weft_sqlite_text(self->url)));
    for (size_t i = 0; i < self->links->len; i++) {
        if (!self->links->data[i])
            self->links->data[i] = '\n';
    }
    WEFT_AWAIT_INTO(self->rows, weft_sqlite_fetch_all(
                                    self->tx, add_links,
                                    weft_sqlite_text_of(self->links->len ? self->links->data : "",
                                                        self->links->len),
                                    weft_sqlite_int(self->depth)));
    WEFT_AWAIT(weft_sqlite_commit(self->tx));
    weft_sqlite_rows *rows = self->rows;
    self->rows = NULL;
    WEFT_RETURN(rows, destroy_rows);

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    weft_sqlite_rows_free(self->rows);
    WEFT_END;
}

weft_future *store_page(weft_sqlite *db, const char *url, const struct result *result,
                        const struct texts *links, int depth)
{
    return weft_call(store_one, .db = db, .url = url, .result = result, .links = links,
                     .depth = depth);
}
