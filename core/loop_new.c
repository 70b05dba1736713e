/* SPDX-License-Identifier: MIT */
/*
 * Loops: making and freeing them, and what they can be asked. How one runs is in core/loop.c.
 *
 * A loop is one block of memory, an event_base (its own, or the host's), a timerfd and a mailbox.
 * Whatever fails while it is made, destroy() takes what there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/debug.h"
#include "core/inspect/control.h"
#include "core/inspect/inspect.h"
#include "core/inspect/trace.h"
#include "core/inspect/watchdog.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/nested.h"
#include "core/post.h"
#include "core/sleep.h"
#include "core/sys.h"
#include "core/task.h"

/* A base: epoll, and a pair for signals; the loop: timer, and a pipe. */
enum { DESCRIPTORS_OF_A_BASE = 3, DESCRIPTORS_OF_A_LOOP = 6 };

/* ---- Looking ---- */

void weft_loop_get_stats(const weft_loop *loop, struct weft_loop_stats *ret)
{
    *ret = (struct weft_loop_stats){0};
    if (WEFT__ELSEWHERE(loop->id))
        return;
    *ret = (struct weft_loop_stats){
        .tasks = loop->task_count,
        .jobs = loop->jobs,
        .ticks = loop->ticks,
        .polls = loop->attached ? loop->ticks : loop->polls,
        .callbacks = weft__loop_callbacks(loop),
        .spins = loop->spins,
        .spins_paid = loop->spins_paid,
    };
}

/* ---- Making and freeing ---- */

weft_loop *weft_loop_current(void)
{
    return weft__here();
}

struct event_base *weft_loop_base(weft_loop *loop)
{
    if (WEFT__ELSEWHERE(loop->id))
        return NULL;
    weft__guard_base(loop);
    return loop->base;
}

static struct event *add_event(weft_loop *loop, int fd, short how, event_callback_fn fn)
{
    struct event *event = event_new(loop->base, fd, (short)(EV_READ | EV_PERSIST | how), fn, loop);
    if (event && event_add(event, NULL) < 0) {
        event_free(event);
        event = NULL;
    }
    return event;
}

static void free_event(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

/* Somebody may hold it still: then it goes with the last reference, and is not told of any more. */
static void free_enomem(weft_future *enomem)
{
    if (!enomem)
        return;
    weft__clear_flag(enomem, WEFT__PERMANENT);
    enomem->flags |= WEFT__OBSERVED;
    weft__unref(enomem);
}

/* What weft_loop_new() set up, in any state of completeness. */
static void destroy(weft_loop *loop)
{
    weft__watchdog_close(loop);
    weft__guard_close(loop);
    free_event(&loop->tick_event);
    free_event(&loop->timer_event);
    free_event(&loop->wake_event);
    if (loop->base && !loop->attached)
        event_base_free(loop->base);
    if (loop->timer_fd >= 0)
        close(loop->timer_fd);
    weft__timers_fini(&loop->timers);
    weft_context_unref(loop->context);
    weft__free(loop->shuffle);
    weft__free(loop->debug);
    free_enomem(loop->enomem);
    weft__free_spare_calls(loop);
    struct weft__slab *kept = weft__slabs_fini(&loop->slabs);
    if (kept)
        weft__mailbox_kept(loop->mailbox)->slabs = kept;
    weft__mailbox_unref(loop->mailbox);
    weft__free(loop);
}

/* libevent ends the process when a new base finds no descriptors for its signals, and falls back to
 * a worse method of polling when there is none for epoll: see beforehand that there are some. */
static bool has_descriptors(int fd, int wanted)
{
    int spare[DESCRIPTORS_OF_A_LOOP];
    int count = 0;
    while (count < wanted && (spare[count] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0)
        count++;
    int error = errno;
    for (int i = 0; i < count; i++)
        close(spare[i]);
    errno = error;
    return count == wanted;
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static bool add_events(weft_loop *loop)
{
    bool edges =
        (event_base_get_features(loop->base) & EV_FEATURE_ET) && weft__mailbox_can_use_edges();
    weft__mailbox_use_edges(loop->mailbox, edges);
    loop->wake_event =
        add_event(loop, weft__mailbox_fd(loop->mailbox), edges ? EV_ET : 0, weft__loop_on_wake);
    loop->timer_event = add_event(loop, loop->timer_fd, 0, weft__loop_on_timer);
    return loop->wake_event && loop->timer_event;
}

/* The base first: only then can our events be taken out of it without the parent's noticing. */
int weft__loop_reopen(weft_loop *loop)
{
    if (!has_descriptors(loop->timer_fd, DESCRIPTORS_OF_A_LOOP))
        return -errno;
    if (event_reinit(loop->base) < 0)
        return -EIO;
    int timer_fd = weft__sys.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_fd < 0)
        return -errno;
    free_event(&loop->wake_event);
    free_event(&loop->timer_event);
    close(loop->timer_fd);
    loop->timer_fd = timer_fd;
    loop->armed = WEFT_FOREVER;
    int status = weft__mailbox_reopen(loop->mailbox);
    if (status == 0 && !add_events(loop))
        status = -ENOMEM;
    return status;
}

static bool set_up(weft_loop *loop, const struct weft_loop_options *options)
{
    errno = ENOMEM; /* what libevent fails with when it leaves errno alone */
    if (!weft__debug_init(loop, options))
        return false;
    if (options && options->seed && !(loop->shuffle = weft__shuffle_new(options->seed)))
        return false;
    loop->timer_fd = weft__sys.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0)
        return false;
    if (!loop->attached && (!has_descriptors(loop->timer_fd, DESCRIPTORS_OF_A_BASE) ||
                            !(loop->base = new_base()) || !weft__guard_open(loop)))
        return false;
    if (!(loop->mailbox = weft__mailbox_new()))
        return false;
    if (!add_events(loop))
        return false;
    if (loop->attached && !(loop->tick_event = evtimer_new(loop->base, weft__loop_on_tick, loop)))
        return false;
    loop->enomem = weft__future_permanent(loop, -ENOMEM);
    int status = loop->enomem ? weft__watchdog_open(loop, options) : -ENOMEM;
    errno = -status;
    return status == 0;
}

static weft_loop *make(const struct weft_loop_options *options, struct event_base *base)
{
    if (weft__here()) {
        errno = EEXIST;
        return NULL;
    }
    weft_loop *loop = weft__calloc(1, sizeof(*loop));
    if (!loop) {
        errno = ENOMEM;
        return NULL;
    }
    weft__ready_init(&loop->ready);
    weft__ready_init(&loop->urgent);
    weft__ready_init(&loop->found);
    weft__slabs_init(&loop->slabs);
    loop->id = loop->id_of_posts = weft__new_loop_id();
    weft__sleeps_init(loop);
    loop->generation = weft__generation;
    loop->base = base;
    loop->attached = base != NULL;
    loop->clock = options ? options->clock : WEFT_CLOCK_MONOTONIC;
    weft__timers_init(&loop->timers, weft__loop_now(loop));
    loop->spin_wanted = options ? options->spin : 0;
    loop->wants_control = weft__ctl_is_wanted(options);
    loop->timer_fd = -1;
    loop->armed = loop->real_deadline = WEFT_FOREVER;
    if (!set_up(loop, options)) {
        int error = errno;
        destroy(loop);
        errno = error;
        return NULL;
    }
    weft__thread_enter(loop);
    loop->schedules_specially = loop->polls_around = loop->attached || loop->shuffle;
    weft__inspect_open(loop);
    if (loop->attached)
        weft__loop_hand_back(loop);
    return loop;
}

static bool are_valid(const struct weft_loop_options *options)
{
    return (options->size == 0 || options->size == sizeof(*options)) &&
           (options->clock == WEFT_CLOCK_MONOTONIC || options->clock == WEFT_CLOCK_VIRTUAL) &&
           (unsigned)options->control <= WEFT_CONTROL_OFF;
}

weft_loop *weft_loop_new(const struct weft_loop_options *options)
{
    if (options && !are_valid(options)) {
        errno = EINVAL;
        return NULL;
    }
    return make(options, NULL);
}

weft_loop *weft_loop_attach(struct event_base *base)
{
    if (!base) {
        errno = EINVAL;
        return NULL;
    }
    return make(NULL, base);
}

void weft__loop_destroy(weft_loop *loop)
{
    weft__posts_leave();
    weft__inspect_close(loop);
    weft__thread_leave(loop);
    weft__trace_leave();
    destroy(loop);
}
