/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    const char *name;
    weft_lock *lock;
    weft_condition *condition;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    say("%s waits", self->name);
    WEFT_AWAIT(weft_condition_wait(self->condition));
    say("%s goes on, locked: %s", self->name, truth(weft_lock_is_locked(self->lock)));
    weft_lock_release(self->lock);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    weft_condition *condition;
    weft_future *tasks[4];
};

static WEFT_ASYNC(main_task)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    self->condition = weft_condition_new(self->lock);
    for (int i = 0; i < 4; i++)
        self->tasks[i] =
            weft_spawn(waiter, .name = names[i], .lock = self->lock, .condition = self->condition);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    weft_condition_notify(self->condition, 1);
    say("one is notified");
    weft_lock_release(self->lock);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    weft_condition_notify(self->condition, 2);
    say("two are notified");
    weft_lock_release(self->lock);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    weft_condition_notify_all(self->condition);
    say("all are notified");
    weft_lock_release(self->lock);
    WEFT_AWAIT(weft_gather_array(4, self->tasks, WEFT_GATHER_FIRST_ERROR));
    weft_condition_free(self->condition);
    weft_lock_free(self->lock);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
