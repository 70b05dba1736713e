/* SPDX-License-Identifier: MIT */
/*
 * A program that aborts with known tasks: tests/gdb/check looks at its core. One sleeps, two want a lock that a third
 * has, one waits for a job that waits for a pipe, one calls another coroutine, and one runs. Some have names that are
 * nothing for a terminal.
 */
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>

struct sleeper {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1000)));
    WEFT_END;
}

struct buyer {
    WEFT_FRAME;
    weft_lock *lock;
};

static WEFT_ASYNC(buyer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    WEFT_AWAIT(weft_sleep(WEFT_S(1000)));
    WEFT_END;
}

struct wait_for_byte {
    int fd, told;
};

static WEFT_BLOCKING(wait_for_byte)
{
    char byte = 1;
    if (write(self->told, &byte, 1) < 0 || read(self->fd, &byte, 1) < 0)
        return weft_err(-EIO);
    return weft_ok(0);
}

struct reader {
    WEFT_FRAME;
    int fd, told;
};

static WEFT_ASYNC(reader)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread(wait_for_byte, .fd = self->fd, .told = self->told));
    WEFT_END;
}

struct caller {
    WEFT_FRAME;
};

static WEFT_ASYNC(caller)
{
    WEFT_BEGIN;
    weft_task_set_name(weft_current_task(), "the caller\033[2J\xff");
    WEFT_AWAIT(weft_call(sleeper));
    WEFT_END;
}

struct culprit {
    WEFT_FRAME;
    int told, turn;
};

static WEFT_ASYNC(culprit)
{
    char byte;
    WEFT_BEGIN;
    for (self->turn = 0; self->turn < 10; self->turn++)
        WEFT_YIELD;
    if (read(self->told, &byte, 1) == 1) /* the job has begun */
        abort();
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_lock *lock;
    weft_pool *pool;
    weft_lane *lane;
    int fds[2], told[2];
    weft_future *all;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->lock = weft_lock_new();
    self->pool = weft_pool_new(NULL);
    self->lane =
        weft_lane_new(self->pool, &(struct weft_lane_options){.name = "odd\n\302\233\xff"});
    if (weft_loop_set_pool(weft_loop_current(), self->pool) < 0)
        WEFT_FAIL(-ENOMEM);
    if (pipe(self->fds) < 0 || pipe(self->told) < 0)
        WEFT_FAIL(-errno);
    self->all = weft_gather(weft_spawn(sleeper), weft_spawn(buyer, .lock = self->lock),
                            weft_spawn(buyer, .lock = self->lock),
                            weft_spawn(reader, .fd = self->fds[0], .told = self->told[1]),
                            weft_spawn(caller), weft_spawn(culprit, .told = self->told[0]));
    WEFT_AWAIT(self->all);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
