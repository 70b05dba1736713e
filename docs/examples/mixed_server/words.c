/* SPDX-License-Identifier: MIT */
/*
 * Words and visits, in a database: /words?prefix= finds words, and POST /visits counts who came.
 *
 * One connection writes, some read; each is a lane of one, so that none of them is ever used by two
 * threads at once, and SQLite's calls never block the loop. (Without SQLite, no_words.c is built in
 * place of this.)
 */
#define _GNU_SOURCE /* the C library beyond C11 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weft/sqlite.h>

#include "site.h"
#include "words.txt.h"

enum { MAX_PREFIX = 32, MAX_NAME = 64, READERS = 2 };

struct words {
    weft_sqlite_pool *connections;
};

/* ---- Opening ---- */

static const char make_tables[] =
    "CREATE TABLE IF NOT EXISTS word (word TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS visit ("
    "  id INTEGER PRIMARY KEY, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, name TEXT NOT NULL)";

/* A word a line, unless there are some already. One statement: all of them or none. */
static const char add_words[] =
    "WITH RECURSIVE line(word, rest) AS ("
    "  SELECT NULL, ?1 UNION ALL"
    "  SELECT substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1)"
    "  FROM line WHERE rest <> '')"
    "INSERT OR IGNORE INTO word SELECT word FROM line"
    "  WHERE word IS NOT NULL AND NOT EXISTS (SELECT * FROM word)";

struct make_folder {
    const char *path;
};

static WEFT_BLOCKING(make_folder)
{
    return mkdir(self->path, 0777) == 0 || errno == EEXIST ? weft_ok(0) : weft_err(-errno);
}

void words_free(struct words *words)
{
    if (words)
        weft_sqlite_pool_free(words->connections);
    free(words);
}

static void destroy_words(void *words)
{
    words_free(words);
}

struct open_words {
    WEFT_FRAME;
    const char *folder; /* borrowed */
    char *path;
    struct words *words;
    weft_sqlite *db;
};

static WEFT_ASYNC(open_words)
{
    WEFT_BEGIN;
    self->words = calloc(1, sizeof(*self->words));
    if (!self->words || asprintf(&self->path, "%s/demo.db", self->folder) < 0)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT(weft_to_thread(make_folder, .path = self->folder));
    WEFT_AWAIT_INTO(
        self->words->connections,
        weft_sqlite_pool_open(self->path, &(struct weft_sqlite_pool_options){.readers = READERS}));
    WEFT_AWAIT_INTO(self->db, weft_sqlite_pool_write(self->words->connections));
    WEFT_AWAIT(weft_sqlite_script(self->db, make_tables));
    WEFT_AWAIT(weft_sqlite_exec(self->db, add_words,
                                weft_sqlite_text_of((const char *)words_txt, sizeof(words_txt))));
    {
        struct words *words = self->words;
        self->words = NULL;
        WEFT_RETURN(words, destroy_words);
    }
    WEFT_FINALLY;
    weft_sqlite_free(self->db);
    words_free(self->words);
    free(self->path);
    WEFT_END;
}

weft_future *words_open(const char *folder)
{
    return weft_spawn(open_words, .folder = folder);
}

/* ---- /words ---- */

/* Letters only, made small. False: it is none. */
static bool take_prefix(const char *text, char prefix[MAX_PREFIX + 1])
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len > MAX_PREFIX)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && !isalpha((unsigned char)text[i]))
            return false;
        prefix[i] = (char)tolower((unsigned char)text[i]);
    }
    return true;
}

/* A list of JSON; to be freed. NULL: out of memory. */
static char *list_of(const weft_sqlite_rows *rows)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    for (size_t i = 0; i < weft_sqlite_row_count(rows); i++)
        fprintf(out, "%s\"%s\"", i ? "," : "", weft_sqlite_get_text(rows, i, 0));
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

struct find_words {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    char prefix[MAX_PREFIX + 1];
    weft_sqlite *db;
    weft_sqlite_rows *rows;
    char *list;
};

static WEFT_ASYNC(find_words)
{
    WEFT_BEGIN;
    if (!take_prefix(weft_http_request_query(self->request, "prefix"), self->prefix)) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain",
                                      "?prefix= is 1 to %d letters\n", MAX_PREFIX));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT_INTO(self->db, weft_sqlite_pool_read(self->site->words->connections));
    WEFT_AWAIT_INTO(self->rows, weft_sqlite_fetch_all(
                                    self->db,
                                    "SELECT word FROM word WHERE word BETWEEN ?1 AND ?1 || '~'"
                                    " ORDER BY word LIMIT 20",
                                    weft_sqlite_text(self->prefix)));
    weft_sqlite_free(self->db); /* for the next one, while the client takes its answer */
    self->db = NULL;
    self->list = list_of(self->rows);
    if (!self->list)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "application/json", "{\"words\":[%s]}\n",
                                  self->list));
    WEFT_FINALLY;
    weft_sqlite_free(self->db);
    weft_sqlite_rows_free(self->rows);
    free(self->list);
    WEFT_END;
}

/* ---- /visits ---- */

static bool is_name(const weft_bytes *body)
{
    if (body->len == 0 || body->len > MAX_NAME)
        return false;
    for (size_t i = 0; i < body->len; i++)
        if (iscntrl((unsigned char)body->data[i]))
            return false;
    return true;
}

/* The visit and how many there are now: a transaction, so that nobody counts in between. */
struct visit {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    weft_bytes *name;
    weft_sqlite *db, *tx;
    weft_sqlite_rows *counts;
};

static WEFT_ASYNC(visit)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->name, weft_http_read_body(self->request));
    if (!is_name(self->name)) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain",
                                      "the body is a name: 1 to %d bytes, no line break\n",
                                      MAX_NAME));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT_INTO(self->db, weft_sqlite_pool_write(self->site->words->connections));
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
    WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO visit (name) VALUES (?)",
                                weft_sqlite_text_of(self->name->data, self->name->len)));
    WEFT_AWAIT_INTO(self->counts,
                    weft_sqlite_fetch_all(self->tx,
                                          "SELECT count(*), count(*) FILTER (WHERE name = ?)"
                                          " FROM visit",
                                          weft_sqlite_text_of(self->name->data, self->name->len)));
    WEFT_AWAIT(weft_sqlite_commit(self->tx));
    WEFT_AWAIT(weft_http_respondf(self->request, 201, "application/json",
                                  "{\"visits\":%lld,\"yours\":%lld}\n",
                                  (long long)weft_sqlite_get_int(self->counts, 0, 0),
                                  (long long)weft_sqlite_get_int(self->counts, 0, 1)));
    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    weft_sqlite_free(self->db);
    weft_sqlite_rows_free(self->counts);
    weft_bytes_free(self->name);
    WEFT_END;
}

/* ---- Without --data ---- */

struct no_database {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(no_database)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 503, "text/plain",
                                  "no database: start the server with --data DIR\n"));
    WEFT_END;
}

void add_word_routes(struct site *site)
{
    if (!site->words) {
        weft_http_route(site->server, "GET /words", no_database);
        weft_http_route(site->server, "POST /visits", no_database);
        return;
    }
    weft_http_route(site->server, "GET /words", find_words, .site = site);
    weft_http_route(site->server, "POST /visits", visit, .site = site);
}
