/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct meddles {
    WEFT_FRAME;
    weft_lock *lock;
};

static WEFT_ASYNC(meddles)
{
    WEFT_BEGIN;
    if (weft_lock_release(self->lock) == -EPERM)
        puts("another task cannot let it go");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    say("main has the lock");
    WEFT_CATCH(self->status, weft_lock_acquire(self->lock));
    say("a second time: %s", weft_error_name(self->status));
    WEFT_AWAIT(weft_spawn(meddles, .lock = self->lock));
    weft_lock_release(self->lock);
    printf("locked at the end: %s\n", truth(weft_lock_is_locked(self->lock)));
    if (weft_lock_release(self->lock) == -EPERM)
        puts("letting go of what is free is an error");
    weft_lock_free(self->lock);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
