/* SPDX-License-Identifier: MIT */
/*
 * Spins, by looks that are counted and CPUs that are pretended. A spin "for ever" lasts until it finds
 * something; one of a nanosecond ends with its first looks.
 */
#include "core/spin.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/child.h"
#include "tests/support/loop.h"

#define FOR_EVER WEFT_S(3600)

static void begin(void)
{
    weft__spin_pretend(2);
}

TestSuite(spin, .init = begin, .timeout = 60);

static struct weft__spin spin;
static unsigned looks, found_at; /* 0: never */

static enum weft__look count_looks(void *arg, weft_ns now)
{
    (void)arg;
    (void)now;
    return ++looks == found_at ? WEFT__FOUND : WEFT__NOTHING;
}

static enum weft__spun spin_for(weft_ns time)
{
    return weft__spin(&spin, time, count_looks, NULL);
}

/* How many are left out before the next one. */
static unsigned left_out(void)
{
    unsigned count = 0, before = looks;
    while (spin_for(1) == WEFT__SPUN_NOT) {
        cr_assert_eq(looks, before);
        count++;
    }
    return count;
}

Test(spin, ends_with_what_it_is_for)
{
    found_at = 1000;
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_PAID);
    cr_assert_eq(looks, 1000);
}

static enum weft__look have_enough(void *arg, weft_ns now)
{
    (void)arg;
    (void)now;
    looks++;
    return WEFT__ENOUGH;
}

Test(spin, was_in_vain_when_something_else_needs_the_thread)
{
    cr_assert_eq(weft__spin(&spin, FOR_EVER, have_enough, NULL), WEFT__SPUN_IN_VAIN);
    cr_assert_eq(looks, 1);
    cr_assert_eq(left_out(), 1);
}

Test(spin, ends_by_itself)
{
    cr_assert_eq(spin_for(0), WEFT__SPUN_IN_VAIN);
    cr_assert_gt(looks, 0);
}

Test(spin, is_tried_ever_more_rarely_while_it_is_in_vain)
{
    static const unsigned pauses[] = {0, 1, 2, 4, 8, 16, 32, 64, 64, 64};
    for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++)
        cr_assert_eq(left_out(), pauses[i]);
}

Test(spin, is_tried_each_time_when_one_has_paid)
{
    for (int i = 0; i < 5; i++)
        left_out();
    found_at = looks + 1;
    cr_assert_eq(left_out(), 16);
    found_at = looks + 1;
    cr_assert_eq(left_out(), 0);
    cr_assert_eq(left_out(), 0);
    cr_assert_eq(left_out(), 1);
}

Test(spin, is_never_made_by_who_does_not_want_it)
{
    cr_assert_eq(spin_for(-1), WEFT__SPUN_NOT);
    cr_assert_eq(looks, 0);
}

Test(spin, is_never_made_with_one_cpu)
{
    weft__spin_pretend(1);
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_NOT);
    cr_assert_eq(looks, 0);
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_NOT);
}

Test(spin, is_never_made_by_a_thread_whose_affinity_mask_has_one_cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    weft__spin_pretend(0);
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_NOT);
    cr_assert_eq(looks, 0);
}

/* As if a second had passed since it was asked. */
Test(spin, is_not_made_any_more_when_one_cpu_is_left)
{
    found_at = 1;
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_PAID);
    weft__spin_pretend(1);
    spin.asked_at -= WEFT_S(1);
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_NOT);
    cr_assert_eq(looks, 1);
}

Test(spin, for_which_there_is_no_cpu_was_not_in_vain)
{
    cr_assert_eq(spin_for(1), WEFT__SPUN_IN_VAIN);
    cr_assert_eq(spin_for(1), WEFT__SPUN_NOT);
    weft__spin_pretend(1);
    spin.asked_at = 0;
    cr_assert_eq(spin_for(1), WEFT__SPUN_NOT);
    weft__spin_pretend(2);
    spin.asked_at = 0;
    found_at = looks + 1;
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_PAID);
}

/* When it was told the time. */
static enum weft__look look_for_place(void *arg, weft_ns now)
{
    static weft_ns first;
    if (!looks++)
        first = now;
    *(bool *)arg = *(bool *)arg || (now - first < WEFT_US(2) && weft__spin_places_taken() > 0);
    return WEFT__NOTHING;
}

Test(spin, takes_no_place_before_two_microseconds_have_passed)
{
    bool early = false;
    for (int i = 0; i < 200; i++) {
        looks = spin.pause = spin.left = 0;
        cr_assert_eq(weft__spin(&spin, WEFT_US(20), look_for_place, &early), WEFT__SPUN_IN_VAIN);
    }
    cr_assert_not(early);
}

/* ---- Threads ---- */

enum { SPINNERS = 6, CPUS = 4 };

static atomic_uint refused; /* [atomic] how many found no place */
static atomic_bool release; /* [atomic] ends those which did */

static enum weft__look look_for_release(void *arg, weft_ns now)
{
    (void)arg;
    (void)now;
    return atomic_load(&release) ? WEFT__FOUND : WEFT__NOTHING;
}

static void *spin_along(void *ret)
{
    struct weft__spin own = {0};
    enum weft__spun *spun = ret;
    *spun = weft__spin(&own, FOR_EVER, look_for_release, NULL);
    if (*spun == WEFT__SPUN_NOT)
        atomic_fetch_add(&refused, 1);
    return NULL;
}

Test(spin, is_made_by_one_thread_less_than_there_are_cpus)
{
    pthread_t threads[SPINNERS];
    enum weft__spun spun[SPINNERS];
    unsigned paid = 0;
    weft__spin_pretend(CPUS);
    for (int i = 0; i < SPINNERS; i++)
        pthread_create(&threads[i], NULL, spin_along, &spun[i]);
    while (atomic_load(&refused) < SPINNERS - (CPUS - 1))
        sched_yield();
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_NOT);
    atomic_store(&release, true);
    for (int i = 0; i < SPINNERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SPINNERS; i++)
        paid += spun[i] == WEFT__SPUN_PAID;
    cr_assert_eq(paid, CPUS - 1);

    found_at = looks + 100000; /* the places are free again */
    cr_assert_eq(spin_for(FOR_EVER), WEFT__SPUN_PAID);
}

static pthread_barrier_t together;

static enum weft__look look_in_vain(void *arg, weft_ns now)
{
    (void)arg;
    (void)now;
    return WEFT__NOTHING;
}

static void *spin_with_others(void *arg)
{
    for (int i = 0; i < 300; i++) {
        struct weft__spin own = {0};
        pthread_barrier_wait(&together);
        (void)weft__spin(&own, WEFT_US(20), look_in_vain, NULL);
    }
    return arg;
}

Test(spin, leaves_no_place_taken_when_many_come_at_once)
{
    pthread_t threads[SPINNERS];
    weft__spin_pretend(CPUS);
    pthread_barrier_init(&together, NULL, SPINNERS);
    for (int i = 0; i < SPINNERS; i++)
        pthread_create(&threads[i], NULL, spin_with_others, NULL);
    for (int i = 0; i < SPINNERS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(weft__spin_places_taken(), 0);
    pthread_barrier_destroy(&together);
}

static void spin_in_child(void *arg)
{
    (void)arg;
    found_at = looks + 100000;
    CHILD_EXPECT(spin_for(FOR_EVER) == WEFT__SPUN_PAID);
}

/* Whoever still looks a millisecond after the first time has a place. */
static enum weft__look look_until_placed(void *arg, weft_ns now)
{
    weft_ns *first = arg;
    if (!*first)
        *first = now;
    if (now - *first > WEFT_MS(1))
        weft_test_in_child(spin_in_child, NULL);
    return now - *first > WEFT_MS(1) ? WEFT__FOUND : WEFT__NOTHING;
}

/* The only place is taken when the process is forked. */
Test(spin, finds_the_places_free_in_a_child)
{
    weft_ns first = 0;
    weft_loop *loop = weft_loop_new(NULL); /* forks are noticed from the first one on */
    cr_assert_eq(weft__spin(&spin, FOR_EVER, look_until_placed, &first), WEFT__SPUN_PAID);
    weft_loop_free(loop);
}

static pid_t forked;

static enum weft__look fork_once_placed(void *arg, weft_ns now)
{
    weft_ns *first = arg;
    if (!*first)
        *first = now;
    if (now - *first <= WEFT_MS(1))
        return WEFT__NOTHING;
    forked = fork();
    return WEFT__FOUND;
}

Test(spin, that_has_forked_gives_its_place_back_once_in_each_process)
{
    weft_ns first = 0;
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft__spin(&spin, FOR_EVER, fork_once_placed, &first), WEFT__SPUN_PAID);
    if (forked == 0) {
        CHILD_EXPECT(weft__spin_places_taken() == 0);
        weft_test_child_exit(0);
    }
    weft_test_reap(forked);
    cr_assert_eq(weft__spin_places_taken(), 0);
    weft_loop_free(loop);
}

/* ---- How long ---- */

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/* Wakes that were so long ago, on no CPU of ours. */
static void wake_after(weft_ns time, int count)
{
    struct weft__spin_wake wake;
    for (int i = 0; i < count; i++) {
        wake.cpu = -1;
        wake.at = real_now() - time;
        weft__spin_woken(&wake);
    }
}

Test(spin, lasts_at_most_fifty_microseconds)
{
    cr_assert_eq(weft__spin_time(), WEFT_US(50));
    wake_after(WEFT_S(1), 8);
    cr_assert_eq(weft__spin_time(), WEFT_US(50));
}

Test(spin, lasts_at_least_five_microseconds)
{
    wake_after(-FOR_EVER, 8);
    cr_assert_eq(weft__spin_time(), WEFT_US(5));
}

Test(spin, lasts_for_two_of_the_longer_ones_of_eight_wakes)
{
    wake_after(WEFT_US(15), 2);
    wake_after(-FOR_EVER, 5);
    cr_assert_eq(weft__spin_time(), WEFT_US(50));
    wake_after(WEFT_S(1), 1);
    cr_assert_geq(weft__spin_time(), WEFT_US(30));
    weft_ns time = weft__spin_time();
    wake_after(-FOR_EVER, 8);
    cr_assert_eq(weft__spin_time(), time, "it was learnt again");
}

static void *learn(void *arg)
{
    wake_after(-FOR_EVER, 8);
    return arg;
}

Test(spin, is_learnt_by_several_threads)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, learn, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    wake_after(-FOR_EVER, 8); /* what was under way in two of them is learnt by one */
    cr_assert_eq(weft__spin_time(), WEFT_US(5));
}

Test(spin, learns_nothing_from_a_wake_on_the_same_cpu)
{
    struct weft__spin_wake wake = {.cpu = -1};
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    for (int i = 0; i < 8; i++) {
        weft__spin_wakes(&wake);
        cr_assert_gt(wake.at, 0);
        wake.at += FOR_EVER;
        weft__spin_woken(&wake);
        cr_assert_eq(wake.at, 0);
    }
    cr_assert_eq(weft__spin_time(), WEFT_US(50));
    wake_after(-FOR_EVER, 8);
    weft__spin_wakes(&wake);
    cr_assert_eq(wake.at, 0, "noted, though it is known");
}

static bool is_known(void)
{
    struct weft__spin_wake wake = {0};
    weft__spin_wakes(&wake);
    return !wake.at;
}

/* What is not noted, or was looked at already, says nothing. */
Test(spin, learns_from_each_wake_once)
{
    struct weft__spin_wake wake = {.cpu = -1};
    for (int i = 0; i < 8; i++)
        weft__spin_woken(&wake);
    cr_assert_not(is_known());
    wake.at = real_now();
    for (int i = 0; i < 8; i++)
        weft__spin_woken(&wake);
    cr_assert_not(is_known());
}

static void stay_on(size_t cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* Another CPU than `cpu`; the same if there is no other. */
static size_t another_cpu(size_t cpu)
{
    cpu_set_t all;
    cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
    for (size_t other = 0; other < CPU_SETSIZE; other++)
        if (other != cpu && CPU_ISSET(other, &all))
            return other;
    return cpu;
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void stop(void *loop)
{
    weft_loop_stop(loop);
}

static size_t cpu_elsewhere;

/* Now and then the loop sleeps. */
static void *post_until_it_is_known(void *loop)
{
    stay_on(cpu_elsewhere);
    while (!is_known()) {
        cr_assert_eq(weft_post(loop, do_nothing, NULL), 0);
        for (int i = 0; i < 100; i++)
            sched_yield();
    }
    cr_assert_eq(weft_post(loop, stop, loop), 0);
    return NULL;
}

/* With one CPU there is none between two. */
Test(spin, is_learnt_from_the_wakes_of_a_loop)
{
    pthread_t thread;
    size_t cpu = (size_t)sched_getcpu();
    cpu_elsewhere = another_cpu(cpu);
    if (cpu_elsewhere == cpu)
        return;
    stay_on(cpu);
    cr_assert_not(is_known());
    weft_loop *loop = weft_loop_new(NULL);
    pthread_create(&thread, NULL, post_until_it_is_known, loop);
    cr_assert_eq(weft_loop_run(loop), 0);
    pthread_join(thread, NULL);
    cr_assert(is_known());
    weft_loop_free(loop);
}
