/* SPDX-License-Identifier: MIT */
/*
 * The guide "weft: the command": a kitchen. Waiters write a bill at the one till, and have a dish baked in the
 * oven, which has room for two: a lane.
 *
 * `kitchen` serves six dishes and ends. `kitchen open` serves until its stdin ends, and is there to be looked
 * into; at a line "nap" somebody falls asleep on the loop, for ten seconds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>
#include <weft/stdio.h>
#include <weft/weft.h>

static struct {
    weft_lock *till;
    weft_lane *oven;
    int left, served; /* dishes; left < 0: no end */
} kitchen;

struct bake {
    int minutes;
};

static WEFT_BLOCKING(bake)
{
    thrd_sleep(&(struct timespec){.tv_nsec = self->minutes * 1000000L}, NULL);
    return weft_ok(NULL);
}

struct write_bill {
    WEFT_FRAME;
};

static WEFT_ASYNC(write_bill)
{
    WEFT_BEGIN;
    for (volatile long sum = 0; sum < 5000000; sum++) /* work for the loop's CPU */
        ;
    WEFT_AWAIT(weft_sleep(WEFT_MS(30)));
    WEFT_END;
}

struct waiter {
    WEFT_FRAME;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    while (kitchen.left != 0) {
        kitchen.left -= kitchen.left > 0;
        WEFT_AWAIT(weft_lock_acquire(kitchen.till));
        WEFT_AWAIT(weft_call(write_bill));
        weft_lock_release(kitchen.till);
        WEFT_AWAIT(weft_to_thread_in(kitchen.oven, bake, .minutes = 40));
        kitchen.served++;
    }
    WEFT_END;
}

struct hear_orders {
    WEFT_FRAME;
    weft_stream *in;
    const weft_bytes *line;
};

static WEFT_ASYNC(hear_orders)
{
    WEFT_BEGIN;
    self->in = weft_open_stdin();
    if (!self->in)
        WEFT_FAIL(-errno);
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_next_line(self->in, NULL));
        if (!self->line)
            WEFT_RETURN(NULL);
        if (strcmp((const char *)self->line->data, "nap") == 0)
            sleep(10); /* on the loop: nobody else can do anything */
    }
    WEFT_FINALLY;
    weft_stream_free(self->in);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_pool *pool;
    weft_scope *shift;
    bool is_open;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    kitchen.till = weft_lock_new();
    self->pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 4});
    if (!kitchen.till || !self->pool || weft_loop_set_pool(weft_loop_current(), self->pool) < 0)
        WEFT_FAIL(-ENOMEM);
    kitchen.oven =
        weft_lane_new(self->pool, &(struct weft_lane_options){.name = "oven", .max_running = 2});
    if (!kitchen.oven)
        WEFT_FAIL(-errno);
    kitchen.left = self->is_open ? -1 : 6;
    self->shift = weft_scope_open(&(struct weft_scope_options){.name = "shift"});
    for (int i = 0; i < 4; i++)
        weft_scope_spawn(self->shift, waiter);
    if (self->is_open) {
        WEFT_AWAIT(weft_call(hear_orders));
        kitchen.left = 0;
    }
    WEFT_SCOPE_CLOSE(self->shift);
    printf("%d dishes are served\n", kitchen.served);
    WEFT_FINALLY;
    weft_lane_unref(kitchen.oven);
    weft_pool_unref(self->pool);
    weft_lock_free(kitchen.till);
    WEFT_END;
}

int main(int argc, char **argv)
{
    return weft_run(main_task, .is_open = argc > 1 && strcmp(argv[1], "open") == 0);
}
