/* SPDX-License-Identifier: MIT */
/*
 * weft: weft_gather_array() of tasks.
 */
#include <weft/weft.h>

#include "../common/gather.h"

struct child {
    WEFT_FRAME;
    int64_t number;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_RETURN(self->number);
    WEFT_END;
}

static weft_future *start_all(weft_future **children)
{
    for (long i = 0; i < gather.tasks; i++)
        children[i] = weft_spawn(child, .number = i);
    return weft_gather_array((size_t)gather.tasks, children, WEFT_GATHER_FIRST_ERROR);
}

static void check(weft_results *results)
{
    long sum = 0;
    for (size_t i = 0; i < weft_results_count(results); i++)
        sum += weft_results_value(results, i).i64;
    gather_check(sum);
    weft_results_free(results);
}

struct rounds {
    WEFT_FRAME;
    weft_future **children;
    weft_results *results;
    long left;
};

static WEFT_ASYNC(rounds)
{
    WEFT_BEGIN;
    for (self->left = gather.rounds; self->left > 0; self->left--) {
        WEFT_AWAIT_INTO(self->results, start_all(self->children));
        check(self->results);
    }
    WEFT_END;
}

int main(int argc, char **argv)
{
    gather_args(argc, argv);
    weft_future **children = allocate((size_t)gather.tasks, sizeof(*children));
    weft_loop *loop = weft_loop_new(NULL);
    int status =
        loop ? weft_loop_run_until(loop, weft_spawn(rounds, .children = children)) : -errno;
    if (status < 0)
        fprintf(stderr, "gather: %s\n", weft_strerror(status));
    else
        gather_report();
    weft_loop_free(loop);
    free(children);
    return status < 0;
}
