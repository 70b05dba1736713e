/* SPDX-License-Identifier: MIT */
/* Handles: connections, transactions and lent connections as the loop sees them. See
 * pool/sqlite/handle.c. */
#ifndef WEFT_POOL_SQLITE_HANDLE_H
#define WEFT_POOL_SQLITE_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/cleanup.h>
#include <weft/job.h>
#include <weft/sqlite.h>

#include "core/companion.h"
#include "pool/sqlite/call.h"

enum weft__sqlite_kind { WEFT__SQLITE_CONNECTION, WEFT__SQLITE_TRANSACTION, WEFT__SQLITE_LENT };

struct weft__sqlite_turn;

/** All fields are [loop]. */
struct weft_sqlite {
    enum weft__sqlite_kind kind; /* [const] */
    uint32_t loop_id;            /* [const] */
    unsigned generation;         /* [const] of the process that made it */
    unsigned refs;       /* the user's; one of each handle, cursor, statement and operation on it */
    bool is_open;        /* takes requests */
    bool ends;           /* a commit or a rollback is under way */
    weft_sqlite *parent; /* [const] a reference; NULL: it is a connection */
    struct weft__sqlite_db *db;             /* a reference; NULL: not open yet, or closed */
    weft_lane *lane;                        /* a connection's: a reference */
    unsigned depth;                         /* [const] in how many transactions it is */
    uint64_t task;                          /* [const] which began it; 0: none */
    weft_sqlite *holder;                    /* the handle on it that has it alone now; NULL: none */
    struct weft__sqlite_turn *first, *last; /* who waits for that to end */
    void (*given_back)(weft_sqlite *db);    /* a connection's: nobody has it alone any more */
    void *owner;                            /* for that */
};

/** In the frame of an operation: from the wait for its turn to its job. All fields are [loop]. */
struct weft__sqlite_turn {
    weft_sqlite *db;                /* a reference */
    struct weft__sqlite_call *call; /* until it is submitted */
    weft_sqlite *holder;            /* who has it alone from then on; NULL: nobody */
    weft_future *called;            /* done when its turn has come; NULL: it came at once */
    weft_future *job;               /* NULL: taken */
    struct weft__sqlite_turn *next; /* in the line */
    bool waits;                     /* is in the line */
};

/** weft_sqlite_open() with more flags than a user can give. */
weft_future *weft__sqlite_open_as(const char *path, const struct weft_sqlite_options *options,
                                  unsigned flags);

/** A new handle; NULL: out of memory. `parent` may be NULL. */
weft_sqlite *weft__sqlite_handle_new(enum weft__sqlite_kind kind, weft_sqlite *parent);
weft_sqlite *weft__sqlite_handle_ref(weft_sqlite *db);
void weft__sqlite_handle_unref(weft_sqlite *db);

/** weft_sqlite_free() as a destructor. */
void weft__sqlite_handle_destroy(void *db);

/**
 * 0, or why a handle cannot be used: -EINVAL (NULL), WEFT_ETHREAD, WEFT_EFORK (reported as `function`),
 * WEFT_ECLOSED.
 */
int weft__sqlite_check(const weft_sqlite *db, const char *function);

/** The same for what may have to wait for its turn; -EDEADLK: that would never come. */
int weft__sqlite_check_turn(const weft_sqlite *db, const char *function);

/** The same for another object of a loop. */
int weft__sqlite_check_object(uint32_t loop_id, unsigned generation, const char *function);

/** A future that says so. */
weft_future *weft__sqlite_refuse(int status);

/** The connection beneath a handle. */
weft_sqlite *weft__sqlite_connection(weft_sqlite *db);

/** The call uses this handle from now on. */
void weft__sqlite_bind_call(struct weft__sqlite_call *call, weft_sqlite *db);

/** Submit a call on a handle, or let it wait for its turn. Consumes it; NULL: out of memory. */
weft_future *weft__sqlite_ask(weft_sqlite *db, struct weft__sqlite_call *call);

/** Makes what a user gets of an object that a job has made. */
struct weft__sqlite_maker {
    void *(*make)(weft_sqlite *db, struct weft__sqlite_object *object); /* NULL: out of memory */
    weft_destructor *destructor;
};

/** The same for a call that makes an object. */
weft_future *weft__sqlite_ask_made(weft_sqlite *db, struct weft__sqlite_call *call,
                                   const struct weft__sqlite_maker *maker);

/** A future that says that there is no loop here; NULL: there is one. */
weft_future *weft__sqlite_idle(void);

/**
 * Take a turn; consumes the call, which weft__sqlite_bind_call() has bound. It is submitted, or
 * `turn->called` is to be waited for; then turn_job() is. End by turn_end(), whatever happened.
 */
void weft__sqlite_turn_begin(struct weft__sqlite_turn *turn, weft_sqlite *db,
                             struct weft__sqlite_call *call, weft_sqlite *holder);
weft_future *weft__sqlite_turn_job(struct weft__sqlite_turn *turn);
void weft__sqlite_turn_end(struct weft__sqlite_turn *turn);

/** In the frame of a coroutine that nobody is to interrupt while it waits for a call that tidies. */
struct weft__sqlite_guard {
    weft_cleanup *cleanup; /* NULL: none */
};

/** Submit a call; consumes it. One that tidies is not cancelled from then on. */
weft_future *weft__sqlite_guarded_submit(struct weft__sqlite_guard *guard,
                                         struct weft__sqlite_call *call);
void weft__sqlite_guard_end(struct weft__sqlite_guard *guard, int status);

/** `holder` has its parent alone no longer: those who waited come in, behind a rollback if it
 * `tidies`. */
void weft__sqlite_let_in(weft_sqlite *holder, bool tidies);

/** weft_sqlite_close() of a connection that was not closed, though it may be shut. */
weft_future *weft__sqlite_start_close(weft_sqlite *db);

/** Nothing is asked of it any more; those who wait for it fail. */
void weft__sqlite_shut(weft_sqlite *db);

/** The handle that has the connection alone, and is in the most transactions. */
weft_sqlite *weft__sqlite_deepest(weft_sqlite *db);

/** Have the connection drop what it need not keep, as soon as may be. */
void weft__sqlite_tidy(weft_sqlite *db);

/** The id of the task that runs now; 0: none. */
uint64_t weft__sqlite_task(void);

/**
 * What weft_spawn_eager() gave for a coroutine whose first statement sets *`begun`. If it did not come
 * to that, `call` is freed.
 */
weft_future *weft__sqlite_started(weft_future *task, bool begun, struct weft__sqlite_call *call);

#endif
