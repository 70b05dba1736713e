/* SPDX-License-Identifier: MIT */
/*
 * The threads of a pool: who is started, who is woken, who leaves. What a thread does in its own time
 * (getting idle, leaving) is waited for by looking again, yielding in between.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "pool/pool.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(worker, .init = weft_test_loop_begin_real, .timeout = 60);

/* ---- Threads ---- */

Test(worker, starts_no_thread_before_the_first_job)
{
    int threads = weft_test_thread_count();
    weft_pool *pool = use_pool(&(struct weft_pool_options){.min_threads = 2, .max_threads = 4});
    cr_assert_eq(weft_test_thread_count(), threads);
    cr_assert_eq(stats_of(pool).threads, 0);
    weft_test_loop_end();
}

Test(worker, starts_no_more_threads_than_jobs_need)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 4});
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
        wait_for_idle(pool, stats_of(pool).threads);
    }
    cr_assert_eq(stats_of(pool).threads, 1);
    weft_test_loop_end();
}

Test(worker, runs_as_many_jobs_at_once_as_it_has_threads_and_no_more)
{
    enum { THREADS = 5, JOBS = 8 };
    struct gate gate;
    weft_future *jobs[JOBS];
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = THREADS});
    for (int i = 0; i < JOBS; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(&gate);
    struct weft_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.threads, THREADS);
    cr_assert_eq(stats.running, THREADS);
    cr_assert_eq(stats.queued, JOBS - THREADS);
    for (int i = 0; i < JOBS; i++)
        gate_open(&gate);
    for (int i = 0; i < JOBS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_test_loop_end();
}

Test(worker, wakes_idle_threads_for_a_burst_until_all_run)
{
    enum { THREADS = 4 };
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = THREADS});
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < THREADS; i++)
            jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
        for (int i = 0; i < THREADS; i++)
            gate_wait_entered(&gate);
        for (int i = 0; i < THREADS; i++)
            gate_open(&gate);
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(weft_test_run(jobs[i]), 0);
        if (round % 2)
            wait_for_idle(pool, THREADS);
    }
    weft_test_loop_end();
}

/* [worker] of a pool with one thread. */
static int order[10], order_count;

static weft_result note_order(void *arg)
{
    order[order_count++] = *(int *)arg;
    return weft_ok(0);
}

Test(worker, runs_jobs_in_the_order_in_which_they_came)
{
    int numbers[10];
    weft_future *jobs[10];
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    for (int i = 0; i < 10; i++) {
        numbers[i] = i;
        jobs[i] = weft_to_thread_fn(NULL, note_order, &numbers[i]);
    }
    for (int i = 0; i < 10; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    cr_assert_arr_eq(order, numbers, sizeof(numbers));
    weft_test_loop_end();
}

Test(worker, lets_idle_threads_leave_but_for_the_minimum)
{
    enum { THREADS = 4, KEPT = 2 };
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    weft_pool *pool = use_pool(
        &(struct weft_pool_options){.min_threads = KEPT, .max_threads = THREADS, .keepalive = 1});
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < THREADS; i++)
            jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
        for (int i = 0; i < THREADS; i++)
            gate_wait_entered(&gate);
        for (int i = 0; i < THREADS; i++)
            gate_open(&gate);
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(weft_test_run(jobs[i]), 0);
        wait_for_threads(pool, KEPT);
    }
    wait_for_idle(pool, KEPT);
    weft_test_loop_end();
}

static weft_ns cpu_time_of(pthread_t thread)
{
    clockid_t clock;
    struct timespec used;
    cr_assert_eq(pthread_getcpuclockid(thread, &clock), 0);
    clock_gettime(clock, &used);
    return WEFT_S(used.tv_sec) + used.tv_nsec;
}

/* Though its keepalive is long over: while this one uses much. */
Test(worker, a_thread_that_stays_idle_uses_no_cpu)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool =
        use_pool(&(struct weft_pool_options){.min_threads = 1, .max_threads = 1, .keepalive = 1});
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    wait_for_idle(pool, 1);
    pthread_t thread = atomic_load(&gate.thread);
    weft_ns before = cpu_time_of(thread), began = cpu_time_of(pthread_self());
    while (cpu_time_of(pthread_self()) - began < WEFT_MS(100))
        ;
    cr_assert_lt(cpu_time_of(thread) - before, WEFT_MS(20));
    weft_test_loop_end();
}

Test(worker, wakes_the_thread_that_got_idle_last)
{
    struct gate first, second, third;
    gate_init(&first);
    gate_init(&second);
    gate_init(&third);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *one = weft_to_thread_fn(NULL, gate_pass, &first);
    weft_future *two = weft_to_thread_fn(NULL, gate_pass, &second);
    gate_wait_entered(&first);
    gate_wait_entered(&second);
    gate_open(&second);
    cr_assert_eq(weft_test_run(two), 0);
    wait_for_idle(pool, 1);
    gate_open(&first);
    cr_assert_eq(weft_test_run(one), 0);
    wait_for_idle(pool, 2);
    gate_open(&third);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, gate_pass, &third)), 0);
    cr_assert(pthread_equal(atomic_load(&third.thread), atomic_load(&first.thread)));
    weft_test_loop_end();
}

struct looks {
    sigset_t blocked;
    char name[16];
    size_t stack;
};

static weft_result look_around(void *arg)
{
    struct looks *looks = arg;
    pthread_attr_t attributes;
    pthread_sigmask(SIG_SETMASK, NULL, &looks->blocked);
    pthread_getname_np(pthread_self(), looks->name, sizeof(looks->name));
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &looks->stack);
    pthread_attr_destroy(&attributes);
    return weft_ok(0);
}

Test(worker, blocks_signals_in_its_threads_and_leaves_the_loops_alone)
{
    static const int blocked[] = {SIGINT,  SIGTERM, SIGHUP,  SIGCHLD, SIGPIPE,
                                  SIGALRM, SIGUSR1, SIGUSR2, SIGWINCH};
    sigset_t mask, after;
    struct looks looks;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, look_around, &looks)), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
        cr_assert(sigismember(&looks.blocked, blocked[i]), "signal %d", blocked[i]);
    cr_assert_not(sigismember(&looks.blocked, SIGSEGV));
    for (int signal = 1; signal < SIGRTMAX; signal++)
        cr_assert_eq(sigismember(&mask, signal), sigismember(&after, signal));
    weft_test_loop_end();
}

Test(worker, gives_its_threads_the_name_and_the_stack_it_was_told)
{
    struct looks looks;
    use_pool(&(struct weft_pool_options){
        .max_threads = 1, .thread_name = "a-very-long-name", .stack_size = 3 << 20});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, look_around, &looks)), 0);
    cr_assert_str_eq(looks.name, "a-very-lo-0");
    cr_assert_geq(looks.stack, 3 << 20);
    weft_test_loop_end();
}

/* ---- Threads that cannot be started ---- */

static atomic_int starts_to_fail, starts_failed;

static int failing_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg)
{
    if (atomic_load(&starts_to_fail) == 0)
        return pthread_create(thread, attributes, start, arg);
    atomic_fetch_sub(&starts_to_fail, 1);
    atomic_fetch_add(&starts_failed, 1);
    return EAGAIN;
}

Test(worker, fails_a_job_when_there_is_no_thread_and_none_can_be_started)
{
    weft__sys.pthread_create = failing_create;
    atomic_store(&starts_to_fail, 1);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), -EAGAIN);
    cr_assert_eq(stats_of(pool).threads, 0);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

Test(worker, keeps_a_job_for_the_threads_there_are_when_no_other_can_be_started)
{
    struct gate gate;
    gate_init(&gate);
    weft__sys.pthread_create = failing_create;
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    atomic_store(&starts_to_fail, 1);
    weft_future *waiting = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(atomic_load(&starts_failed), 1);
    cr_assert_eq(stats_of(pool).queued, 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(waiting), 0);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

Test(worker, tries_to_start_a_thread_again_with_the_next_job)
{
    struct gate gate;
    gate_init(&gate);
    weft__sys.pthread_create = failing_create;
    use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    atomic_store(&starts_to_fail, 1);
    weft_future *first = weft_to_thread_fn(NULL, return_nothing, NULL);
    weft_future *second = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

Test(worker, a_start_that_fails_takes_no_place_away)
{
    enum { TIMES = 100 };
    weft__sys.pthread_create = failing_create;
    atomic_store(&starts_to_fail, TIMES);
    use_pool(&(struct weft_pool_options){.max_threads = 2});
    for (int i = 0; i < TIMES; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), -EAGAIN);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

/* What goes on while a thread is being started that cannot be. */
static struct {
    weft_pool *pool;
    struct gate gate;
    weft_future *late;
} meanwhile;

/* The thread there is runs all that is queued and gets idle; then a job comes. */
static int fail_when_others_are_idle(pthread_t *thread, const pthread_attr_t *attributes,
                                     void *(*start)(void *), void *arg)
{
    if (stats_of(meanwhile.pool).threads == 1)
        return pthread_create(thread, attributes, start, arg);
    gate_open(&meanwhile.gate);
    wait_for_idle(meanwhile.pool, 1);
    meanwhile.late = weft_to_thread_fn(NULL, return_nothing, NULL);
    return EAGAIN;
}

Test(worker, wakes_an_idle_thread_when_the_one_that_was_to_come_cannot_be_started)
{
    gate_init(&meanwhile.gate);
    weft__sys.pthread_create = fail_when_others_are_idle;
    meanwhile.pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &meanwhile.gate);
    gate_wait_entered(&meanwhile.gate);
    weft_future *second = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    cr_assert_eq(weft_test_run(meanwhile.late), 0);
    weft_test_loop_end();
}

Test(worker, a_start_that_fails_leaves_its_jobs_to_the_others_whichever_it_is)
{
    enum { THREADS = 4 };
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    for (unsigned n = 1; n <= THREADS; n++) {
        weft_pool *pool =
            use_pool(&(struct weft_pool_options){.min_threads = THREADS, .max_threads = THREADS});
        cr_assert(weft__sys_fail("pthread_create", n, EAGAIN));
        for (int i = 0; i < THREADS; i++)
            jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
        for (int i = 0; i < THREADS; i++)
            gate_open(&gate);
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(weft_test_run(jobs[i]), n == 1 && i == 0 ? -EAGAIN : 0);
        if (n == 1)
            cr_assert_eq(sem_trywait(&gate.opened), 0);
        cr_assert(weft__sys_failed("pthread_create") || stats_of(pool).started < n);
        weft__sys_fail("pthread_create", 0, 0);
    }
    weft_test_loop_end();
}

/* ---- What the user's threads have ---- */

static struct {
    atomic_int begun, stopped, fail; /* so many starts fail */
    struct gate *stop_gate, *fail_gate;
    int yields;       /* of a thread that stops */
    atomic_int wrong; /* a stop that got what no start stored */
} hooks;

static int start_hook(void *arg, void **ret_state)
{
    cr_assert_eq(arg, &hooks);
    if (atomic_load(&hooks.fail) > 0) {
        atomic_fetch_sub(&hooks.fail, 1);
        if (hooks.fail_gate)
            gate_pass(hooks.fail_gate);
        return -ENOKEY;
    }
    int *number = malloc(sizeof(*number));
    *number = atomic_fetch_add(&hooks.begun, 1) + 1;
    *ret_state = number;
    return 0;
}

static void stop_hook(void *state)
{
    if (hooks.stop_gate)
        gate_pass(hooks.stop_gate);
    for (int i = 0; i < hooks.yields; i++)
        sched_yield();
    atomic_fetch_add(&hooks.wrong, !state || *(int *)state < 1 || weft_thread_state());
    free(state);
    atomic_fetch_add(&hooks.stopped, 1);
}

static weft_pool *use_hooked_pool(unsigned max_threads, weft_ns keepalive)
{
    return use_pool(&(struct weft_pool_options){.max_threads = max_threads,
                                                .max_spares = WEFT_NO_SPARES,
                                                .keepalive = keepalive,
                                                .thread_start = start_hook,
                                                .thread_stop = stop_hook,
                                                .thread_arg = &hooks});
}

static weft_result return_state(void *arg)
{
    (void)arg;
    return weft_ok(*(int *)weft_thread_state());
}

Test(worker, starts_and_stops_what_the_user_keeps_on_each_thread)
{
    enum { THREADS = 3 };
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    weft_pool *pool = use_hooked_pool(THREADS, 0);
    pool->quick_threads = THREADS;
    for (int i = 0; i < THREADS; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(&gate);
    for (int i = 0; i < THREADS; i++)
        gate_open(&gate);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    cr_assert_eq(atomic_load(&hooks.begun), THREADS);
    cr_assert_eq(atomic_load(&hooks.stopped), 0);
    cr_assert_null(weft_thread_state());
    weft_test_loop_end();
    cr_assert_eq(atomic_load(&hooks.stopped), THREADS);
    cr_assert_eq(atomic_load(&hooks.wrong), 0);
}

Test(worker, gives_a_job_the_state_of_its_thread)
{
    use_hooked_pool(1, 0);
    weft_future *job = weft_to_thread_fn(NULL, return_state, NULL);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 1);
    weft_unref(job);
    weft_test_loop_end();
}

Test(worker, a_start_hook_that_fails_is_a_thread_that_cannot_be_started)
{
    weft_pool *pool = use_hooked_pool(2, 0);
    atomic_store(&hooks.fail, 2);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), -ENOKEY);
    cr_assert_eq(stats_of(pool).threads, 0);
    cr_assert_eq(stats_of(pool).started, 0);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
    cr_assert_eq(atomic_load(&hooks.stopped), 1);
}

Test(worker, a_start_hook_that_fails_leaves_the_jobs_to_the_other_threads)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_hooked_pool(2, 0);
    pool->quick_threads = 2;
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    atomic_store(&hooks.fail, 1);
    weft_future *waiting = weft_to_thread_fn(NULL, return_nothing, NULL);
    wait_for_threads(pool, 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(waiting), 0);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

Test(worker, a_start_hook_that_fails_calls_the_thread_that_got_idle_meanwhile)
{
    struct gate gate, fails;
    gate_init(&gate);
    gate_init(&fails);
    weft_pool *pool = use_hooked_pool(2, 0);
    pool->quick_threads = 2;
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    hooks.fail_gate = &fails;
    atomic_store(&hooks.fail, 1);
    weft_future *waiting = weft_to_thread_fn(NULL, return_nothing, NULL);
    gate_wait_entered(&fails);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(waiting), 0);
    wait_for_idle(pool, 1);
    weft_future *late = weft_to_thread_fn(NULL, return_nothing, NULL);
    gate_open(&fails);
    cr_assert_eq(weft_test_run(late), 0);
    weft_test_loop_end();
}

Test(worker, the_end_waits_for_a_thread_that_stops)
{
    hooks.yields = 1000;
    weft_pool *pool = use_hooked_pool(1, 1);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    wait_for_threads(pool, 0);
    weft_test_loop_end();
    cr_assert_eq(atomic_load(&hooks.stopped), 1);
}

Test(worker, a_job_that_comes_while_the_last_thread_stops_gets_another)
{
    struct gate gate;
    gate_init(&gate);
    hooks.stop_gate = &gate;
    weft_pool *pool = use_hooked_pool(1, 1);
    pool->free->next = NULL; /* there is no other place */
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    gate_wait_entered(&gate);
    cr_assert_eq(stats_of(pool).threads, 0);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    cr_assert_eq(atomic_load(&hooks.begun), 2);
    gate_open(&gate);
    gate_open(&gate);
    weft_test_loop_end();
    cr_assert_eq(atomic_load(&hooks.stopped), 2);
}

/* The thread whose start failed has failed the job that waited for it, but has not ended. */
Test(worker, a_job_that_comes_while_a_failed_start_ends_gets_another)
{
    use_hooked_pool(1, 0);
    for (int i = 0; i < 200; i++) {
        atomic_store(&hooks.fail, 1);
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), -ENOKEY);
    }
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
}
