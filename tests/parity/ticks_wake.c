/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void set(void *event)
{
    weft_event_set(event);
}

static void release(void *semaphore)
{
    weft_semaphore_release(semaphore);
}

struct woken {
    WEFT_FRAME;
    const char *what;
    void (*wake)(void *what);
    void *by;
    weft_future *awaitable, *task;
};

static WEFT_ASYNC(woken)
{
    WEFT_BEGIN;
    self->task = weft_spawn(awaits, .future = self->awaitable);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    self->wake(self->by);
    WEFT_AWAIT(weft_call(count_ticks, .what = self->what, .task = self->task));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future, *second, *task;
    weft_future *waits[8];
    weft_event *event;
    weft_semaphore *semaphore;
};

#define FUTURE weft_ref(self->future)
#define SECOND weft_ref(self->second)
#define TASK(awaited) weft_spawn(awaits, .future = (awaited))

static WEFT_ASYNC(main_task)
{
    static const char *const names[] = {
        "future", "task",          "gather",        "gather of tasks",
        "shield", "failed gather", "failed shield", "failures gathered"};
    WEFT_BEGIN;
    self->future = weft_future_new();
    self->second = weft_future_new();
    self->event = weft_event_new();
    self->semaphore = weft_semaphore_new(0, 0);
    self->task = TASK(FUTURE);
    self->waits[0] = TASK(FUTURE);
    self->waits[1] = TASK(weft_ref(self->task));
    self->waits[2] = TASK(weft_gather(FUTURE));
    self->waits[3] = TASK(weft_gather(self->task, FUTURE));
    self->waits[4] = TASK(weft_shield(FUTURE));
    self->waits[5] = TASK(weft_gather(FUTURE, SECOND));
    self->waits[6] = TASK(weft_shield(SECOND));
    self->waits[7] = TASK(weft_gather_with(WEFT_GATHER_ALL, SECOND, SECOND));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_future_resolve(self->future, weft_value_ptr(NULL), NULL);
    weft_future_fail(self->second, -EIO, "broken");
    for (int i = 0; i < 8; i++)
        self->waits[i] = weft_spawn(count_ticks, .what = names[i], .task = self->waits[i]);
    WEFT_AWAIT(weft_gather_array(8, self->waits, WEFT_GATHER_FIRST_ERROR));
    WEFT_AWAIT(weft_call(woken, .what = "event", .wake = set, .by = self->event,
                         .awaitable = weft_event_wait(self->event)));
    WEFT_AWAIT(weft_call(woken, .what = "semaphore", .wake = release, .by = self->semaphore,
                         .awaitable = weft_semaphore_acquire(self->semaphore)));
    WEFT_FINALLY;
    weft_unref(self->future);
    weft_unref(self->second);
    weft_event_free(self->event);
    weft_semaphore_free(self->semaphore);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
