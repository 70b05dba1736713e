/* SPDX-License-Identifier: MIT */
/* The program of docs/guides/sqlite.md: accounts, and money that moves between them. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/sqlite.h>
#include <weft/weft.h>

/* ---- Rows ---- */

struct list {
    WEFT_FRAME;
    weft_sqlite *db;
    weft_sqlite_cursor *cursor;
    weft_sqlite_rows *rows;
};

static WEFT_ASYNC(list)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->cursor,
                    weft_sqlite_query(self->db,
                                      "SELECT name, money FROM account WHERE money > ? ORDER BY id",
                                      weft_sqlite_int(0)));
    for (;;) {
        WEFT_AWAIT_INTO(self->rows, weft_sqlite_fetch(self->cursor));
        if (!self->rows)
            break;
        for (size_t i = 0; i < weft_sqlite_row_count(self->rows); i++)
            printf("%s: %d\n", weft_sqlite_get_text(self->rows, i, 0),
                   (int)weft_sqlite_get_int(self->rows, i, 1));
        weft_sqlite_rows_free(self->rows);
        self->rows = NULL;
    }

    WEFT_FINALLY;
    weft_sqlite_rows_free(self->rows);
    weft_sqlite_cursor_free(self->cursor);
    WEFT_END;
}

/* ---- A transaction ---- */

struct move {
    WEFT_FRAME;
    weft_sqlite *db;
    const char *from, *to;
    int64_t money, changed;
    weft_sqlite *tx;
};

static WEFT_ASYNC(move)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
    WEFT_AWAIT(weft_sqlite_exec(self->tx,
                                "UPDATE account SET money = money + :money WHERE name = :to",
                                weft_sqlite_named(":money", weft_sqlite_int(self->money)),
                                weft_sqlite_named(":to", weft_sqlite_text(self->to))));
    WEFT_AWAIT_INTO(self->changed,
                    weft_sqlite_exec(self->tx,
                                     "UPDATE account SET money = money - ?1"
                                     " WHERE name = ?2 AND money >= ?1",
                                     weft_sqlite_int(self->money), weft_sqlite_text(self->from)));
    if (self->changed != 1)
        WEFT_FAIL(-ENOENT, "%s has not got %d", self->from, (int)self->money);
    WEFT_AWAIT(weft_sqlite_commit(self->tx));

    WEFT_FINALLY;
    weft_sqlite_free(self->tx); /* rolls back, unless it was committed */
    WEFT_END;
}

/* ---- Errors, and what takes too long ---- */

struct fail {
    WEFT_FRAME;
    weft_sqlite *db;
    int status;
};

static WEFT_ASYNC(fail)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status,
               weft_sqlite_insert(self->db, "INSERT INTO account(name) VALUES ('Ada')"));
    printf("%s, %d: %s\n", weft_error_name(self->status), weft_sqlite_code(WEFT_CAUGHT_MESSAGE),
           WEFT_CAUGHT_MESSAGE);
    WEFT_CATCH(
        self->status,
        weft_wait_for(weft_sqlite_exec(self->db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL"
                                                 " SELECT x + 1 FROM c) SELECT max(x) FROM c"),
                      WEFT_MS(20)));
    printf("counting: %s\n", weft_strerror(self->status));
    WEFT_END;
}

/* ---- Many readers, one writer ---- */

struct count {
    WEFT_FRAME;
    weft_sqlite_pool *pool;
    weft_sqlite *db;
    weft_sqlite_rows *rows;
    int64_t count;
};

static WEFT_ASYNC(count)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->db, weft_sqlite_pool_read(self->pool));
    WEFT_AWAIT_INTO(self->rows, weft_sqlite_fetch_all(self->db, "SELECT count(*) FROM account"));
    self->count = weft_sqlite_get_int(self->rows, 0, 0);
    WEFT_RETURN(self->count);

    WEFT_FINALLY;
    weft_sqlite_rows_free(self->rows);
    weft_sqlite_free(self->db); /* gives it back */
    WEFT_END;
}

struct share {
    WEFT_FRAME;
    const char *path;
    weft_sqlite_pool *pool;
    weft_sqlite *writer;
};

static WEFT_ASYNC(share)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->pool, weft_sqlite_pool_open(
                                    self->path, &(struct weft_sqlite_pool_options){.readers = 2}));
    WEFT_AWAIT_INTO(self->writer, weft_sqlite_pool_write(self->pool));
    WEFT_AWAIT(
        weft_gather(weft_call(move, .db = self->writer, .from = "Bob", .to = "Eve", .money = 1),
                    weft_spawn(count, .pool = self->pool), weft_spawn(count, .pool = self->pool)));
    WEFT_AWAIT(weft_call(list, .db = self->writer));
    WEFT_AWAIT(weft_sqlite_pool_close(self->pool));

    WEFT_FINALLY;
    weft_sqlite_free(self->writer);
    weft_sqlite_pool_free(self->pool);
    WEFT_END;
}

/* ---- The program ---- */

static void say_how_far(void *arg, int64_t done, int64_t all)
{
    (void)arg;
    if (done == all)
        printf("all of it was copied\n");
}

struct main_task {
    WEFT_FRAME;
    const char *path, *copy;
    weft_sqlite *db;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->db, weft_sqlite_open(self->path, &(struct weft_sqlite_options){
                                                               .flags = WEFT_SQLITE_WAL}));
    WEFT_AWAIT(weft_sqlite_script(
        self->db, "CREATE TABLE account(id INTEGER PRIMARY KEY, name UNIQUE, money DEFAULT 0);"
                  "INSERT INTO account(name, money) VALUES ('Ada', 10), ('Bob', 5), ('Eve', 0);"));
    WEFT_AWAIT(weft_call(move, .db = self->db, .from = "Ada", .to = "Bob", .money = 4));
    WEFT_CATCH(self->status,
               weft_call(move, .db = self->db, .from = "Ada", .to = "Eve", .money = 100));
    printf("%s\n", WEFT_CAUGHT_MESSAGE);
    WEFT_AWAIT(weft_call(list, .db = self->db));
    WEFT_AWAIT(weft_call(fail, .db = self->db));
    WEFT_AWAIT(weft_sqlite_backup(
        self->db, self->copy,
        &(struct weft_sqlite_backup_options){.pages = 100, .progress = say_how_far}));
    WEFT_AWAIT(weft_sqlite_close(self->db));
    WEFT_AWAIT(weft_call(share, .path = self->copy));

    WEFT_FINALLY;
    weft_sqlite_free(self->db);
    WEFT_END;
}

int main(void)
{
    char folder[] = "/tmp/accounts-XXXXXX", path[64], copy[64];
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/accounts.db", folder);
    snprintf(copy, sizeof(copy), "%s/copy.db", folder);
    int status = weft_run(main_task, .path = path, .copy = copy);
    remove(path);
    remove(copy);
    return rmdir(folder) == 0 ? status : 1;
}
