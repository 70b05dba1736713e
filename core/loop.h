/* SPDX-License-Identifier: MIT */
/*
 * The loop from the inside. See core/loop.c for the tick.
 */
#ifndef WEFT_CORE_LOOP_H
#define WEFT_CORE_LOOP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/context.h>
#include <weft/loop.h>

#include "core/future.h"
#include "core/inspect/load.h"
#include "core/inspect/source.h"
#include "core/mailbox.h"
#include "core/outcome.h"
#include "core/ready.h"
#include "core/shuffle.h"
#include "core/slab.h"
#include "core/spin.h"
#include "core/thread.h"
#include "core/timer.h"

struct weft__coro;
struct weft__first_step;
struct weft__lookout;
struct weft__origin;
struct weft__plain;

/**
 * A part that another layer adds to a loop (the pool's side of it, say), so that core need not know
 * that layer. Parts are shut down in the order in which they were added, after the tasks, and freed
 * in the reverse order.
 */
struct weft__part {
    struct weft__part *next;      /* [loop] */
    struct weft__part *next_mail; /* [loop] of those that have mail */
    const struct weft__part_ops *ops;
};

struct weft__part_ops {
    const char *name; /* also the key of weft__loop_part() */
    /* Start settling: drop what has not begun, refuse what is new. Called once. */
    void (*settle)(struct weft__part *part);
    /* How much is still under way; the loop ticks until this is 0 or the deadline has passed.
     * NULL, as for `list`: everything ends with settle(). */
    size_t (*pending)(struct weft__part *part);
    /* Name what is under way: `add` once for each. */
    void (*list)(struct weft__part *part, void (*add)(void *to, const struct weft_stuck *stuck),
                 void *to);
    /* The loop ends now: complete what is still under way. NULL: nothing can be. */
    void (*give_up)(struct weft__part *part);
    /* With a seed: items that come by the mailbox with this `run` may come in any order. NULL: none. */
    void (*comes_in_any_order)(weft__item *item);
    /* A part that other threads may send something to without the mailbox has these three, see
     * core/part.c; others have none. True: something has come; a sequentially consistent look. The
     * loop asks when it has said that it sleeps. */
    bool (*has_mail)(struct weft__part *part);
    /* Append items for what has come: they are run behind what the mailbox holds. */
    void (*collect)(struct weft__part *part, weft__ready *into);
    /* A tick ends: publish for other threads what was kept back in it. Nothing may be kept back but
     * when weft__loop_flushes(); not called in a child that was forked off in the tick. */
    void (*flush)(struct weft__part *part);
    /* The loop goes on in a forked child: what is shared with the parent, or was left there, is
     * replaced or fails. NULL: there is no such thing. */
    void (*after_fork)(struct weft__part *part);
    /* Every part gave up, and all that waited for it has run: free the part. */
    void (*free)(struct weft__part *part);
};

/**
 * When a phase of the shutdown gives up. It lives in the loop, since its item may still be queued when
 * the phase is over.
 */
struct weft__deadline {
    weft__timer timer;
    bool passed;
};

enum { WEFT__SPARE_CALLS = 8 };

enum weft__phase {
    WEFT__OPEN,    /* takes everything */
    WEFT__CLOSING, /* weft_loop_shutdown() is at work */
    WEFT__CLOSED   /* nothing can be started any more; only weft_loop_free() is left */
};

/** All fields are [loop] but where it says otherwise. */
struct weft_loop {
    /* What each item touches: a cache line. */
    weft__ready ready;
    weft__item *batch;          /* what is left to run of this tick */
    struct weft__coro *current; /* the coroutine that runs now */
    int64_t left;               /* items to run until `look_at` */
    uint64_t ticks;             /* since the beginning */
    uint32_t id;                /* [const] unique in the process */
    unsigned watched;           /* who looks at its steps: bits of core/step.h */
    bool attend;                /* something comes before the next item: attend() */
    bool pause;                 /* something comes before the next tick */
    bool schedules_specially;   /* there is a seed, a host to ask for a tick, or a trace */
    bool in_tick;               /* a tick is on the C stack */
    bool running; /* weft_loop_run(), _run_until(), _shutdown() or _free() is on the C stack */
    bool stop;
    bool attached;     /* [const] the base is the host's */
    bool polls_around; /* [const] not within a tick: there is a seed, or a host */
    bool is_polled;    /* there was a poll, and timers and mailbox were not looked at since */
    bool tick_pending; /* tick_event is armed */
    bool is_guarded;   /* who has the base might run it within a tick: core/nested.c */
    bool polling;      /* weft__loop_poll() is on the C stack */
    bool reporting;    /* the error handler is on the C stack */
    bool has_reason;   /* the cancel that is being asked for has one */
    uint64_t look_at;  /* when `callbacks` is this, look at the clock, or poll */
    uint64_t run_before_poll; /* `callbacks` at the last poll */
    uint64_t brought;         /* events that it found */
    uint64_t polls;           /* since the beginning */
    enum weft__phase phase;
    enum weft_clock clock;                /* [const] */
    struct weft__first_step *first_steps; /* on the C stack, innermost first */
    unsigned depth;                       /* how many these are */
    uint32_t last_id;                     /* of the task that was made last */
    struct weft__outcome outcome;         /* of the coroutine that runs now */
    struct weft__coro *tasks;             /* every task that has not ended, newest first */
    struct weft__coro *calls;             /* every call that has not ended, newest first */
    size_t task_count;
    struct weft__coro *spare_calls[WEFT__SPARE_CALLS]; /* see weft__new_call() */
    weft__ready urgent;    /* runs right behind the item that runs now: weft__continue_at_once() */
    weft__ready found;     /* what a poll within this tick has found */
    int poll_error;        /* of such a poll */
    unsigned cancel_depth; /* how many coroutines are just passing on a request */
    unsigned generation;   /* of the process that may use it: weft_after_fork_child() */
    int timer_fd;          /* [const] */
    const struct weft__origin *origin; /* of the cancel that is being asked for; NULL: none is */
    struct weft__entry entry;          /* core/thread.c */
    weft_loop
        *forked; /* the loop that this thread had when the process was forked, and does not use */
    struct event_base *base;       /* [const] */
    struct weft__shuffle *shuffle; /* [const] NULL: no seed */
    weft_ns virtual_now;
    struct weft__timers timers;
    struct weft__slabs slabs; /* where its futures and coroutines are */
    weft_ns armed;            /* the deadline that timer_fd is set to; WEFT_FOREVER: none */
    weft_ns polled_at;        /* when the last poll ended */
    weft_ns real_deadline;    /* of a shutdown's phase, in real time even if the clock is virtual */
    struct weft__deadline tasks_deadline, parts_deadline;
    uint64_t io;                /* events of descriptors that came, of weft's own */
    struct weft__spin spin;     /* core/loop_spin.c */
    weft_ns spin_wanted;        /* [const] the option */
    int spin_status;            /* of the polls of this spin */
    weft_ns paced_at;           /* when it went on with what had come, with many jobs out */
    uint64_t spins, spins_paid; /* since the beginning */
    size_t jobs; /* operations under way outside of the loop: virtual time stands still while there
                    are any */
    struct weft__part *parts;
    struct weft__part *mail_parts; /* of these, those that have mail; newest first */
    struct weft__plain *plain;     /* the pending futures of weft_future_new(); newest first */
    struct weft__sync *syncs;      /* locks, queues and their like; newest first */
    struct weft_thread_task *thread_tasks;  /* whose future is needed; newest first */
    uint64_t random;                        /* see core/random.h; 0: not set yet */
    weft_future *unseen;                    /* failures that nobody looked at yet; newest first */
    weft_future asleep, slept, interrupted; /* what sleeping coroutines wait for; core/sleep.c */
    struct weft__load load;

    /* What seldom changes, last of all what other threads read: no item writes near to it. */
    struct event *timer_event; /* on timer_fd */
    struct event *tick_event;  /* attached only: runs a tick from the host's dispatch */
    struct event *guard;       /* of a base of our own: core/nested.c */
    struct event *wake_event;  /* on the mailbox's wakeup fd */
    weft_future *enomem;       /* the future for "out of memory", allocated in advance */
    struct weft__debug *debug; /* [const] NULL: debug mode is off */
    struct {
        uint64_t tick, counts, jobs; /* that were recorded last */
    } traced;
    weft_error_fn *error_fn;
    void *error_arg;
    weft_context *context;         /* owned; the current one outside of tasks, callbacks and jobs */
    struct weft__mailbox *mailbox; /* [const]; shared with other threads */
    uint32_t id_of_posts;          /* [const] the same as `id` */
    struct weft__source source;    /* for who looks at it from outside */
    pid_t tid;                     /* [const] of its thread; another one in a forked child */
    bool wants_control;            /* [const] the option, or the environment */
    struct weft__lookout *lookout; /* [const] once it is listed; NULL: there is no watchdog */
};

/** True for a future of another loop than this thread's (or of one that was freed). */
static inline bool weft__is_foreign(const weft_future *future)
{
    return future->loop_id != weft__loop_id && future->loop_id;
}

/**
 * Memory for a future, 8 bytes before a multiple of 16, and the flags that say how it is freed; NULL:
 * out of memory. Never where weft__free() would be right, so that tests notice one.
 */
static inline void *weft__future_room(weft_loop *loop, size_t size, uint32_t *ret_flags)
{
    void *block = weft__slab_alloc(&loop->slabs, size);
    *ret_flags = WEFT__IN_SLAB;
    return block ? block : weft__future_shifted(size, ret_flags);
}

/** Write a pending future of this loop, with `refs` references and the flags of its memory. */
static inline void weft__future_begin(weft_future *future, const weft_loop *loop,
                                      const struct weft__future_ops *ops, uint32_t refs,
                                      uint32_t flags)
{
    future->ops = ops;
    future->refs = refs;
    future->status = 0;
    future->loop_id = loop->id;
    future->flags = (flags | (loop->reporting ? WEFT__OF_HANDLER : 0)) & WEFT__ALL_FLAGS;
    future->requests = 0;
    future->first.waiters = NULL;
    future->second.destructor = NULL;
}

/** weft__schedule_chain() where it takes more than to append. */
void weft__schedule_specially(weft_loop *loop, weft__item *first, weft__item *last,
                              enum weft__order order);

/** Queue a chain of items for the next tick (or for this one, when called while the tick still
 * collects), with what keeps its order though the loop has a seed. */
static inline void weft__schedule_chain(weft_loop *loop, weft__item *first, weft__item *last,
                                        enum weft__order order)
{
    if (__builtin_expect(loop->schedules_specially, 0))
        weft__schedule_specially(loop, first, last, order);
    else
        weft__ready_append(&loop->ready, first, last);
}

static inline void weft__schedule_as(weft_loop *loop, weft__item *item, enum weft__order order)
{
    weft__schedule_chain(loop, item, item, order);
}

static inline void weft__schedule(weft_loop *loop, weft__item *item)
{
    weft__schedule_as(loop, item, WEFT__FREE);
}

/** Take a queued item out again; a search. False: it is not queued. */
bool weft__unschedule(weft_loop *loop, const weft__item *item);

/** Is it queued? A search. */
bool weft__is_scheduled(const weft_loop *loop, const weft__item *item);

/** Items run since the beginning. */
static inline uint64_t weft__loop_callbacks(const weft_loop *loop)
{
    return loop->look_at - (uint64_t)loop->left;
}

/** Items run since the last poll. */
static inline uint64_t weft__loop_skipped(const weft_loop *loop)
{
    return weft__loop_callbacks(loop) - loop->run_before_poll;
}

/** True in a run, in a tick, and outside of both in a coroutine or the error handler: the loop can
 * neither be run nor be ended now. */
static inline bool weft__loop_is_busy(const weft_loop *loop)
{
    return loop->running || loop->in_tick || loop->current || loop->reporting;
}

/** Something is ready: an attached loop has the host call it. */
void weft__loop_want_tick(weft_loop *loop);

/** Wake the loop at this time, if it would sleep longer; and for whatever is due next. */
void weft__loop_set_timer(weft_loop *loop, weft_ns deadline);
void weft__loop_set_next_timer(weft_loop *loop);

/** A timer was armed: an attached loop passes an earlier deadline on to the host's base. */
void weft__loop_rearm(weft_loop *loop);

/** The time of this loop's clock. */
weft_ns weft__loop_now(const weft_loop *loop);

/* What libevent calls for the loop's events. */
void weft__loop_on_wake(evutil_socket_t fd, short what, void *loop);
void weft__loop_on_timer(evutil_socket_t fd, short what, void *loop);
void weft__loop_on_tick(evutil_socket_t fd, short what, void *loop);

/** Attached: the host may block now. */
void weft__loop_hand_back(weft_loop *loop);

/**
 * With a virtual clock: run ticks until nothing is ready and no other thread has a job for this loop,
 * without moving the time. 0, -EIO, WEFT_EFORK; weft_loop_stop() ends it.
 */
int weft__loop_settle(weft_loop *loop);

/** Look for mail for a while; true: something came, do not sleep. The status is 0 or -EIO. */
bool weft__loop_spin(weft_loop *loop, int *ret_status);

/** Something came: with many jobs out, wait for a moment for more. */
void weft__loop_pace(weft_loop *loop);

/** Poll a base of our own, with flags of libevent. 0 or -EIO. */
int weft__loop_poll(weft_loop *loop, int flags);

/** Somebody runs it from here on, to weft__loop_leave(): `running`. */
void weft__loop_enter(weft_loop *loop);
void weft__loop_leave(weft_loop *loop);

/** Poll (which may block) and run one tick; in weft_loop_run() more, if nothing is to be done between
 * them. 0 or -EIO. */
int weft__loop_step(weft_loop *loop);

/** Queue what was taken out of the mailbox: the chain first … last, or NULL. */
void weft__loop_queue_mail(weft_loop *loop, weft__item *first, weft__item *last);

/** Queue what other threads have put into the mailbox, or sent to a part. */
void weft__loop_take_mail(weft_loop *loop);

/** Something has come. */
bool weft__loop_has_mail(const weft_loop *loop);

/** About to sleep. False: something has come, do not sleep. */
bool weft__loop_may_sleep(weft_loop *loop);

/** At the loop's end: run what is ready now, without a poll. */
void weft__run_out(weft_loop *loop);

/** In a forked child: replace the descriptors that the loop shares with its parent. 0 or an error;
 * then it may be tried again. */
int weft__loop_reopen(weft_loop *loop);

/** True in a child that was forked off by what runs now, and has not called
 * weft_after_fork_child(): nothing may be run, nor polled. */
static inline bool weft__loop_is_forked(const weft_loop *loop)
{
    return weft__loop_id != loop->id;
}

/** Release the loop and what it opened; every task, part and timer is gone. */
void weft__loop_destroy(weft_loop *loop);

/** Hand a report to the error handler. */
void weft__report(weft_loop *loop, const struct weft_error_report *report);

/** The tick that runs now ends with flush(), for what a part keeps back; false: none does. */
static inline bool weft__loop_flushes(weft_loop *loop)
{
    loop->pause = true;
    return loop->in_tick;
}

void weft__parts_flush(weft_loop *loop);

/** The end of a tick. */
static inline void weft__loop_flush(weft_loop *loop)
{
    if (loop->mail_parts && !weft__loop_is_forked(loop))
        weft__parts_flush(loop);
}

/** The part with these ops, or NULL. */
struct weft__part *weft__loop_part(weft_loop *loop, const struct weft__part_ops *ops);
void weft__loop_add_part(weft_loop *loop, struct weft__part *part);

#endif
