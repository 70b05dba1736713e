/* SPDX-License-Identifier: MIT */
/*
 * A connection to a database as its jobs see it. See pool/sqlite/connection.c.
 *
 * [job]: touched by jobs of the connection's lane only, of which one runs at a time.
 */
#ifndef WEFT_POOL_SQLITE_CONNECTION_H
#define WEFT_POOL_SQLITE_CONNECTION_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <weft/sqlite.h>
#include <weft/value.h>

struct weft__sqlite_statement;

/** What a handle on the loop stands for in the connection: counted, and dropped by a job. */
struct weft__sqlite_object {
    atomic_uint refs;           /* the last one orders what the others did before it: acq_rel */
    struct weft__sqlite_db *db; /* [const] a reference */
    void (*drop)(struct weft__sqlite_object *); /* [const] called in a job */
    struct weft__sqlite_object *next;           /* in db->dropped */
    bool scans;                                 /* [job] its statement stands between two rows */
};

struct weft__sqlite_db {
    atomic_uint refs;    /* the handle's, and one of each call and each object; acq_rel */
    unsigned generation; /* [const] of the process that opened it */
    struct weft_sqlite_options options; /* [const] with no zeroes left; `setup` is owned */
    char *path;                         /* [const] owned */
    sqlite3 *handle;                    /* [job] NULL: not open */
    unsigned depth;                     /* [job] transactions that are open, one in another */
    unsigned scanning;                  /* [job] statements that stand between two rows */
    atomic_bool interrupted; /* by a canceller; ordered by the end of listening, so relaxed */
    bool deaf;               /* [job] what runs now is not to be cancelled */
    bool ours;               /* [job] may begin and end transactions */
    bool checks;             /* [job] the text of a user is being prepared */
    bool refused;            /* [job] it was such a one, which only weft itself may run */
    weft_ns busy_until;      /* [job] */
    struct weft__sqlite_statement *statements;   /* [job] all that are prepared */
    size_t kept;                                 /* [job] of these, in the cache */
    uint64_t uses;                               /* [job] of statements, so far */
    struct weft__sqlite_object *_Atomic dropped; /* nobody has them any more: pushed (release) by
                                                    whoever was last, all taken (acquire) by a job */
    _Atomic int64_t rowid, changes;              /* of the last statement: numbers alone, relaxed */
};

/** A connection that is not open yet; NULL: out of memory. */
struct weft__sqlite_db *weft__sqlite_db_new(const char *path,
                                            const struct weft_sqlite_options *options);
struct weft__sqlite_db *weft__sqlite_db_ref(struct weft__sqlite_db *db);

/** With the last one it is closed, here. Thread: any. NULL is nothing. */
void weft__sqlite_db_unref(struct weft__sqlite_db *db);

void weft__sqlite_object_init(struct weft__sqlite_object *object, struct weft__sqlite_db *db,
                              void (*drop)(struct weft__sqlite_object *));
void weft__sqlite_object_ref(struct weft__sqlite_object *object);

/** Thread: any. With the last one, a later job drops it. */
void weft__sqlite_object_unref(struct weft__sqlite_object *object);
void weft__sqlite_object_destroy(void *object); /* the same, as a destructor */

/* ---- In a job ---- */

/** Open the file; on failure it is closed. */
weft_result weft__sqlite_db_open(struct weft__sqlite_db *db);

/** Finalize all and close. */
weft_result weft__sqlite_db_close(struct weft__sqlite_db *db);

/**
 * The first thing that a job does: drop what nobody has any more, and roll back to `depth`
 * transactions. Fails when SQLite has rolled back one of these by itself.
 */
weft_result weft__sqlite_db_enter(struct weft__sqlite_db *db, unsigned depth);

/** From here on what comes to the running job as a cancel stops the connection. `object` is what it
 * goes on with; NULL: nothing. */
void weft__sqlite_db_listen(struct weft__sqlite_db *db, const struct weft__sqlite_object *object);
void weft__sqlite_db_listen_end(struct weft__sqlite_db *db);

/** Listen no more; true if sqlite3_interrupt() was called. What still stands between two rows must be
 * reset then, before weft__sqlite_db_listen_end(). */
bool weft__sqlite_db_was_interrupted(struct weft__sqlite_db *db);

/** Run a statement of weft's own, which may begin and end transactions. */
weft_result weft__sqlite_db_run(struct weft__sqlite_db *db, const char *sql);

/** The same when nothing may stop it: to roll back. */
weft_result weft__sqlite_db_undo(struct weft__sqlite_db *db, const char *sql);

/** Begin a transaction, by this statement; within one: by a savepoint. */
weft_result weft__sqlite_db_begin(struct weft__sqlite_db *db, const char *outermost);

/** Commit the innermost one. */
weft_result weft__sqlite_db_commit(struct weft__sqlite_db *db);

/** -EBUSY if there is a change that SQLite commits later: outside of transactions, a cursor stands
 * between two rows of it. What is changed then would be committed as late. */
weft_result weft__sqlite_db_check_change(struct weft__sqlite_db *db);

/** Roll back until no more than `depth` are open, which SQLite may have done already. */
weft_result weft__sqlite_db_roll_back_to(struct weft__sqlite_db *db, unsigned depth);

/** The busy handler: true to try again. */
int weft__sqlite_db_wait(void *db, int times);

/** The commit hook: true to roll back. */
int weft__sqlite_db_commits(void *db);

/** The failure `code` of the last call of SQLite, with its text. */
weft_result weft__sqlite_failure(struct weft__sqlite_db *db, int code);

/** The same, of another handle that a job of this connection uses. */
weft_result weft__sqlite_failure_of(struct weft__sqlite_db *db, sqlite3 *handle, int code);

/** For `options.flags`: a connection of a pool that reads only. */
#define WEFT__SQLITE_QUERY_ONLY (1u << 16)

#endif
