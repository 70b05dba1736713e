/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct holder {
    WEFT_FRAME;
    const char *name;
    weft_lock *lock;
    int seconds;
};

static WEFT_ASYNC(holder)
{
    WEFT_BEGIN;
    say("%s wants the lock", self->name);
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    say("%s has the lock", self->name);
    WEFT_AWAIT(weft_sleep(WEFT_S(self->seconds)));
    say("%s lets go", self->name);
    weft_lock_release(self->lock);
    say("%s goes on", self->name);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    weft_future *a, *b, *c;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    self->a = weft_spawn(holder, .name = "a", .lock = self->lock, .seconds = 2);
    self->b = weft_spawn(holder, .name = "b", .lock = self->lock, .seconds = 1);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    self->c = weft_spawn(holder, .name = "c", .lock = self->lock);
    WEFT_AWAIT(weft_gather(self->a, self->b, self->c));
    say("locked: %s", truth(weft_lock_is_locked(self->lock)));
    weft_lock_free(self->lock);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
