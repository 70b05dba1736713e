/* SPDX-License-Identifier: MIT */
/*
 * What tasks cost: memory, allocations, CPU time (the least of several rounds).
 *
 *     core_costs [TASKS]     how many sleep at the same time (1000000)
 *
 * Time is virtual, so nothing is waited for. Where the kernel counts instructions for us, they stand
 * beside the times: they depend neither on caches nor on what else the machine does.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

enum { ROUNDS = 5, MANY = 100000, CANCELS = 500 };

struct cost {
    double ns, instructions;
};

static int counter = -1; /* a descriptor that counts instructions; -1: cannot be had */

static struct cost now(void)
{
    struct timespec time;
    uint64_t count = 0;
    if (counter >= 0 && read(counter, &count, sizeof(count)) < 0)
        count = 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (struct cost){(double)(WEFT_S(time.tv_sec) + time.tv_nsec), (double)count};
}

static struct cost since(struct cost start, size_t count)
{
    struct cost end = now();
    return (struct cost){(end.ns - start.ns) / (double)count,
                         (end.instructions - start.instructions) / (double)count};
}

static void open_counter(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    counter = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static void print(const char *what, struct cost cost)
{
    if (counter >= 0)
        printf("%-46s%10.1f ns%12.0f instructions\n", what, cost.ns, cost.instructions);
    else
        printf("%-46s%10.1f ns\n", what, cost.ns);
}

/* ---- Loops ---- */

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "core_costs: %s: %s\n", what, weft_strerror(status));
    exit(1);
}

static weft_loop *begin(void)
{
    static const struct weft_loop_options options = {.clock = WEFT_CLOCK_VIRTUAL};
    weft_loop *loop = weft_loop_new(&options);
    must(loop ? 0 : -errno, "a loop");
    return loop;
}

/* Everything that is ready now runs, and what that made ready. */
static void turn(weft_loop *loop)
{
    for (int i = 0; i < 4; i++)
        must(weft_loop_run_until(loop, weft_sleep(0)), "a turn");
}

/* ---- Allocations ---- */

static size_t allocations;

static void *counted_malloc(size_t size)
{
    allocations++;
    return malloc(size);
}

static void *counted_realloc(void *ptr, size_t size)
{
    allocations++;
    return realloc(ptr, size);
}

/* ---- Coroutines ---- */

struct empty {
    WEFT_FRAME;
};

static WEFT_ASYNC(empty)
{
    WEFT_BEGIN;
    WEFT_END;
}

struct sleeper {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_END;
}

struct awaits_ready {
    WEFT_FRAME;
    weft_future *ready;
    int left;
};

static WEFT_ASYNC(awaits_ready)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_AWAIT(weft_ref(self->ready));
    WEFT_END;
}

struct yields {
    WEFT_FRAME;
    int left;
};

static WEFT_ASYNC(yields)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_YIELD;
    WEFT_END;
}

struct calls {
    WEFT_FRAME;
    int left;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_AWAIT(weft_call(empty));
    WEFT_END;
}

struct spawns {
    WEFT_FRAME;
    int left;
};

static WEFT_ASYNC(spawns)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_AWAIT(weft_spawn(empty));
    WEFT_END;
}

struct naps {
    WEFT_FRAME;
    int left;
};

static WEFT_ASYNC(naps)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_AWAIT(weft_sleep(1));
    WEFT_END;
}

struct limits {
    WEFT_FRAME;
    int left;
};

static WEFT_ASYNC(limits)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_AWAIT(weft_wait_for(weft_sleep(0), WEFT_S(1)));
    WEFT_END;
}

struct chain {
    weft_future *done;
    int left;
};

static void next(void *arg)
{
    struct chain *chain = arg;
    if (chain->left-- > 0)
        weft_unref(weft_call_soon(next, chain));
    else
        must(weft_future_resolve(chain->done, weft_value_i64(0), NULL), "the end of a chain");
}

static weft_future *chain_of(struct chain *chain)
{
    chain->left = MANY;
    chain->done = weft_future_new();
    weft_unref(weft_call_soon(next, chain));
    return chain->done;
}

/* ---- Measuring ---- */

static double resident(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1)
        must(-EIO, "/proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void measure_memory(size_t count)
{
    weft_loop *loop = begin();
    turn(loop);
    double before = resident();
    for (size_t i = 0; i < count; i++)
        weft_unref(weft_spawn(sleeper));
    turn(loop);
    printf("%zu sleeping tasks: %.1f bytes each\n", count, (resident() - before) / (double)count);
    weft_loop_free(loop);
}

static size_t allocations_of(weft_loop *loop, weft_future *task)
{
    size_t before = allocations;
    must(weft_loop_run_until(loop, task), "a task");
    return allocations - before;
}

static void measure_allocations(void)
{
    static const struct weft_allocator counted = {counted_malloc, counted_realloc, free};
    must(weft_set_allocator(&counted), "counting allocations");
    weft_loop *loop = begin();
    weft_future *ready = weft_future_new();
    must(weft_future_resolve(ready, weft_value_i64(0), NULL), "a future");
    size_t none = allocations_of(loop, weft_spawn(empty));
    size_t spawned = allocations_of(loop, weft_spawn(spawns, .left = MANY)) - none;
    size_t awaited =
        allocations_of(loop, weft_spawn(awaits_ready, .ready = ready, .left = MANY)) - none;
    printf("allocations: spawn + run + finish %.2f, await of a ready future %.2f\n",
           (double)spawned / MANY, (double)awaited / MANY);
    weft_unref(ready);
    weft_loop_free(loop);
    must(weft_set_allocator(NULL), "not counting allocations");
}

static struct cost least(struct cost a, struct cost b)
{
    return (struct cost){a.ns < b.ns ? a.ns : b.ns,
                         a.instructions < b.instructions ? a.instructions : b.instructions};
}

#define MEASURE(what, task)                                \
    do {                                                   \
        struct cost best = {1e12, 1e12};                   \
        for (int round = 0; round < ROUNDS; round++) {     \
            struct cost start = now();                     \
            must(weft_loop_run_until(loop, (task)), what); \
            best = least(best, since(start, MANY));        \
        }                                                  \
        print(what, best);                                 \
    } while (0)

static void measure_steps(void)
{
    struct chain chain;
    weft_loop *loop = begin();
    weft_future *ready = weft_future_new();
    must(weft_future_resolve(ready, weft_value_i64(0), NULL), "a future");
    MEASURE("yield", weft_spawn(yields, .left = MANY));
    MEASURE("call_soon", chain_of(&chain));
    MEASURE("await of a ready future", weft_spawn(awaits_ready, .ready = ready, .left = MANY));
    MEASURE("call, and await it", weft_spawn(calls, .left = MANY));
    MEASURE("spawn, and await it", weft_spawn(spawns, .left = MANY));
    MEASURE("sleep, virtual time", weft_spawn(naps, .left = MANY));
    MEASURE("wait_for of a sleep(0)", weft_spawn(limits, .left = MANY));
    weft_unref(ready);
    weft_loop_free(loop);
}

/* One of `count` sleeping tasks is asked to end, and ends; spread over all of them. */
static void measure_cancel(size_t count)
{
    char what[64];
    weft_loop *loop = begin();
    weft_future **tasks = malloc(count * sizeof(*tasks));
    must(tasks ? 0 : -ENOMEM, "a list of tasks");
    for (size_t i = 0; i < count; i++)
        tasks[i] = weft_spawn(sleeper);
    turn(loop);
    struct cost start = now();
    for (size_t i = 0; i < CANCELS; i++)
        weft_cancel(tasks[i * (count / CANCELS)]);
    turn(loop);
    struct cost cost = since(start, CANCELS);
    snprintf(what, sizeof(what), "cancel one of %zu sleeping tasks", count);
    print(what, cost);
    for (size_t i = 0; i < count; i++)
        weft_unref(tasks[i]);
    free(tasks);
    weft_loop_free(loop);
}

static void measure_gather(size_t count)
{
    char what[64];
    struct cost best = {1e12, 1e12};
    weft_loop *loop = begin();
    weft_future **futures = malloc(count * sizeof(*futures));
    must(futures ? 0 : -ENOMEM, "a list of futures");
    for (int round = 0; round < ROUNDS; round++) {
        struct cost start = now();
        for (size_t i = 0; i < count; i++)
            futures[i] = weft_spawn(empty);
        must(weft_loop_run_until(loop, weft_gather_array(count, futures, WEFT_GATHER_FIRST_ERROR)),
             "a gather");
        best = least(best, since(start, count));
    }
    snprintf(what, sizeof(what), "gather of %zu empty tasks, each", count);
    print(what, best);
    free(futures);
    weft_loop_free(loop);
}

int main(int argc, char **argv)
{
    size_t tasks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    open_counter();
    measure_memory(tasks);
    measure_allocations();
    measure_steps();
    measure_cancel(1000);
    measure_cancel(32000);
    measure_cancel(1000000);
    measure_gather(100);
    measure_gather(1000);
    measure_gather(100000);
    return 0;
}
