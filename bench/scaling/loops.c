/* SPDX-License-Identifier: MIT */
/*
 * As many loops as LOOPS says, each on a thread of its own, that have nothing to do with each other:
 * what one costs the other is what they share without having to. `loops WORKLOAD PEER COUNT`.
 *
 * In each, 64 tasks start COUNT tasks altogether, one after another, and await them; a started task
 * yields once. An operation is one started task of each loop, so its time is the same however many
 * loops there are, as long as each has a CPU and nothing between them.
 */
#include <weft/weft.h>

#include "../common/bench.h"

enum { PARENTS = 64, MAX_LOOPS = 256 };

static long tasks; /* in each loop */
static pthread_barrier_t start;

struct child {
    WEFT_FRAME;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_END;
}

struct parent {
    WEFT_FRAME;
    long left;
};

static WEFT_ASYNC(parent)
{
    WEFT_BEGIN;
    for (; self->left > 0; self->left--)
        WEFT_AWAIT(weft_spawn(child));
    WEFT_END;
}

static void *run(void *arg)
{
    weft_loop *loop = weft_loop_new(NULL);
    weft_future *parents[PARENTS];
    if (!loop)
        die("weft_loop_new");
    for (int i = 0; i < PARENTS; i++)
        parents[i] = weft_spawn(parent, .left = tasks / PARENTS);
    weft_future *all = weft_gather_array(PARENTS, parents, WEFT_GATHER_FIRST_ERROR);
    pthread_barrier_wait(&start);
    if (weft_loop_run_until(loop, all) < 0)
        die("a task");
    weft_loop_free(loop);
    return arg;
}

int main(int argc, char **argv)
{
    const char *wanted = getenv("LOOPS");
    unsigned loops = wanted ? (unsigned)atoi(wanted) : 1;
    pthread_t threads[MAX_LOOPS];
    need_args(argc, argv, 3, "COUNT");
    tasks = atol(argv[3]) > PARENTS ? atol(argv[3]) : PARENTS;
    if (loops < 1 || loops > MAX_LOOPS || pthread_barrier_init(&start, NULL, loops + 1) != 0)
        return 2;
    for (unsigned i = 0; i < loops; i++)
        threads[i] = start_thread(run, NULL);
    pthread_barrier_wait(&start);
    struct usage before = usage_now();
    for (unsigned i = 0; i < loops; i++)
        pthread_join(threads[i], NULL);
    emit_ops(argv[1], argv[2], (double)(tasks / PARENTS * PARENTS), before, usage_now());
    return 0;
}
