/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct holder {
    WEFT_FRAME;
    const char *name;
    weft_lock *lock;
    int status;
};

static WEFT_ASYNC(holder)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    say("%s has the lock", self->name);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    if (self->status == -ECANCELED)
        say("%s is cancelled in its next await", self->name);
    weft_lock_release(self->lock);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    weft_future *a, *b;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    say("main has the lock");
    self->a = weft_spawn(holder, .name = "a", .lock = self->lock);
    self->b = weft_spawn(holder, .name = "b", .lock = self->lock);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("main lets go, then cancels a");
    weft_lock_release(self->lock);
    weft_cancel(self->a);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->a), weft_ref(self->b)));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    weft_unref(self->a);
    weft_unref(self->b);
    weft_lock_free(self->lock);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
