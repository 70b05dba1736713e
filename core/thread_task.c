/* SPDX-License-Identifier: MIT */
/*
 * Thread tasks: a task, and any threads that wait for it.
 *
 * The handle and the loop's side are one object. Everything a thread needs is allocated when it is
 * made, but for the task itself, whose memory is the loop's; without that, the task "fails" with
 * -ENOMEM.
 *
 *     SENT --its item runs on the loop--> STARTED --the task has ended, one tick later--> DONE
 *
 * SENT to STARTED is the mailbox's business: an item that was put is run, by a tick or by the end of
 * the loop, where the task is refused with -ESHUTDOWN. STARTED to DONE is the task's: the loop's end
 * cancels it, or gives it up with WEFT_ESTUCK, and runs what waits for it. So every thread task gets
 * DONE unless nobody runs the loop. DONE is set under `mu`, and all who wait are woken.
 *
 * What threads have to say to the loop goes through one more item, `news`, which is in the mailbox at
 * most once (`posted`): cancels that were asked for, the last reference that was dropped, a failure
 * that was looked at. The run of the item reads under `mu` what there is, so nothing is told twice or
 * not at all. It cannot overtake the first item: the handle is not known to anybody before that was
 * put, and the mailbox keeps the order.
 *
 * A failure is never silent. A successful task's future is dropped when its value was moved here. One
 * that failed is KEPT by the loop's side, not looked at, until a thread has looked (then it is marked
 * as observed), the last reference is dropped or the loop ends (then it is dropped as it is, and
 * reported like any other).
 *
 * References: `users` are the threads'; together they hold one of `refs`. The loop's side has one from
 * the beginning until it lets go of the task, the item `news` one while it is posted.
 *
 * Lock order: `mu` is taken last. Under it only the allocator and pthread_cond_*() are called.
 *
 * Failure modes: no memory (in the thread: NULL; on the loop: the task fails); the loop is closed (the
 * mailbox refuses: NULL). In a forked child threads are gone and locks may be held for ever: a handle
 * is refused by its generation, unless its loop goes on there, which makes the lock anew.
 */
#include "core/thread_task.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/blocking.h"
#include "core/cold.h"
#include "core/cond.h"
#include "core/context.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/mutex.h"

struct weft_thread_task {
    struct weft__mutex mu;
    pthread_cond_t ended;        /* it is done; waited on with `mu` */
    weft__mailbox *mailbox;      /* [const] a reference */
    const weft_coroutine *code;  /* [const] */
    const char *place;           /* [const] */
    weft_context *context;       /* [const] owned */
    uint32_t loop_id;            /* [const] */
    unsigned generation;         /* [const] but in a new child: in which process it may be used */
    unsigned users;              /* [mu] references of threads */
    unsigned refs;               /* [mu] see above */
    unsigned waiting;            /* [mu] threads that are blocked, and will look */
    unsigned asked;              /* [mu] cancels that the loop has not heard of */
    bool posted;                 /* [mu] `news` is in the mailbox, or about to be put into it */
    bool is_done;                /* [mu] the fields below are valid */
    bool is_kept;                /* [mu] it failed, and the loop's side waits until that was seen */
    bool is_seen;                /* [mu] a thread knows how it ended */
    bool is_taken;               /* [mu] the value, which has a destructor, is somebody's */
    int status;                  /* [mu] */
    weft_value value;            /* [mu] */
    weft_destructor *destructor; /* [mu] */
    char *message;               /* [mu] owned; stays once it is done */
    weft__item news;             /* owned by the mailbox while posted */
    weft__waiter waiter;         /* [loop] its item also starts the task */
    weft_future *task;           /* [loop] a reference; NULL: let go */
    struct weft_thread_task *next, **at; /* [loop] in loop->thread_tasks while `task` is set */
    _Alignas(max_align_t) char frame[];  /* [const] the arguments */
};

static bool is_inherited(const weft_thread_task *task)
{
    return task->generation != weft__generation;
}

/* ---- References ---- */

static void destroy(weft_thread_task *task)
{
    pthread_cond_destroy(&task->ended);
    pthread_mutex_destroy(&task->mu.mutex);
    weft_context_unref(task->context);
    weft__mailbox_unref(task->mailbox);
    weft__free(task->message);
    weft__free(task);
}

static void release(weft_thread_task *task)
{
    weft__mutex_lock(&task->mu);
    bool is_last = --task->refs == 0;
    weft__mutex_unlock(&task->mu);
    if (is_last)
        destroy(task);
}

/* ---- News for the loop ---- */

/* True: the caller puts `news` into the mailbox when it has given up the lock. */
static bool want_news(weft_thread_task *task) WEFT_REQUIRES(task->mu)
{
    if (task->posted)
        return false;
    task->posted = true;
    task->refs++;
    return true;
}

/* 0, or -ESHUTDOWN: the loop has ended, or its end will see to it. */
static int post_news(weft_thread_task *task)
{
    if (weft__mailbox_put(task->mailbox, &task->news))
        return 0;
    weft__mutex_lock(&task->mu);
    task->posted = false;
    weft__mutex_unlock(&task->mu);
    release(task);
    return -ESHUTDOWN;
}

/* Who failed is seen by the thread that holds the lock. */
static bool look(weft_thread_task *task) WEFT_REQUIRES(task->mu)
{
    task->is_seen = true;
    return task->is_kept && want_news(task);
}

/* ---- The loop's side ---- */

static void link_task(weft_loop *loop, weft_thread_task *task)
{
    task->next = loop->thread_tasks;
    task->at = &loop->thread_tasks;
    if (task->next)
        task->next->at = &task->next;
    loop->thread_tasks = task;
}

/* Nobody needs the task's future any more. */
static void let_go(weft_thread_task *task)
{
    weft_future *future = task->task;
    task->task = NULL;
    *task->at = task->next;
    if (task->next)
        task->next->at = task->at;
    release(task);
    weft_unref(future);
}

/* Like what is reported if nobody looks; see core/future.c. */
static bool is_worth_seeing(const weft_thread_task *task) WEFT_REQUIRES(task->mu)
{
    return task->status < 0 && task->status != -ECANCELED && task->status != WEFT_ESTUCK;
}

/* The outcome moves here, the failure of one that is kept without being looked at. */
static void note_end(weft_thread_task *task) WEFT_REQUIRES(task->mu)
{
    task->status = task->task->status;
    task->message = weft__strdup(weft_message(task->task));
    task->is_kept = is_worth_seeing(task) && task->waiting == 0;
    if (!task->is_kept && weft__look(task->task) >= 0)
        task->status = weft__take(task->task, &task->value, &task->destructor);
    task->is_done = true;
    pthread_cond_broadcast(&task->ended);
}

static void run_ended(weft__item *item)
{
    weft_thread_task *task = WEFT__CONTAINER(item, weft_thread_task, waiter.item);
    weft_future *waited = task->waiter.future;
    task->waiter.future = NULL;
    weft__mutex_lock(&task->mu);
    if (task->users > 0)
        note_end(task);
    bool is_kept = task->is_kept;
    weft__mutex_unlock(&task->mu);
    weft_unref(waited);
    if (!is_kept)
        let_go(task);
}

static void run_news(weft__item *item)
{
    weft_thread_task *task = WEFT__CONTAINER(item, weft_thread_task, news);
    weft__mutex_lock(&task->mu);
    unsigned asked = task->asked;
    bool is_seen = task->is_seen;
    bool is_over = task->is_kept && (is_seen || task->users == 0);
    task->posted = false;
    task->asked = 0;
    if (is_over)
        task->is_kept = false;
    weft__mutex_unlock(&task->mu);
    for (; asked > 0 && task->task; asked--)
        weft_cancel_because(task->task, "asked by a thread");
    if (is_over && is_seen && task->task)
        weft__observe(task->task);
    if (is_over)
        let_go(task);
    release(task);
}

/* In a child there is no other thread, and what this one finds locked is free. */
static void adopt(weft_thread_task *task)
{
    if (!is_inherited(task))
        return;
    pthread_mutex_init(&task->mu.mutex, NULL);
    weft__cond_init(&task->ended);
    task->generation = weft__generation;
}

static void run_start(weft__item *item)
{
    weft_thread_task *task = WEFT__CONTAINER(item, weft_thread_task, waiter.item);
    adopt(task);
    task->task = weft__spawn_in(task->context, task->code, task->frame, task->place);
    link_task(weft__loop, task);
    task->waiter.item.run = run_ended;
    weft__wait(&task->waiter, weft_ref(task->task));
}

void weft__thread_tasks_after_fork(weft_loop *loop)
{
    for (weft_thread_task *task = loop->thread_tasks; task; task = task->next)
        adopt(task);
}

void weft__thread_tasks_end(weft_loop *loop)
{
    while (loop->thread_tasks) {
        weft_thread_task *task = loop->thread_tasks;
        weft__mutex_lock(&task->mu);
        bool is_seen = task->is_seen;
        task->is_kept = false;
        weft__mutex_unlock(&task->mu);
        if (is_seen)
            weft__observe(task->task);
        let_go(task);
    }
}

/* ---- The threads' side ---- */

static weft_thread_task *allocate(const weft_coroutine *code, const void *frame)
{
    weft_thread_task *task = NULL;
    if (code->frame_size <= SIZE_MAX - sizeof(*task))
        task = weft__malloc(sizeof(*task) + code->frame_size);
    if (!task)
        return NULL;
    memset(task, 0, sizeof(*task));
    memcpy(task->frame, frame, code->frame_size);
    int error = weft__cond_init(&task->ended);
    if (error) {
        weft__free(task);
        errno = error;
        return NULL;
    }
    pthread_mutex_init(&task->mu.mutex, NULL);
    return task;
}

weft_thread_task *weft__spawn_from_thread(weft_loop *loop, const weft_coroutine *coroutine,
                                          const void *frame, const char *place)
{
    errno = loop ? ENOMEM : EINVAL;
    weft_thread_task *task = loop ? allocate(coroutine, frame) : NULL;
    if (!task)
        return NULL;
    task->mailbox = weft__mailbox_ref(loop->mailbox);
    task->code = coroutine;
    task->place = place;
    task->context = weft_context_current();
    task->loop_id = loop->id;
    task->generation = weft__generation;
    task->users = 1;
    task->refs = 2;
    task->news.run = run_news;
    task->waiter.item.run = run_start;
    if (weft__mailbox_put(task->mailbox, &task->waiter.item))
        return task;
    errno = weft__mailbox_is_inherited(task->mailbox) ? -WEFT_EFORK : ESHUTDOWN;
    int error = errno;
    destroy(task);
    errno = error;
    return NULL;
}

static bool is_here(const weft_thread_task *task)
{
    return task->loop_id == weft__loop_id || task->loop_id == weft__lent_loop_id;
}

bool weft_thread_task_is_done(weft_thread_task *task)
{
    if (!task || is_inherited(task))
        return false;
    weft__mutex_lock(&task->mu);
    bool is_done = task->is_done;
    weft__mutex_unlock(&task->mu);
    return is_done;
}

/* A thread that waits in a job. */
struct wait {
    weft_thread_task *task;
    bool is_cancelled; /* [mu] the job is to stop */
};

static void interrupt(void *arg)
{
    struct wait *wait = arg;
    weft__mutex_lock(&wait->task->mu);
    wait->is_cancelled = true;
    pthread_cond_broadcast(&wait->task->ended);
    weft__mutex_unlock(&wait->task->mu);
}

/* 0: it is done. `fn` is called if the job that waits is to stop; NULL: it waits all the same. */
static int wait_for_end(weft_thread_task *task, weft_ns timeout, void (*fn)(void *arg))
    WEFT_EXCLUDES(task->mu)
{
    int error = 0;
    struct wait wait = {.task = task};
    if (weft_thread_task_is_done(task))
        return 0;
    if (is_here(task))
        return -EDEADLK;
    if (timeout == 0)
        return -ETIMEDOUT;
    weft_ns deadline = weft__real_after(timeout);
    weft__blocking_begin();
    weft__blocking_watch(fn, &wait);
    weft__mutex_lock(&task->mu);
    task->waiting++;
    while (!task->is_done && !error && !wait.is_cancelled)
        error = weft__cond_wait_until(&task->ended, &task->mu, deadline);
    task->waiting--;
    bool is_done = task->is_done;
    weft__mutex_unlock(&task->mu);
    weft__blocking_watch(NULL, NULL);
    weft__blocking_end();
    if (is_done)
        return 0;
    return error ? -ETIMEDOUT : -ECANCELED;
}

static int take(weft_thread_task *task, weft_value *ret, weft_destructor **ret_destructor)
    WEFT_REQUIRES(task->mu)
{
    if (task->status < 0 || !ret)
        return task->status;
    if (task->is_taken)
        return -EALREADY;
    task->is_taken = task->destructor != NULL;
    *ret = task->value;
    if (ret_destructor)
        *ret_destructor = task->destructor;
    return 0;
}

static int check(const weft_thread_task *task)
{
    if (!task)
        return -EINVAL;
    return is_inherited(task) ? WEFT_EFORK : 0;
}

static int wait_and_take(weft_thread_task *task, weft_ns timeout, void (*fn)(void *arg),
                         weft_value *ret, weft_destructor **ret_destructor)
{
    int status = wait_for_end(task, timeout, fn);
    if (status < 0)
        return status;
    weft__mutex_lock(&task->mu);
    bool post = look(task);
    status = take(task, ret, ret_destructor);
    weft__mutex_unlock(&task->mu);
    if (post)
        (void)post_news(task);
    return status;
}

int weft_thread_task_wait(weft_thread_task *task, weft_ns timeout, weft_value *ret,
                          weft_destructor **ret_destructor)
{
    int status = check(task);
    return status < 0 ? status : wait_and_take(task, timeout, interrupt, ret, ret_destructor);
}

int weft_thread_task_cancel(weft_thread_task *task)
{
    int status = check(task);
    if (status < 0)
        return status;
    weft__mutex_lock(&task->mu);
    bool is_done = task->is_done;
    bool post = !is_done && want_news(task);
    task->asked += !is_done;
    weft__mutex_unlock(&task->mu);
    if (is_done)
        return -EALREADY;
    return post ? post_news(task) : 0;
}

int weft_thread_task_cancel_and_wait(weft_thread_task *task, weft_ns timeout)
{
    int status = weft_thread_task_cancel(task);
    if (status < 0 && status != -EALREADY && status != -ESHUTDOWN)
        return status;
    return wait_and_take(task, timeout, NULL, NULL, NULL);
}

const char *weft_thread_task_message(weft_thread_task *task)
{
    if (!task || is_inherited(task))
        return NULL;
    weft__mutex_lock(&task->mu);
    const char *message = task->message;
    weft__mutex_unlock(&task->mu);
    return message;
}

weft_thread_task *weft_thread_task_ref(weft_thread_task *task)
{
    if (is_inherited(task))
        return task;
    weft__mutex_lock(&task->mu);
    task->users++;
    weft__mutex_unlock(&task->mu);
    return task;
}

/* The loop's side may have its reference for a moment after the end that it told of: what is promised
 * to happen in this thread cannot wait for the last of all references. */
static weft_destructor *claim_value(weft_thread_task *task) WEFT_REQUIRES(task->mu)
{
    weft_destructor *destructor = task->is_taken ? NULL : task->destructor;
    task->is_taken = true;
    return destructor;
}

void weft_thread_task_unref(weft_thread_task *task)
{
    if (!task || is_inherited(task))
        return;
    weft__mutex_lock(&task->mu);
    bool is_last = --task->users == 0;
    bool post = is_last && task->is_kept && !task->is_seen && want_news(task);
    weft_destructor *destructor = is_last ? claim_value(task) : NULL;
    weft__mutex_unlock(&task->mu);
    if (destructor)
        destructor(task->value.ptr);
    if (post)
        (void)post_news(task);
    if (is_last)
        release(task);
}
