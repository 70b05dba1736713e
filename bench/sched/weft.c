/* SPDX-License-Identifier: MIT */
/*
 * weft: callbacks that ask for the next call (MODE_=soon: by weft_call_soon(), whose handle is a
 * future), tasks that yield, and coroutines that await coroutines.
 */
#include <weft/weft.h>

#include "../common/sched.h"

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "sched: %s: %s\n", what, weft_strerror(status));
    exit(1);
}

/* ---- chain ---- */

static void stop(void)
{
    weft_loop_stop(weft_loop_current());
}

static void step_of_future(void *arg)
{
    long *left = arg;
    if (--*left > 0)
        weft_unref(weft_call_soon(step_of_future, left));
    else
        stop();
}

struct chain {
    struct weft_callback callback;
    long left;
};

static void step(void *arg)
{
    struct chain *chain = arg;
    if (--chain->left == 0)
        stop();
    else if (weft_callback_soon(&chain->callback) < 0)
        die("weft_callback_soon");
}

static void run_chain(weft_loop *loop)
{
    struct chain chain = {.left = sched.of_each};
    weft_callback_init(&chain.callback, step, &chain);
    if (is_set("MODE_", "soon"))
        weft_unref(weft_call_soon(step_of_future, &chain.left));
    else
        must(weft_callback_soon(&chain.callback), "the first step");
    must(weft_loop_run(loop), "the chain");
}

/* ---- yield ---- */

struct yields {
    WEFT_FRAME;
    long left;
};

static WEFT_ASYNC(yields)
{
    WEFT_BEGIN;
    while (self->left-- > 0)
        WEFT_YIELD;
    WEFT_END;
}

static void run_yields(weft_loop *loop)
{
    weft_future **tasks = allocate((size_t)sched.tasks, sizeof(*tasks));
    for (long i = 0; i < sched.tasks; i++)
        tasks[i] = weft_spawn(yields, .left = sched.of_each);
    weft_future *all = weft_gather_array((size_t)sched.tasks, tasks, WEFT_GATHER_FIRST_ERROR);
    must(weft_loop_run_until(loop, all), "the tasks");
    free(tasks);
}

/* ---- call, spawn ---- */

struct add_one {
    WEFT_FRAME;
    int64_t to;
};

static WEFT_ASYNC(add_one)
{
    WEFT_BEGIN;
    WEFT_RETURN(self->to + 1);
    WEFT_END;
}

struct calls {
    WEFT_FRAME;
    int64_t sum;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    while (self->sum < sched.of_each)
        WEFT_AWAIT_INTO(self->sum, weft_call(add_one, .to = self->sum));
    WEFT_END;
}

struct spawns {
    WEFT_FRAME;
    int64_t sum;
};

static WEFT_ASYNC(spawns)
{
    WEFT_BEGIN;
    while (self->sum < sched.of_each)
        WEFT_AWAIT_INTO(self->sum, weft_spawn(add_one, .to = self->sum));
    WEFT_END;
}

int main(int argc, char **argv)
{
    sched_args(argc, argv, "chain STEPS | yield TASKS YIELDS | call CALLS");
    weft_loop *loop = weft_loop_new(NULL);
    must(loop ? 0 : -errno, "a loop");
    sched_begin();
    if (sched_is("chain"))
        run_chain(loop);
    else if (sched_is("yield"))
        run_yields(loop);
    else if (is_set("MODE_", "spawn"))
        must(weft_loop_run_until(loop, weft_spawn(spawns)), "the tasks");
    else
        must(weft_loop_run_until(loop, weft_spawn(calls)), "the calls");
    sched_end();
    weft_loop_free(loop);
    return 0;
}
