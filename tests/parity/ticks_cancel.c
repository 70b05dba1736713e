/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct cancelled {
    WEFT_FRAME;
    const char *what;
    weft_future *awaitable, *task;
};

static WEFT_ASYNC(cancelled)
{
    WEFT_BEGIN;
    self->task = weft_spawn(awaits, .future = self->awaitable);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_AWAIT(weft_call(count_ticks, .what = self->what, .task = self->task));
    WEFT_END;
}

struct holds {
    WEFT_FRAME;
    weft_lock *lock;
};

static WEFT_ASYNC(holds)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    weft_event *event;
    weft_semaphore *semaphore;
    weft_barrier *barrier;
    weft_future *task;
};

#define CANCELLED(text, future) \
    WEFT_AWAIT(weft_call(cancelled, .what = (text), .awaitable = (future)))
#define FUTURE weft_future_new()
#define TASK(awaited) weft_spawn(awaits, .future = (awaited))

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    self->event = weft_event_new();
    self->semaphore = weft_semaphore_new(0, 0);
    self->barrier = weft_barrier_new(2);
    WEFT_AWAIT(weft_spawn(holds, .lock = self->lock));
    CANCELLED("sleep", weft_sleep(WEFT_S(10)));
    CANCELLED("future", FUTURE);
    CANCELLED("task", TASK(FUTURE));
    CANCELLED("task of a task", TASK(TASK(FUTURE)));
    CANCELLED("gather", weft_gather(FUTURE, FUTURE));
    CANCELLED("gather of tasks", weft_gather(TASK(FUTURE), TASK(FUTURE)));
    CANCELLED("shield", weft_shield(FUTURE));
    CANCELLED("wait", weft_wait(WEFT_ALL, -1, FUTURE, FUTURE));
    CANCELLED("event", weft_event_wait(self->event));
    CANCELLED("lock", weft_lock_acquire(self->lock));
    CANCELLED("semaphore", weft_semaphore_acquire(self->semaphore));
    CANCELLED("barrier", weft_barrier_wait(self->barrier));
    self->task = weft_spawn(steps, .name = "tick", .count = 1);
    WEFT_YIELD;
    weft_cancel(self->task);
    WEFT_AWAIT(weft_call(count_ticks, .what = "yield", .task = self->task));
    WEFT_FINALLY;
    weft_lock_free(self->lock);
    weft_event_free(self->event);
    weft_semaphore_free(self->semaphore);
    weft_barrier_free(self->barrier);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
