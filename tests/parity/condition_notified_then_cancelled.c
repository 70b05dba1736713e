/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    const char *name;
    weft_lock *lock;
    weft_condition *condition;
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    WEFT_CATCH(self->status, weft_condition_wait(self->condition));
    if (self->status == 0)
        say("%s goes on", self->name);
    weft_lock_release(self->lock);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    weft_condition *condition;
    weft_future *a, *b;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    self->condition = weft_condition_new(self->lock);
    self->a = weft_spawn(waiter, .name = "a", .lock = self->lock, .condition = self->condition);
    self->b = weft_spawn(waiter, .name = "b", .lock = self->lock, .condition = self->condition);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    weft_condition_notify(self->condition, 1);
    weft_lock_release(self->lock);
    weft_cancel(self->a);
    say("one is notified, and cancelled");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    weft_unref(self->a);
    weft_unref(self->b);
    weft_condition_free(self->condition);
    weft_lock_free(self->lock);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
