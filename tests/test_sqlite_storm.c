/* SPDX-License-Identifier: MIT */
/*
 * A process that is killed while it writes. What it acknowledged must be there.
 *
 * The child writes transactions of two rows, several tasks at a time, and says by a pipe which one was
 * committed, after its commit's future has completed. The parent kills it by SIGKILL once it has heard
 * of so many, and looks. A file on which many childs in a row wrote and were killed is the hardest
 * case, so that it is the same file all the time.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/child.h"
#include "tests/support/loop.h"
#include "tests/support/sqlite.h"

TestSuite(sqlite_storm, .init = test_sqlite_begin, .timeout = 120);

enum { KILLS = 20, WRITERS = 4, PER_CHILD = 10000 };

struct writer {
    WEFT_FRAME;
    weft_sqlite *db, *tx;
    int64_t first; /* id; the next ones are WRITERS apart */
    int to, i;
};

static WEFT_ASYNC(writer)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < PER_CHILD; self->i++, self->first += WRITERS) {
        WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
        WEFT_AWAIT(
            weft_sqlite_exec(self->tx, "INSERT INTO one VALUES (?)", weft_sqlite_int(self->first)));
        WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO two VALUES (?, zeroblob(300))",
                                    weft_sqlite_int(self->first)));
        WEFT_AWAIT(weft_sqlite_commit(self->tx));
        if (write(self->to, &self->first, sizeof(self->first)) != sizeof(self->first))
            WEFT_FAIL(-errno);
        weft_sqlite_free(self->tx);
        self->tx = NULL;
    }

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    WEFT_END;
}

struct storm {
    WEFT_FRAME;
    const char *path;
    struct weft_sqlite_options options;
    weft_sqlite *db;
    int64_t first;
    int to;
};

static WEFT_ASYNC(storm)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->db, weft_sqlite_open(self->path, &self->options));
    WEFT_AWAIT(
        weft_gather(weft_spawn(writer, .db = self->db, .first = self->first, .to = self->to),
                    weft_spawn(writer, .db = self->db, .first = self->first + 1, .to = self->to),
                    weft_spawn(writer, .db = self->db, .first = self->first + 2, .to = self->to),
                    weft_spawn(writer, .db = self->db, .first = self->first + 3, .to = self->to)));

    WEFT_FINALLY;
    weft_sqlite_free(self->db);
    WEFT_END;
}

/* What a child has acknowledged, in all. */
struct heard {
    int64_t *ids;
    size_t count, capacity;
};

static void hear(struct heard *heard, int64_t id)
{
    if (heard->count == heard->capacity) {
        heard->capacity = heard->capacity ? 2 * heard->capacity : 1024;
        heard->ids = realloc(heard->ids, heard->capacity * sizeof(*heard->ids));
        cr_assert_not_null(heard->ids);
    }
    heard->ids[heard->count++] = id;
}

/* Read acknowledgements: `least`, then kill, then what is left in the pipe. */
static void hear_and_kill(struct heard *heard, int from, pid_t child, size_t least)
{
    int64_t id;
    for (size_t i = 0; read(from, &id, sizeof(id)) == sizeof(id); i++) {
        hear(heard, id);
        if (i + 1 == least)
            cr_assert_eq(kill(child, SIGKILL), 0);
    }
}

static void run_child(const char *path, unsigned flags, int64_t first, int to)
{
    struct weft_sqlite_options options = {.flags = flags};
    signal(SIGPIPE, SIG_IGN);
    _exit(weft_run(storm, .path = path, .options = options, .first = first, .to = to));
}

static void storm_once(struct heard *heard, const char *path, unsigned flags, int64_t first,
                       size_t least)
{
    int ends[2], status;
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        close(ends[0]);
        run_child(path, flags, first, ends[1]);
    }
    close(ends[1]);
    hear_and_kill(heard, ends[0], child, least);
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself: %d",
              status);
}

static void look(weft_sqlite *db, const struct heard *heard)
{
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch_all(db, "PRAGMA integrity_check"));
    cr_assert_str_eq(weft_sqlite_get_text(rows, 0, 0), "ok");
    weft_sqlite_rows_free(rows);
    cr_assert_eq(test_ask(db, "SELECT (SELECT count(*) FROM one) = (SELECT count(*) FROM two)"
                              " AND NOT EXISTS (SELECT id FROM one EXCEPT SELECT id FROM two)"),
                 1);
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_DEFERRED));
    for (size_t i = 0; i < heard->count; i++) {
        rows = test_pointer(weft_sqlite_fetch_all(tx, "SELECT count(*) FROM one WHERE id = ?",
                                                  weft_sqlite_int(heard->ids[i])));
        cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), 1, "%lld was acknowledged, and is lost",
                     (long long)heard->ids[i]);
        weft_sqlite_rows_free(rows);
    }
    weft_sqlite_free(tx);
}

static void storm_and_look(unsigned flags, int kills, unsigned seed)
{
    struct heard heard = {0};
    const char *path = test_path("db");
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.flags = flags});
    cr_assert_eq(test_number(weft_sqlite_script(
                     db, "CREATE TABLE one(id INTEGER PRIMARY KEY); CREATE TABLE two(id, fill)")),
                 0);
    cr_assert_eq(test_number(weft_sqlite_close(db)), 0);
    weft_sqlite_free(db);
    for (int i = 0; i < kills; i++) {
        seed = seed * 1103515245u + 12345u;
        storm_once(&heard, path, flags, (int64_t)i * WRITERS * PER_CHILD, 1 + (seed >> 16) % 60);
        db = test_open(&(struct weft_sqlite_options){.flags = flags});
        look(db, &heard);
        cr_assert_eq(test_number(weft_sqlite_close(db)), 0);
        weft_sqlite_free(db);
    }
    free(heard.ids);
}

Test(sqlite_storm, twenty_kills_lose_nothing_that_was_acknowledged_with_wal)
{
    storm_and_look(WEFT_SQLITE_WAL, KILLS, (unsigned)getpid());
    test_sqlite_end();
}

Test(sqlite_storm, nor_with_a_rollback_journal)
{
    storm_and_look(0, 5, (unsigned)getpid());
    test_sqlite_end();
}
