/* SPDX-License-Identifier: MIT */
/*
 * Parts of a loop to which other threads send without the mailbox. Here it is a ring that holds a
 * number only: how many have come.
 */
#include "core/loop.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(part, .init = weft_test_loop_begin_real, .timeout = 60);

struct ring {
    struct weft__part part;
    weft__item item;
    atomic_uint sent; /* [atomic] seq_cst, pairs with the loop's sleep */
    unsigned seen;    /* what the queued item is for */
    unsigned flushes;
    atomic_uint taken;                  /* [atomic] relaxed; whoever sent may wait for it */
    unsigned expected;                  /* stop the loop when so many were taken */
    void (*look)(struct ring *ring);    /* called within has_mail() */
    void (*collect)(struct ring *ring); /* called behind the look of collect() */
};

static struct ring *ring_of(struct weft__part *part)
{
    return WEFT__CONTAINER(part, struct ring, part);
}

static void take_all(weft__item *item)
{
    struct ring *ring = WEFT__CONTAINER(item, struct ring, item);
    item->run = NULL;
    weft_test_mark("r");
    atomic_store_explicit(&ring->taken, ring->seen, memory_order_relaxed);
    if (ring->expected && ring->seen >= ring->expected)
        weft_loop_stop(test_loop);
}

static bool has_mail(struct weft__part *part)
{
    struct ring *ring = ring_of(part);
    if (ring->look)
        ring->look(ring);
    return atomic_load(&ring->sent) != ring->seen;
}

static void collect(struct weft__part *part, weft__ready *into)
{
    struct ring *ring = ring_of(part);
    unsigned sent = atomic_load(&ring->sent);
    if (sent != ring->seen && !ring->item.run) {
        ring->item.run = take_all;
        weft__ready_push(into, &ring->item);
    }
    ring->seen = sent;
    if (ring->collect)
        ring->collect(ring);
}

static void flush(struct weft__part *part)
{
    ring_of(part)->flushes++;
}

static void settle(struct weft__part *part)
{
    (void)part;
}

static const struct weft__part_ops ops = {
    .name = "ring",
    .settle = settle,
    .has_mail = has_mail,
    .collect = collect,
    .flush = flush,
    .free = settle,
};

static const struct weft__part_ops without_mail = {
    .name = "none", .settle = settle, .free = settle};

static void add(struct ring *ring)
{
    *ring = (struct ring){.part.ops = &ops};
    weft__loop_add_part(test_loop, &ring->part);
}

static void send_one(struct ring *ring)
{
    atomic_fetch_add(&ring->sent, 1);
    weft__mailbox_nudge(test_loop->mailbox);
}

static void mark_and_stop(void *arg)
{
    weft_test_mark(arg);
    weft_loop_stop(test_loop);
}

/* ---- What one thread sees ---- */

Test(part, is_found_by_its_ops)
{
    struct weft__part other = {.ops = &without_mail};
    struct ring ring;
    cr_assert_null(weft__loop_part(test_loop, &ops));
    weft__loop_add_part(test_loop, &other);
    add(&ring);
    cr_assert_eq(weft__loop_part(test_loop, &ops), &ring.part);
    cr_assert_eq(weft__loop_part(test_loop, &without_mail), &other);
    weft_test_loop_end();
}

Test(part, is_run_for_what_has_come_before_the_loop_runs)
{
    struct ring ring;
    add(&ring);
    ring.expected = 1;
    send_one(&ring);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(ring.taken, 1);
    weft_test_loop_end();
}

/* Published when the loop is about to poll, by a thread that has looked at the state of sleep before:
 * it writes no byte. */
static void send_without_a_nudge(struct ring *ring)
{
    ring->look = NULL;
    atomic_fetch_add(&ring->sent, 1);
}

Test(part, does_not_let_the_loop_sleep_on_what_has_come)
{
    struct ring first, second;
    add(&first);
    add(&second);
    first.expected = 1;
    first.look = send_without_a_nudge;
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(first.taken, 1);
    cr_assert_eq(second.taken, 0);
    weft_test_loop_end();
}

static void post_before(struct ring *ring)
{
    ring->collect = NULL;
    cr_assert_eq(weft_post(test_loop, weft_test_mark_call, (void *)"p"), 0);
}

/* The post comes between the look at the part and that at the mailbox: a thread may have made both. */
Test(part, is_run_behind_what_was_posted_before)
{
    struct ring ring;
    add(&ring);
    ring.expected = 1;
    ring.collect = post_before;
    send_one(&ring);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_str_eq(test_trace, "pr");
    weft_test_loop_end();
}

Test(part, is_flushed_at_the_end_of_each_tick)
{
    struct ring ring;
    add(&ring);
    for (unsigned i = 1; i <= 3; i++) {
        uint64_t ticks = test_loop->ticks;
        weft_unref(weft_call_soon(mark_and_stop, (void *)"c"));
        cr_assert_eq(weft_loop_run(test_loop), 0);
        cr_assert_eq(test_loop->ticks, ticks + 1);
        cr_assert_eq(ring.flushes, i);
    }
    weft_test_loop_end();
}

static pid_t child;

static void fork_off(void *arg)
{
    struct ring *ring = arg;
    child = fork();
    ring->flushes = 0;
    if (child > 0)
        weft_loop_stop(test_loop);
}

Test(part, is_not_flushed_in_a_child_that_was_forked_off_in_the_tick)
{
    struct ring ring;
    add(&ring);
    weft_unref(weft_call_soon(fork_off, &ring));
    int status = weft_loop_run(test_loop);
    if (child == 0) {
        CHILD_EXPECT(status == WEFT_EFORK);
        CHILD_EXPECT(ring.flushes == 0);
        weft_test_child_exit(0);
    }
    weft_test_reap(child);
    cr_assert_eq(status, 0);
    cr_assert_eq(ring.flushes, 1);
    weft_test_loop_end();
}

static void send_in_child(void *arg)
{
    struct ring *ring = arg;
    ring->expected = 1;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_loop_run(test_loop) == 0);
    CHILD_EXPECT(ring->taken == 1);
}

Test(part, keeps_in_a_child_what_has_come_before_the_fork)
{
    struct ring ring;
    add(&ring);
    send_one(&ring);
    weft_test_in_child(send_in_child, &ring);
    weft_test_loop_end();
}

Test(part, may_send_to_a_loop_on_a_hosts_base)
{
    struct ring ring;
    weft_loop_free(test_loop);
    struct event_base *base = event_base_new();
    test_loop = weft_loop_attach(base);
    add(&ring);
    ring.expected = 1;
    send_one(&ring); /* while the host has the thread */
    cr_assert_eq(weft_loop_run(test_loop), 0);
    ring.expected = 2;
    ring.look = send_without_a_nudge;
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)"c"));
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(ring.taken, 2);
    weft_loop_free(test_loop);
    event_base_free(base);
    test_loop = NULL;
    weft_test_loop_end();
}

/* ---- Threads ---- */

enum { SENT = 30000, SENDERS = 2 };

static void *send_and_wait(void *arg)
{
    struct ring *ring = arg;
    for (unsigned i = 1; i <= SENT; i++) {
        send_one(ring);
        for (unsigned turns = 0; atomic_load_explicit(&ring->taken, memory_order_relaxed) < i;)
            if (++turns % 256 == 0)
                sched_yield();
    }
    return NULL;
}

static void count_down(weft__item *item)
{
    struct ring *ring = WEFT__CONTAINER(item, struct ring, item);
    static unsigned ended;
    item->run = NULL;
    atomic_store_explicit(&ring->taken, ring->seen, memory_order_relaxed);
    if (ring->seen == SENT && ++ended == SENDERS)
        weft_loop_stop(test_loop);
}

static void collect_quietly(struct ring *ring)
{
    if (ring->item.run)
        ring->item.run = count_down;
}

/* Each waits until it was taken: one lost wakeup, and both wait for ever. */
Test(part, loses_no_wakeup_when_threads_wait_for_the_loop)
{
    struct ring rings[SENDERS];
    pthread_t threads[SENDERS];
    for (unsigned i = 0; i < SENDERS; i++) {
        add(&rings[i]);
        rings[i].collect = collect_quietly;
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_create(&threads[i], NULL, send_and_wait, &rings[i]);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    weft_test_loop_end();
}
