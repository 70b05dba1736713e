/* SPDX-License-Identifier: MIT */
/**
 * SQLite, awaited: a library of its own, `weft_sqlite` (not part of <weft/weft.h>).
 *
 *     struct add { WEFT_FRAME; weft_sqlite *db, *tx; const char *name; };
 *
 *     static WEFT_ASYNC(add)
 *     {
 *         WEFT_BEGIN;
 *         WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
 *         WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO person(name) VALUES (?)",
 *                                     weft_sqlite_text(self->name)));
 *         WEFT_AWAIT(weft_sqlite_commit(self->tx));
 *         WEFT_FINALLY;
 *         weft_sqlite_free(self->tx);             // rolls back unless it was committed
 *         WEFT_END;
 *     }
 *
 * A connection is a lane of one: what is asked of it runs on the pool's workers, one after the
 * other, in the order in which it was asked for. A `weft_sqlite` is a handle on one: the connection
 * itself, a transaction on it, or a connection that a weft_sqlite_pool lends. What works on one
 * works on each. While a transaction is open, what is asked of the handle that it was begun on
 * waits, in order, until the transaction has ended; its own handle goes on. The order is that in which
 * things run: of two that are under way, the second one's future may complete first.
 *
 * Cancelling drops what has not started. What runs is interrupted, be it in the middle of a long
 * query or waiting for another connection's lock; a change is undone then. Once SQLite has begun to
 * commit, no cancel stops it, and it is delivered as what it is.
 *
 * A failure is a status and SQLite's text: -EEXIST (a row with that key is there), -EBUSY (another
 * connection has it locked, and had for `busy_timeout`), -ENOSPC, -EIO, -EROFS, -E2BIG, -EINVAL
 * (misuse), for a file that cannot be opened the system's error; WEFT_ESQLITE for the rest.
 * weft_sqlite_code() gives SQLite's own code. Each call below may fail so, besides what it names.
 */
#ifndef WEFT_SQLITE_H
#define WEFT_SQLITE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A handle on a connection. Belongs to the loop on which it was opened. */
typedef struct weft_sqlite weft_sqlite;

/** A statement that was prepared for one connection. */
typedef struct weft_sqlite_statement weft_sqlite_statement;

/** A query under way. */
typedef struct weft_sqlite_cursor weft_sqlite_cursor;

/** Rows that were read: a block of memory of its own, which nothing else knows. */
typedef struct weft_sqlite_rows weft_sqlite_rows;

/** One connection that writes, and several that read. */
typedef struct weft_sqlite_pool weft_sqlite_pool;

/* ---- Values ---- */

enum weft_sqlite_type {
    WEFT_SQLITE_NULL,
    WEFT_SQLITE_INT,
    WEFT_SQLITE_REAL,
    WEFT_SQLITE_TEXT, /* UTF-8 */
    WEFT_SQLITE_BLOB
};

/** What is bound to a parameter, or stands in a column. */
struct weft_sqlite_value {
    enum weft_sqlite_type type;
    const char *name; /* of the parameter, with its ":", "@" or "$"; NULL: the next one by number */
    size_t len;       /* bytes of a text or a blob; a text that was read has a NUL behind them */
    union {
        int64_t i64;
        double f64;
        const void *ptr;
    } as;
};

static inline struct weft_sqlite_value weft_sqlite_null(void)
{
    struct weft_sqlite_value value = {WEFT_SQLITE_NULL, 0, 0, {0}};
    return value;
}

static inline struct weft_sqlite_value weft_sqlite_int(int64_t number)
{
    struct weft_sqlite_value value = weft_sqlite_null();
    value.type = WEFT_SQLITE_INT;
    value.as.i64 = number;
    return value;
}

static inline struct weft_sqlite_value weft_sqlite_real(double number)
{
    struct weft_sqlite_value value = weft_sqlite_null();
    value.type = WEFT_SQLITE_REAL;
    value.as.f64 = number;
    return value;
}

/** `len` bytes of text; NULL is SQL's NULL. */
static inline struct weft_sqlite_value weft_sqlite_text_of(const char *text, size_t len)
{
    struct weft_sqlite_value value = weft_sqlite_null();
    if (!text)
        return value;
    value.type = WEFT_SQLITE_TEXT;
    value.as.ptr = text;
    value.len = len;
    return value;
}

/** A text that ends with NUL; NULL is SQL's NULL. */
static inline struct weft_sqlite_value weft_sqlite_text(const char *text)
{
    size_t len = 0;
    while (text && text[len])
        len++;
    return weft_sqlite_text_of(text, len);
}

/** `len` bytes; NULL is SQL's NULL. */
static inline struct weft_sqlite_value weft_sqlite_blob(const void *data, size_t len)
{
    struct weft_sqlite_value value = weft_sqlite_null();
    if (!data)
        return value;
    value.type = WEFT_SQLITE_BLOB;
    value.as.ptr = data;
    value.len = len;
    return value;
}

/** The value for the parameter with that name: `weft_sqlite_named(":id", weft_sqlite_int(7))`. */
static inline struct weft_sqlite_value weft_sqlite_named(const char *name,
                                                         struct weft_sqlite_value value)
{
    value.name = name;
    return value;
}

/* ---- Connections ---- */

/** How a connection is opened; to be or-ed. */
enum weft_sqlite_flags {
    WEFT_SQLITE_READ_ONLY = 1, /* nothing can be changed */
    WEFT_SQLITE_NO_CREATE = 2, /* the file must be there */
    WEFT_SQLITE_URI = 4,       /* the path is a URI of SQLite's */
    WEFT_SQLITE_NO_FOLLOW = 8, /* the path must not be a symbolic link */
    WEFT_SQLITE_WAL = 16, /* journal_mode=WAL, synchronous=NORMAL: readers and the writer do not
                                  wait for each other */
    WEFT_SQLITE_FULL = 32 /* synchronous=FULL, also with WAL: what was committed survives a loss
                                  of power too, for an fsync() a transaction */
};

/** Zero is the default of every field. */
struct weft_sqlite_options {
    size_t size;          /* sizeof(struct weft_sqlite_options), or 0 for "this version" */
    unsigned flags;       /* enum weft_sqlite_flags */
    weft_ns busy_timeout; /* how long to wait for what another connection has locked; 0: 5 s; less:
                             not at all */
    size_t statements;    /* how many statements that were given as text are kept prepared; 0: 32 */
    size_t batch_rows;    /* a batch of a query has at most so many rows; 0: 256 */
    size_t batch_bytes;   /* and takes so much memory, unless one row needs more; 0: 256 KiB */
    size_t all_bytes;     /* the limit of weft_sqlite_fetch_all(); 0: 16 MiB */
    size_t value_bytes;   /* the longest text, blob or row; 0: 1,000,000,000, as SQLite has it */
    const char *setup;    /* statements to run when it is open, "PRAGMA foreign_keys = ON" say */
};

/**
 * Open a database file, or make it; ":memory:" is one in memory, of this connection only. The value
 * is a `weft_sqlite *`.
 *
 * The connection has a lane of its own in the loop's pool, "sqlite:FILE#NUMBER", with the first number that is
 * free there.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The handle is whoever's takes it, until
 *            weft_sqlite_free(). `path` and `options` (may be NULL) are copied.
 * Errors:    by the future: what opening a file fails with, -EINVAL, -ENOMEM, -ECANCELED, -ESHUTDOWN,
 *            WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_sqlite_open(const char *path, const struct weft_sqlite_options *options);

/**
 * Close a connection, once what was asked of it before has run. What waits for the end of a
 * transaction on it fails with WEFT_ECLOSED, as does what is asked later; a transaction that is open
 * is rolled back, and cursors and statements are finalized. The handle is still to be freed.
 *
 * It cannot be cancelled, and works while the loop shuts down.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: WEFT_ECLOSED (it is closed already), -EINVAL (NULL, or not a connection
 *            but a transaction or a lent one), -ENOMEM, WEFT_ETHREAD, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_close(weft_sqlite *db);

/**
 * Free a handle, which does not wait. NULL is nothing.
 *
 * A connection is closed, on a worker, once what was asked of it before has run. A transaction that
 * was not committed is rolled back. A lent connection goes back to its pool; what was left open on
 * it is rolled back. What was begun on the handle, transactions and cursors say, fails with
 * WEFT_ECLOSED from now on, and is still to be freed.
 *
 * Thread:    loop; before weft_loop_free().
 * Ownership: consumes the handle.
 * Errors:    none. When there is no memory for a job, a transaction is rolled back before anything
 *            else runs on the connection, and a connection is closed by its last job, or here.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_sqlite_free(weft_sqlite *db);

/**
 * SQLite's (extended) error code in the message of a failure: weft_message(future), or
 * WEFT_CAUGHT_MESSAGE; 0: there is none. 2067, for one, is SQLITE_CONSTRAINT_UNIQUE.
 * Thread: any. Since: 0.1
 */
WEFT_PUBLIC int weft_sqlite_code(const char *message);

/**
 * The rowid of the last row that was inserted on the connection, and how many rows the last
 * statement has changed, as of the last statement that has run. Exact while nobody else uses the
 * connection: in a transaction; else see weft_sqlite_insert() and weft_sqlite_exec().
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC int64_t weft_sqlite_last_insert_rowid(const weft_sqlite *db);

/** How many rows the last statement has changed: see weft_sqlite_last_insert_rowid().
 * Thread: loop. Since: 0.1 */
WEFT_PUBLIC int64_t weft_sqlite_changes(const weft_sqlite *db);

/* ---- Statements ---- */

/**
 * Run one statement, `weft_sqlite_exec(db, "UPDATE t SET a = ? WHERE id = ?", weft_sqlite_real(0.5),
 * weft_sqlite_int(7))`. The value is how many rows it has changed; rows that it gives are dropped.
 *
 * Each parameter must be given. Statements that begin or end transactions are refused:
 * weft_sqlite_begin() does. What was prepared is kept, for the next time.
 *
 * Thread:    loop. The statement runs on a worker.
 * Ownership: returns one reference, never NULL. The text and the values are copied.
 * Errors:    by the future: -EINVAL (no statement, or several; not as many values as parameters, no
 *            parameter of that name), -EDEADLK (the running task itself has a transaction open, which
 *            this would wait for), WEFT_ECLOSED, -ECANCELED, -ETIMEDOUT, -EAGAIN (lane full),
 *            -ESHUTDOWN, -ENOMEM, WEFT_ETHREAD, WEFT_EFORK.
 * Since:     0.1
 */
#define weft_sqlite_exec(...) \
    WEFT__SQLITE_WITH_VALUES(weft__sqlite_exec, __VA_ARGS__, WEFT__SQLITE_END)

/** weft_sqlite_exec() of an INSERT: the value is the rowid of the (last) row.
 * Thread: loop. Ownership, Errors: as weft_sqlite_exec(). Since: 0.1 */
#define weft_sqlite_insert(...) \
    WEFT__SQLITE_WITH_VALUES(weft__sqlite_insert, __VA_ARGS__, WEFT__SQLITE_END)

/** weft_sqlite_exec() with the values in an array, which may be NULL when `count` is 0.
 * Thread: loop. Ownership, Errors: as weft_sqlite_exec(). Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_sqlite_exec_array(weft_sqlite *db, const char *sql, const struct weft_sqlite_value *values,
                       size_t count);

/**
 * Run all statements of a text, as one: if one fails, or a cancel comes, none has happened. No
 * statement may have parameters. What cannot run in a transaction (VACUUM, some PRAGMAs) is for
 * weft_sqlite_exec().
 * Thread: loop. The statements run on a worker. Ownership, Errors: as weft_sqlite_exec(). Since: 0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_script(weft_sqlite *db, const char *sql);

/**
 * Prepare a statement, to run it many times. The value is a `weft_sqlite_statement *`.
 *
 * (A text that is given again and again is kept prepared anyway, as long as there are not more than
 * `statements` of them. This is for what must never be prepared anew, and finds faults early.)
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The statement is whoever's takes it, until
 *            weft_sqlite_statement_free(); it may outlive `db`, and then fails with WEFT_ECLOSED.
 * Errors:    as weft_sqlite_exec().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_prepare(weft_sqlite *db, const char *sql);

/** Free a statement; what runs with it ends first. NULL is nothing.
 * Thread: loop. Ownership: consumes it. Since: 0.1 */
WEFT_PUBLIC void weft_sqlite_statement_free(weft_sqlite_statement *statement);

/**
 * weft_sqlite_exec() of a prepared statement: `weft_sqlite_exec_prepared(db, statement, values…)`.
 * `db` is any handle on the connection for which it was prepared.
 *
 * Thread:    loop. The statement runs on a worker.
 * Ownership: as weft_sqlite_exec(). The statement is borrowed for the call.
 * Errors:    as weft_sqlite_exec(); -EXDEV (it was prepared for another connection), -EBUSY (a cursor
 *            goes through its rows).
 * Since:     0.1
 */
#define weft_sqlite_exec_prepared(...) \
    WEFT__SQLITE_WITH_VALUES(weft__sqlite_exec_prepared, __VA_ARGS__, WEFT__SQLITE_END)

/* ---- Queries ---- */

/**
 * Begin a query: `weft_sqlite_query(db, "SELECT name FROM person WHERE age > ?",
 * weft_sqlite_int(30))`. The value is a `weft_sqlite_cursor *`; the first batch has been read.
 *
 * Other statements may run on the connection while the cursor is open. It sees the database as it
 * was, as far as they are other connections'; of what its own connection changes meanwhile it may or
 * may not see something (so SQLite). An open cursor keeps others from a checkpoint: do not let it lie.
 * Outside of a transaction, a change that gives rows (RETURNING) is committed when its cursor has come to
 * the end or is freed; other changes fail with -EBUSY until then.
 *
 * Thread:    loop. The query runs on a worker.
 * Ownership: returns one reference, never NULL. The cursor is whoever's takes it, until
 *            weft_sqlite_cursor_free(); it may outlive `db`, and then fails with WEFT_ECLOSED.
 * Errors:    as weft_sqlite_exec().
 * Since:     0.1
 */
#define weft_sqlite_query(...) \
    WEFT__SQLITE_WITH_VALUES(weft__sqlite_query, __VA_ARGS__, WEFT__SQLITE_END)

/** weft_sqlite_query() with the values in an array.
 * Thread: loop. Ownership, Errors: as weft_sqlite_query(). Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_sqlite_query_array(weft_sqlite *db, const char *sql, const struct weft_sqlite_value *values,
                        size_t count);

/** weft_sqlite_query() of a prepared statement, which is in use as long as the cursor is open.
 * Thread: loop. Ownership: as weft_sqlite_query(). Errors: as weft_sqlite_exec_prepared().
 * Since: 0.1 */
#define weft_sqlite_query_prepared(...) \
    WEFT__SQLITE_WITH_VALUES(weft__sqlite_query_prepared, __VA_ARGS__, WEFT__SQLITE_END)

/**
 * The next batch of rows: the value is a `weft_sqlite_rows *` with at least one row, or NULL at the
 * end, and ever after.
 *
 * At most `batch_rows` and `batch_bytes` (see struct weft_sqlite_options) are in memory; SQLite goes
 * on only when the next batch is asked for. Of several fetches at once the first has the first batch.
 *
 * A cancel that comes while it runs ends the query: rows that were read by then are delivered; the
 * fetch that has none, this one or the next, fails with -ECANCELED, and so does each later one.
 *
 * Thread:    loop. The query runs on a worker.
 * Ownership: returns one reference, never NULL. The rows are whoever's takes them, until
 *            weft_sqlite_rows_free().
 * Errors:    as weft_sqlite_exec().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_fetch(weft_sqlite_cursor *cursor);

/** Free a cursor; its statement is reset on a worker, once the fetches that were asked for have run.
 * NULL is nothing. Thread: loop. Ownership: consumes it. Since: 0.1 */
WEFT_PUBLIC void weft_sqlite_cursor_free(weft_sqlite_cursor *cursor);

/**
 * A query of few rows, all of them at once: the value is a `weft_sqlite_rows *`, which may have none.
 *
 * Thread:    loop. The query runs on a worker.
 * Ownership: returns one reference, never NULL. The rows are whoever's takes them, until
 *            weft_sqlite_rows_free(). The text and the values are copied.
 * Errors:    as weft_sqlite_exec(); WEFT_ELIMIT (more than `all_bytes`: use weft_sqlite_query()).
 * Since:     0.1
 */
#define weft_sqlite_fetch_all(...) \
    WEFT__SQLITE_WITH_VALUES(weft__sqlite_fetch_all, __VA_ARGS__, WEFT__SQLITE_END)

/* ---- Rows ---- */

/** How many rows there are. Thread: any. Since: 0.1 */
WEFT_PUBLIC size_t weft_sqlite_row_count(const weft_sqlite_rows *rows);

/** How many columns each row has. Thread: any. Since: 0.1 */
WEFT_PUBLIC size_t weft_sqlite_column_count(const weft_sqlite_rows *rows);

/** The name of a column, borrowed; NULL: there is no such one. Thread: any. Since: 0.1 */
WEFT_PUBLIC const char *weft_sqlite_column_name(const weft_sqlite_rows *rows, size_t column);

/** The first column of that name; -ENOENT: there is none. Thread: any. Since: 0.1 */
WEFT_PUBLIC int weft_sqlite_find_column(const weft_sqlite_rows *rows, const char *name);

/**
 * What stands in a column of a row; both count from 0.
 *
 * Thread:    any.
 * Ownership: borrowed, until the rows are freed.
 * Errors:    NULL when there is no such row or column.
 * Since:     0.1
 */
WEFT_PUBLIC const struct weft_sqlite_value *weft_sqlite_get(const weft_sqlite_rows *rows,
                                                            size_t row, size_t column);

/** The integer that stands there; 0 for anything else, and where nothing is.
 * Thread: any. Since: 0.1 */
WEFT_PUBLIC int64_t weft_sqlite_get_int(const weft_sqlite_rows *rows, size_t row, size_t column);

/** The number that stands there, real or integer; 0 for anything else, and where nothing is.
 * Thread: any. Since: 0.1 */
WEFT_PUBLIC double weft_sqlite_get_real(const weft_sqlite_rows *rows, size_t row, size_t column);

/** The text that stands there, with a NUL behind it, borrowed; NULL for anything else, and where
 * nothing is. Thread: any. Since: 0.1 */
WEFT_PUBLIC const char *weft_sqlite_get_text(const weft_sqlite_rows *rows, size_t row,
                                             size_t column);

/** Free rows. NULL is nothing. Thread: any. Ownership: consumes them. Since: 0.1 */
WEFT_PUBLIC void weft_sqlite_rows_free(weft_sqlite_rows *rows);

/* ---- Transactions ---- */

enum weft_sqlite_begin {
    WEFT_SQLITE_DEFERRED, /* locks when it first reads or writes */
    WEFT_SQLITE_IMMEDIATE, /* it is the one who writes, from the beginning: for all that will write */
    WEFT_SQLITE_EXCLUSIVE /* without WAL, others cannot read either */
};

/**
 * Begin a transaction. The value is a `weft_sqlite *`, the handle for what belongs to it.
 *
 * What is asked of `db` from now on waits until the transaction has ended. On the handle of a
 * transaction it begins one within it (a savepoint; `how` is of no meaning then), which can be rolled
 * back alone, and is committed when the outermost one is.
 *
 * A statement that fails leaves the transaction as it was before that statement. After some failures
 * (-ENOSPC, -EIO, -ENOMEM, -EBUSY, a cancel of one that writes) SQLite may have rolled back all of
 * it: then it has ended, and the rest fails with WEFT_ECLOSED.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The handle is whoever's takes it, until
 *            weft_sqlite_free(), which rolls back what was not committed.
 * Errors:    as weft_sqlite_exec(); -EINVAL (`how` is none of these).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_begin(weft_sqlite *db,
                                                           enum weft_sqlite_begin how);

/**
 * Commit a transaction. The handle is still to be freed; whatever else is asked of it fails with
 * WEFT_ECLOSED.
 *
 * A cancel that comes before SQLite commits rolls the transaction back, or leaves it open to be; one
 * that comes later is not heard, and this succeeds. If it fails, the transaction may still be open:
 * it can be tried again, and is rolled back by weft_sqlite_free().
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    as weft_sqlite_exec(); -EBUSY (also: one within it is open), -EINVAL (not a transaction).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_commit(weft_sqlite *tx);

/**
 * Roll a transaction back, and those within it, and wait until that is done. The handle is still to
 * be freed. (weft_sqlite_free() does the same and does not wait.) It cannot be cancelled, and works
 * while the loop shuts down.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    as weft_sqlite_commit(), but for -EBUSY.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_rollback(weft_sqlite *tx);

/* ---- Backup ---- */

/** Zero is the default of every field. */
struct weft_sqlite_backup_options {
    size_t size;     /* sizeof(struct weft_sqlite_backup_options), or 0 for "this version" */
    unsigned pages;  /* are copied at a time; 0: 256 */
    weft_ns between; /* how long to wait before the next ones */
    void (*progress)(void *arg, int64_t done,
                     int64_t all); /* on the loop, after each time; NULL: none */
    void *arg;                     /* of `progress` */
};

/**
 * Copy the database into the file `path` while it is in use. The value is how many pages it has.
 *
 * Between two steps others may use the connection, and the database. What this connection changes is
 * copied, too; what another one changes makes the copy begin anew. The file is replaced in one
 * transaction: if it fails or is cancelled, it is as it was before.
 *
 * Thread:    loop; so is `progress`, which may use weft as any code on the loop.
 * Ownership: returns one reference, never NULL. `path` and `options` (may be NULL) are copied; `arg`
 *            is borrowed until it is done.
 * Errors:    as weft_sqlite_exec(), and as weft_sqlite_open() for the file.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_sqlite_backup(weft_sqlite *db, const char *path,
                   const struct weft_sqlite_backup_options *options);

/* ---- Pools ---- */

/** Zero is the default of every field. */
struct weft_sqlite_pool_options {
    size_t size;      /* sizeof(struct weft_sqlite_pool_options), or 0 for "this version" */
    unsigned readers; /* connections that read; 0: 4; at most 1,000 */
    struct weft_sqlite_options connection; /* of each; WEFT_SQLITE_WAL is implied */
};

/**
 * Open one connection that writes and several that read, on one file, with WAL: then readers do not
 * wait for the writer, nor it for them. The value is a `weft_sqlite_pool *`.
 *
 * `setup` runs on each connection; on those that read it cannot change anything.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The pool is whoever's takes it, until
 *            weft_sqlite_pool_free(). `path` and `options` (may be NULL) are copied.
 * Errors:    as weft_sqlite_open(); -EINVAL (also: no file, or one to be read only).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_sqlite_pool_open(const char *path, const struct weft_sqlite_pool_options *options);

/**
 * Wait for a connection that reads, and have it alone. The value is a `weft_sqlite *`;
 * weft_sqlite_free() gives it back. Who has waited longest is served first.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The handle is whoever's takes it.
 * Errors:    by the future: WEFT_ECLOSED (the pool was freed), -EINVAL (NULL), -ECANCELED, -ENOMEM,
 *            -ESHUTDOWN, WEFT_ETHREAD, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_pool_read(weft_sqlite_pool *pool);

/** The same for the connection that writes. Thread: loop. Ownership, Errors: as
 * weft_sqlite_pool_read(). Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_pool_write(weft_sqlite_pool *pool);

/**
 * Close a pool: its connections, each once what was asked of it has run, the one that writes last. What
 * waits for one, and what was lent, fails with WEFT_ECLOSED; the latter, and the pool, are still to be
 * freed. It cannot be cancelled, and works while the loop shuts down.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: WEFT_ECLOSED (it is closed already), -EINVAL (NULL), -ENOMEM, WEFT_ETHREAD,
 *            WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sqlite_pool_close(weft_sqlite_pool *pool);

/**
 * Free a pool, and close it as weft_sqlite_pool_close() does, without waiting. NULL is nothing.
 *
 * Thread:    loop; before weft_loop_free().
 * Ownership: consumes the pool.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_sqlite_pool_free(weft_sqlite_pool *pool);

/* ---- What the macros expand to; nothing below is for direct use. ---- */

/* Stands behind the last value. */
#define WEFT__SQLITE_END_TYPE ((enum weft_sqlite_type)99)
#define WEFT__SQLITE_END                \
    {                                   \
        WEFT__SQLITE_END_TYPE, NULL, 0, \
        {                               \
            0                           \
        }                               \
    }
#define WEFT__SQLITE_WITH_VALUES(function, db, what, ...) \
    function((db), (what), (const struct weft_sqlite_value[]){__VA_ARGS__})

WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__sqlite_exec(weft_sqlite *db, const char *sql,
                                                           const struct weft_sqlite_value *values);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft__sqlite_insert(weft_sqlite *db, const char *sql, const struct weft_sqlite_value *values);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__sqlite_query(weft_sqlite *db, const char *sql,
                                                            const struct weft_sqlite_value *values);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft__sqlite_fetch_all(weft_sqlite *db, const char *sql, const struct weft_sqlite_value *values);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft__sqlite_exec_prepared(weft_sqlite *db, weft_sqlite_statement *statement,
                           const struct weft_sqlite_value *values);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft__sqlite_query_prepared(weft_sqlite *db, weft_sqlite_statement *statement,
                            const struct weft_sqlite_value *values);

#ifdef __cplusplus
}
#endif

#endif
