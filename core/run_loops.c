/* SPDX-License-Identifier: MIT */
/*
 * weft_run_loops(): one coroutine on several loops, each in a thread.
 *
 * A member is a loop with its thread; the first one's is the caller's.
 *
 *     its loop is made --all arrive, and all have one--> RUNS --its task has ended--> ENDED, shut down
 *                      --one has none--> gone: no coroutine was started
 *
 * What members share is the group, under `mu`:
 *
 *   - The barrier. arrive() returns when all members did, with the same answer for all of them. A
 *     member shows its mailbox there, so that whoever runs can ask all the others; what is put into it
 *     before its loop runs is found when it does.
 *   - Asking. ask() raises `asks` and puts each member's item into its mailbox, unless it is there
 *     already (`noted`). The member takes `noted` back before it looks at `asks`, both under `mu`: so
 *     a request that is made after it looked puts the item again, and one that was made before is
 *     seen. One whose task has ended has no mailbox any more, and a mailbox that is shown belongs to
 *     a loop that is there, since it is taken back under `mu` before the loop is freed. Each request
 *     is a cancel of its own, a tick after the one before.
 *   - The count of those that run. Whoever ends last puts `ended` into the first one's mailbox. That
 *     loop is there: it runs until that has come (or cannot poll any more; then it is the joins of
 *     weft__run_loops() that wait for the others, and its mailbox lasts until they are done).
 *
 * An item may be in a mailbox when its loop is freed: it is run by that, at the latest. Members last
 * until all threads are joined.
 *
 * Signals are heard on the first loop, which lasts longest.
 *
 * A forked child has one of these threads and no others. When it comes back here without having gone
 * on with its loop, it touches nothing of the group, and leaves.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weft/run_loops.h>
#include <weft/signal.h>

#include "core/cpus.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/mutex.h"
#include "core/signal.h"
#include "core/sys.h"
#include "core/task.h"

enum { SIGNALS = 2 };

static const int signals[SIGNALS] = {SIGINT, SIGTERM};

struct group;

struct member {
    struct group *group;    /* [const] */
    unsigned index;         /* [const] */
    pthread_t thread;       /* [const] the first one's: not set */
    weft__mailbox *mailbox; /* [group->mu] NULL: does not run */
    bool noted;             /* [group->mu] the item is in the mailbox */
    weft__item item;        /* asked for: see ask() */
    weft_future *main;      /* [loop] */
    unsigned delivered;     /* [loop] of the requests */
    int exit_status;        /* [loop]; the caller's, when the thread is joined */
};

struct group {
    const weft_coroutine *coroutine;              /* [const] */
    const void *frame;                            /* [const] */
    const char *place;                            /* [const] */
    const struct weft_loop_options *loop_options; /* [const] */
    unsigned count;                               /* [const] */
    struct weft__mutex mu;
    pthread_cond_t all_arrived;
    unsigned arrived;             /* [mu] */
    int start_error;              /* [mu] of the first that could not start; 0: none */
    unsigned asks;                /* [mu] how often they were asked to stop */
    int signum;                   /* [mu] of the last signal that asked; 0: none */
    unsigned running;             /* [mu] whose task has not ended */
    weft__mailbox *first_mailbox; /* [const] from before the threads are started */
    weft__item ended;             /* in the first one's mailbox: all have */
    weft_future *all_ended;       /* [loop] the first one's */
    weft_signal *heard[SIGNALS];  /* [loop] the first one's; NULL: not heard */
    unsigned times;               /* [loop] the first one's: how often a signal was heard */
    struct member members[];
};

static _Thread_local struct member *here; /* this thread's */

/* ---- Asking ---- */

static void tell_locked(struct group *group, struct member *member) WEFT_REQUIRES(group->mu)
{
    (void)group;
    if (member->mailbox && !member->noted)
        member->noted = weft__mailbox_put(member->mailbox, &member->item);
}

static void ask_locked(struct group *group) WEFT_REQUIRES(group->mu)
{
    group->asks++;
    for (unsigned i = 0; i < group->count; i++)
        tell_locked(group, &group->members[i]);
}

static void ask(struct group *group, int signum)
{
    weft__mutex_lock(&group->mu);
    if (signum)
        group->signum = signum;
    ask_locked(group);
    weft__mutex_unlock(&group->mu);
}

/* On the member's loop. */
static void on_asked(weft__item *item)
{
    struct member *member = WEFT__CONTAINER(item, struct member, item);
    struct group *group = member->group;
    weft__mutex_lock(&group->mu);
    member->noted = false;
    bool asked = member->delivered < group->asks;
    member->delivered += asked;
    if (member->delivered < group->asks)
        tell_locked(group, member);
    int signum = group->signum;
    weft__mutex_unlock(&group->mu);
    if (!asked || weft_is_done(member->main))
        return;
    weft_cancel_because(member->main, signum == SIGINT    ? "interrupted by SIGINT"
                                      : signum == SIGTERM ? "asked to stop by SIGTERM"
                                                          : "the loops stop");
}

/* ---- Signals; on the first loop ---- */

static void close_signals(struct group *group)
{
    for (int i = 0; i < SIGNALS; i++) {
        weft_signal *signal = group->heard[i];
        group->heard[i] = NULL;
        weft_signal_close(signal);
    }
}

static void hear(struct group *group, int signum, int64_t count)
{
    for (; count > 0 && group->times < 2; count--, group->times++)
        ask(group, signum);
    if (group->times == 2)
        close_signals(group);
}

struct run_loops_signals {
    WEFT_FRAME;
    struct group *group;
    int which;
    int64_t count;
    int status;
};

static WEFT_ASYNC(run_loops_signals)
{
    WEFT_BEGIN;
    while (self->group->heard[self->which]) {
        WEFT_CATCH_INTO(self->status, self->count,
                        weft_signal_next(self->group->heard[self->which]));
        if (self->status < 0)
            break;
        hear(self->group, signals[self->which], self->count);
    }
    WEFT_END;
}

/* 0, or why a signal that should be heard cannot be. */
static int open_signals(struct group *group, enum weft_run_loops_flags flags)
{
    for (int i = 0; i < SIGNALS && !(flags & WEFT_RUN_LOOPS_NO_SIGNALS); i++) {
        if (!weft__signal_is_default(signals[i]))
            continue;
        group->heard[i] = weft_signal_open(signals[i]);
        if (!group->heard[i])
            return -errno;
    }
    return 0;
}

static void watch_signals(struct group *group)
{
    for (int i = 0; i < SIGNALS; i++) {
        if (group->heard[i])
            weft_unref(weft_spawn(run_loops_signals, .group = group, .which = i));
    }
}

/* ---- The barrier ---- */

/* Nobody goes on before all are there. True: every one can run. */
static bool wait_for_all_locked(struct group *group, unsigned count, int error)
    WEFT_REQUIRES(group->mu)
{
    group->arrived += count;
    if (error && !group->start_error)
        group->start_error = error;
    if (group->arrived == group->count)
        pthread_cond_broadcast(&group->all_arrived);
    while (group->arrived < group->count)
        pthread_cond_wait(&group->all_arrived, &group->mu.mutex);
    return !group->start_error;
}

/* With its loop, or the error with which it has none. `missing` others cannot come. */
static bool arrive(struct member *member, const weft_loop *loop, int error, unsigned missing)
{
    struct group *group = member->group;
    weft__mutex_lock(&group->mu);
    member->mailbox = loop ? loop->mailbox : NULL;
    bool all = wait_for_all_locked(group, 1 + missing, error);
    weft__mutex_unlock(&group->mu);
    return all;
}

/* ---- A member ---- */

/* Its task has ended. All have: the first loop is told. */
static void leave(struct member *member, bool failed)
{
    struct group *group = member->group;
    weft__mutex_lock(&group->mu);
    member->mailbox = NULL;
    if (failed && !group->asks)
        ask_locked(group);
    if (--group->running == 0)
        weft__mailbox_put(group->first_mailbox, &group->ended);
    weft__mutex_unlock(&group->mu);
}

static int cancelled_status(struct group *group)
{
    weft__mutex_lock(&group->mu);
    int signum = group->signum;
    weft__mutex_unlock(&group->mu);
    return signum ? 128 + signum : 0;
}

/* Run its coroutine to the end. False: this is a forked child, which has nothing to do here. */
static bool run_main(struct member *member, weft_loop *loop)
{
    struct group *group = member->group;
    member->main = weft__spawn(group->coroutine, group->frame, group->place);
    int status = weft_loop_run_until(loop, weft_ref(member->main));
    if (status == WEFT_EFORK)
        return false;
    bool asked = weft_is_done(member->main) && status == -ECANCELED && member->delivered;
    if (asked)
        member->exit_status = cancelled_status(group);
    else
        member->exit_status = weft__exit_status(member->main, status);
    leave(member, status < 0 && !asked);
    return true;
}

static void end_loop(struct member *member, weft_loop *loop)
{
    if (weft_loop_shutdown(loop, NULL, NULL) < 0 && member->exit_status == 0)
        member->exit_status = 1;
    weft_unref(member->main);
    weft_loop_free(loop);
}

static void *run_thread(void *arg)
{
    struct member *member = arg;
    weft_loop *loop = weft_loop_new(member->group->loop_options);
    here = member;
    bool all = arrive(member, loop, loop ? 0 : errno, 0);
    if (all && !run_main(member, loop))
        return NULL;
    if (all)
        end_loop(member, loop);
    else
        weft_loop_free(loop);
    return NULL;
}

/* ---- The first member, and all of them ---- */

static void on_all_ended(weft__item *item)
{
    struct group *group = WEFT__CONTAINER(item, struct group, ended);
    (void)weft_future_resolve(group->all_ended, weft_value_i64(0), NULL);
}

/* 0, or the error number with which there is one thread less than there should be. */
static int start_threads(struct group *group, unsigned *ret_started)
{
    sigset_t old;
    int error = 0;
    unsigned i;
    weft__block_signals(&old);
    for (i = 1; i < group->count && !error; i += !error) {
        struct member *member = &group->members[i];
        error = weft__sys.pthread_create(&member->thread, NULL, run_thread, member);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    *ret_started = i;
    return error;
}

static int complain(const struct group *group, int error)
{
    fprintf(stderr, "weft: cannot run %s on %u loops: %s\n", group->coroutine->name, group->count,
            error == EEXIST ? "this thread has a loop already" : strerror(error));
    return 1;
}

/* A failure comes before a cancel, of those that differ the first one. */
static int exit_status_of(const struct group *group)
{
    int result = 0;
    for (unsigned i = 0; i < group->count; i++) {
        int status = group->members[i].exit_status;
        if (status && (!result || (result > 128 && status < 128)))
            result = status;
    }
    return result;
}

/* On a loop that is there. False: this is a forked child. */
static bool run_first(struct group *group, weft_loop *loop)
{
    int status;
    watch_signals(group);
    if (!run_main(&group->members[0], loop))
        return false;
    do {
        status = weft_loop_run_until(loop, weft_ref(group->all_ended));
    } while (status == -EINTR);
    return status != WEFT_EFORK;
}

/* With its first loop. False: this is a forked child. */
static bool run_group(struct group *group, weft_loop *loop, enum weft_run_loops_flags flags)
{
    unsigned started = 1;
    int error = 0;
    group->first_mailbox = loop->mailbox;
    group->all_ended = weft_future_new();
    if (weft_is_done(group->all_ended))
        error = ENOMEM;
    if (!error)
        error = -open_signals(group, flags);
    if (!error)
        error = start_threads(group, &started);
    bool all = arrive(&group->members[0], loop, error, group->count - started);
    if (all && !run_first(group, loop))
        return false;
    for (unsigned i = 1; i < started; i++)
        pthread_join(group->members[i].thread, NULL);
    close_signals(group);
    weft_unref(group->all_ended);
    if (all)
        end_loop(&group->members[0], loop);
    else
        weft_loop_free(loop);
    return true;
}

static struct group *make_group(unsigned count)
{
    struct group *group = weft__calloc(1, sizeof(*group) + count * sizeof(group->members[0]));
    if (!group)
        return NULL;
    group->count = group->running = count;
    group->ended.run = on_all_ended;
    pthread_mutex_init(&group->mu.mutex, NULL);
    pthread_cond_init(&group->all_arrived, NULL);
    for (unsigned i = 0; i < count; i++) {
        group->members[i].group = group;
        group->members[i].index = i;
        group->members[i].item.run = on_asked;
    }
    return group;
}

static void free_group(struct group *group)
{
    pthread_cond_destroy(&group->all_arrived);
    pthread_mutex_destroy(&group->mu.mutex);
    weft__free(group);
}

static unsigned how_many(const struct weft_run_loops_options *options)
{
    return options->loops ? options->loops : weft__cpus();
}

int weft__run_loops(const struct weft_run_loops_options *options, const weft_coroutine *coroutine,
                    const void *frame, const char *place)
{
    static const struct weft_run_loops_options defaults;
    options = options ? options : &defaults;
    struct group failed = {.coroutine = coroutine, .count = how_many(options)};
    if ((options->size && options->size != sizeof(*options)) ||
        failed.count > WEFT_RUN_LOOPS_MOST || options->flags & ~(unsigned)WEFT_RUN_LOOPS_NO_SIGNALS)
        return complain(&failed, EINVAL);
    struct group *group = make_group(failed.count);
    if (!group)
        return complain(&failed, ENOMEM);
    group->coroutine = coroutine;
    group->frame = frame;
    group->place = place;
    group->loop_options = options->loop;
    weft__fill_standard_descriptors();
    char *trace = weft__trace_begin_program();
    weft_loop *loop = weft_loop_new(options->loop);
    int result = 1;
    if (!loop) {
        complain(group, errno);
    } else {
        here = &group->members[0];
        if (!run_group(group, loop, options->flags))
            return 1;
        here = NULL;
        result = group->start_error ? complain(group, group->start_error) : exit_status_of(group);
    }
    weft__trace_end_program(trace, NULL);
    free_group(group);
    return result;
}

int weft_run_loops_stop(void)
{
    if (!here)
        return -EINVAL;
    ask(here->group, 0);
    return 0;
}

int weft_run_loops_index(void)
{
    return here ? (int)here->index : -EINVAL;
}
