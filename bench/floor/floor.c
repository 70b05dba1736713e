/* SPDX-License-Identifier: MIT */
/*
 * The physical limits of this machine: what calls, locks, allocations, system calls and switches of
 * context cost, and how long a word takes from one thread to another and back.
 *
 *     WORKLOAD [PREFIX]      only those whose names begin with PREFIX
 *
 * The lines are `WORKLOAD NAME ns_per_op VALUE ns`. The round trips (_rt_) are made between CPU 0
 * and CPU 1 (_2core), on one CPU (_1core), or where the kernel likes (_unpinned).
 */
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "round_trip.h"

static const char *workload, *prefix;

static int is_wanted(const char *name)
{
    return !prefix || strncmp(name, prefix, strlen(prefix)) == 0;
}

static void print(const char *name, uint64_t start, long count)
{
    emit(workload, name, "ns_per_op", (double)(now_ns() - start) / (double)count, "ns");
}

/* ---- Calls ---- */

static atomic_long counter;
static int word, epoll, event_fd;
static long sink;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void __attribute__((noinline)) called(void *arg)
{
    sink += (long)arg;
}

static void (*volatile function)(void *) = called;

static void call_many(long count)
{
    for (long i = 0; i < count; i++)
        function((void *)i);
}

static void add_many(long count)
{
    for (long i = 0; i < count; i++)
        atomic_fetch_add(&counter, 1);
}

static void lock_many(long count)
{
    for (long i = 0; i < count; i++) {
        pthread_mutex_lock(&mu);
        pthread_mutex_unlock(&mu);
    }
}

static void signal_many(long count)
{
    for (long i = 0; i < count; i++)
        pthread_cond_signal(&cond);
}

static void read_clock_many(long count)
{
    for (long i = 0; i < count; i++)
        sink += (long)now_ns();
}

static void allocate_many(long count)
{
    for (long i = 0; i < count; i++) {
        void *volatile memory = malloc(64);
        free(memory);
    }
}

static void enter_kernel_many(long count)
{
    for (long i = 0; i < count; i++)
        syscall(SYS_getppid);
}

static void yield_many(long count)
{
    for (long i = 0; i < count; i++)
        sched_yield();
}

static void poll_many(long count)
{
    struct epoll_event event;
    for (long i = 0; i < count; i++)
        epoll_wait(epoll, &event, 1, 0);
}

static void wake_nobody_many(long count)
{
    for (long i = 0; i < count; i++)
        syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void write_and_read_many(long count)
{
    for (long i = 0; i < count; i++) {
        write_word(event_fd);
        read_word(event_fd);
    }
}

static void write_poll_and_read_many(long count)
{
    struct epoll_event event;
    for (long i = 0; i < count; i++) {
        write_word(event_fd);
        epoll_wait(epoll, &event, 1, 0);
        read_word(event_fd);
    }
}

static void *return_at_once(void *arg)
{
    return arg;
}

static void start_threads_many(long count)
{
    for (long i = 0; i < count; i++)
        pthread_join(start_thread(return_at_once, NULL), NULL);
}

static const struct call {
    const char *name;
    long count;
    void (*run)(long count);
} calls[] = {
    {"indirect_call", 200000000, call_many},
    {"atomic_fetch_add", 50000000, add_many},
    {"mutex_pair", 30000000, lock_many},
    {"cond_signal_nowaiter", 30000000, signal_many},
    {"clock_gettime", 20000000, read_clock_many},
    {"malloc_free_64", 50000000, allocate_many},
    {"syscall_getppid", 5000000, enter_kernel_many},
    {"sched_yield", 2000000, yield_many},
    {"epoll_wait_0_idle", 2000000, poll_many},
    {"futex_wake_nowaiter", 3000000, wake_nobody_many},
    {"eventfd_write_read", 2000000, write_and_read_many},
    {"eventfd_write_epoll_read", 2000000, write_poll_and_read_many},
    {"thread_create_join", 20000, start_threads_many},
};

static void measure_calls(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    epoll = epoll_create1(0);
    event_fd = eventfd(0, EFD_NONBLOCK);
    epoll_ctl(epoll, EPOLL_CTL_ADD, event_fd, &event);
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        if (!is_wanted(calls[i].name))
            continue;
        calls[i].run(calls[i].count / 10);
        uint64_t start = now_ns();
        calls[i].run(calls[i].count);
        print(calls[i].name, start, calls[i].count);
    }
}

/* ---- Contexts ---- */

static ucontext_t main_context, other_context;

static void switch_back(void)
{
    for (;;)
        swapcontext(&other_context, &main_context);
}

static void measure_swapcontext(void)
{
    static char stack[65536];
    const long count = 1000000;
    if (!is_wanted("swapcontext_switch"))
        return;
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = stack;
    other_context.uc_stack.ss_size = sizeof(stack);
    makecontext(&other_context, switch_back, 0);
    uint64_t start = now_ns();
    for (long i = 0; i < count; i++)
        swapcontext(&main_context, &other_context);
    print("swapcontext_switch", start, 2 * count);
}

/* ---- Memory that is allocated by one thread and freed by another ---- */

enum { BLOCKS = 5000000 };

static _Atomic(void *) handed[1024];

static void *free_blocks(void *arg)
{
    for (long i = 0; i < BLOCKS; i++) {
        void *block;
        while (!(block = atomic_exchange(&handed[i % 1024], NULL)))
            cpu_relax();
        free(block);
    }
    return arg;
}

static void measure_handed_memory(void)
{
    if (!is_wanted("malloc_here_free_there"))
        return;
    pthread_t thread = start_thread(free_blocks, NULL);
    uint64_t start = now_ns();
    for (long i = 0; i < BLOCKS; i++) {
        void *block = malloc(64), *expected = NULL;
        while (!atomic_compare_exchange_weak(&handed[i % 1024], &expected, block))
            expected = NULL;
    }
    pthread_join(thread, NULL);
    print("malloc_here_free_there", start, BLOCKS);
}

/* ---- Posts: two threads push bare nodes, a third one takes all that there are ---- */

enum { POSTS = 2000000 };

struct node {
    struct node *next;
    long value;
};

static _Alignas(64) _Atomic(struct node *) pushed;
static _Alignas(64) struct node nodes[POSTS];

static void *push_half(void *first)
{
    struct node *begin = first;
    for (struct node *node = begin; node < begin + POSTS / 2; node++) {
        node->next = atomic_load_explicit(&pushed, memory_order_relaxed);
        while (!atomic_compare_exchange_weak(&pushed, &node->next, node))
            ;
    }
    return NULL;
}

static void measure_posts(void)
{
    if (!is_wanted("push_from_2_threads"))
        return;
    for (long i = 0; i < POSTS; i++)
        nodes[i].value = 1; /* the kernel gives the memory before */
    uint64_t start = now_ns();
    pthread_t threads[] = {start_thread(push_half, nodes),
                           start_thread(push_half, nodes + POSTS / 2)};
    for (long taken = 0; taken < POSTS;) {
        struct node *node = atomic_load(&pushed) ? atomic_exchange(&pushed, NULL) : NULL;
        if (!node)
            sched_yield();
        for (; node; node = node->next)
            taken += node->value;
    }
    print("push_from_2_threads", start, POSTS);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

/* ---- Round trips ---- */

static void measure_round_trips(void)
{
    for (size_t i = 0; i < sizeof(round_trips) / sizeof(*round_trips); i++) {
        const struct round_trip *trip = &round_trips[i];
        if (is_wanted(trip->name))
            emit(workload, trip->name, "ns_per_op", round_trip_ns(trip), "ns");
    }
}

int main(int argc, char **argv)
{
    workload = argc > 1 ? argv[1] : "floor";
    prefix = argc > 2 ? argv[2] : NULL;
    measure_calls();
    measure_swapcontext();
    measure_handed_memory();
    measure_posts();
    measure_round_trips();
    return 0;
}
