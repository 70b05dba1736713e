/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static int basket;

static bool is_full(void *arg)
{
    (void)arg;
    say("looks: %d", basket);
    return basket >= 2;
}

struct consumer {
    WEFT_FRAME;
    weft_lock *lock;
    weft_condition *condition;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    WEFT_AWAIT(weft_condition_wait_for(self->condition, is_full, NULL));
    say("the basket is full");
    weft_lock_release(self->lock);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    weft_condition *condition;
    weft_future *task;
    int apple;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    self->condition = weft_condition_new(self->lock);
    self->task = weft_spawn(consumer, .lock = self->lock, .condition = self->condition);
    for (self->apple = 0; self->apple < 2; self->apple++) {
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
        WEFT_AWAIT(weft_lock_acquire(self->lock));
        basket++;
        weft_condition_notify_all(self->condition);
        say("one more");
        weft_lock_release(self->lock);
    }
    WEFT_AWAIT(self->task);
    WEFT_AWAIT(weft_call(consumer, .lock = self->lock, .condition = self->condition));
    weft_condition_free(self->condition);
    weft_lock_free(self->lock);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
