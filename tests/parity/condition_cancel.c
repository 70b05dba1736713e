/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    weft_lock *lock;
    weft_condition *condition;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    WEFT_AWAIT(weft_condition_wait(self->condition));
    WEFT_FINALLY;
    say("the waiter goes on, locked: %s", truth(weft_lock_is_locked(self->lock)));
    weft_lock_release(self->lock);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    weft_condition *condition;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    self->condition = weft_condition_new(self->lock);
    self->task = weft_spawn(waiter, .lock = self->lock, .condition = self->condition);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    weft_cancel(self->task);
    say("main has the lock, and cancels the waiter");
    WEFT_AWAIT(weft_sleep(WEFT_S(5)));
    say("main lets go");
    weft_lock_release(self->lock);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->task)));
    say("%s, locked: %s", outcome(self->task), truth(weft_lock_is_locked(self->lock)));
    if (weft_condition_notify(self->condition, 1) == -EPERM)
        say("only who has the lock may notify");
    weft_unref(self->task);
    weft_condition_free(self->condition);
    weft_lock_free(self->lock);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
