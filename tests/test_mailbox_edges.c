/* SPDX-License-Identifier: MIT */
/*
 * The mailbox of a loop that is told of wakeups by edges: the test plays the loop, with an epoll
 * instance of its own. A lost wakeup shows as a time-out.
 */
#include "core/loop.h"
#include "core/sys.h"
#include "tests/support/fixture.h"
#include "tests/support/loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weft/weft.h>

static weft__mailbox *box;
static int epoll;

static void set_up(void)
{
    if (!weft__mailbox_can_use_edges())
        cr_skip_test("this kernel does not report each write");
    box = weft__mailbox_new();
    weft__mailbox_use_edges(box, true);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, weft__mailbox_fd(box), &event), 0);
}

static void tear_down(void)
{
    weft__mailbox_unref(box);
    close(epoll);
}

TestSuite(mailbox_edges, .init = set_up, .fini = tear_down, .timeout = 120);

/* Wait for a report; `timeout` as epoll_wait(). */
static bool is_told(int timeout)
{
    struct epoll_event event;
    return epoll_wait(epoll, &event, 1, timeout) == 1;
}

static unsigned take_count(void)
{
    unsigned count = 0;
    weft__item *last;
    for (weft__item *item = weft__mailbox_take(box, &last); item; item = item->next)
        count++;
    return count;
}

static unsigned reads, writes;

static ssize_t counted_read(int fd, void *bytes, size_t size)
{
    reads++;
    return read(fd, bytes, size);
}

static ssize_t counted_write(int fd, const void *bytes, size_t size)
{
    writes++;
    return write(fd, bytes, size);
}

/* One sleep that one put ends. */
static void sleep_and_put(void)
{
    weft__item item;
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &item));
    cr_assert(is_told(0));
    weft__mailbox_woken(box);
    weft__mailbox_awake(box);
    cr_assert_eq(take_count(), 1);
}

/* ---- What one thread sees ---- */

Test(mailbox_edges, are_told_without_reading)
{
    weft__sys.read = counted_read;
    weft__sys.write = counted_write;
    for (int i = 1; i < 1000; i++)
        sleep_and_put();
    cr_assert_eq(writes, 999);
    cr_assert_eq(reads, 0);
    cr_assert_not(is_told(0));
}

Test(mailbox_edges, are_read_all_at_once_now_and_then)
{
    weft__sys.read = counted_read;
    for (int i = 0; i < 70000; i++)
        sleep_and_put();
    cr_assert_eq(reads, 70);
}

Test(mailbox_edges, come_once_for_a_batch)
{
    weft__item items[3];
    cr_assert(weft__mailbox_may_sleep(box));
    for (int i = 0; i < 3; i++)
        cr_assert(weft__mailbox_put(box, &items[i]));
    cr_assert(is_told(0));
    cr_assert_not(is_told(0));
    weft__mailbox_woken(box);
    cr_assert_eq(take_count(), 3);
}

Test(mailbox_edges, come_for_a_byte_that_was_written_when_the_poll_had_ended)
{
    weft__item items[2];
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &items[0]));
    weft__mailbox_awake(box); /* something else ended the poll */
    cr_assert_eq(take_count(), 1);
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &items[1]));
    cr_assert(is_told(0));
    weft__mailbox_woken(box);
    cr_assert_eq(take_count(), 1);
}

/* Told too early: of a byte that is about to be written. The loop runs and sleeps again meanwhile. */
static ssize_t late_write(int fd, const void *bytes, size_t size)
{
    weft__sys.write = write;
    weft__mailbox_woken(box);
    cr_assert_eq(take_count(), 1);
    cr_assert(weft__mailbox_may_sleep(box));
    return write(fd, bytes, size);
}

Test(mailbox_edges, may_come_late)
{
    weft__item items[2];
    cr_assert(weft__mailbox_may_sleep(box));
    weft__sys.write = late_write;
    cr_assert(weft__mailbox_put(box, &items[0]));
    cr_assert(is_told(0)); /* in vain, while another put is under way */
    cr_assert(weft__mailbox_put(box, &items[1]));
    weft__mailbox_woken(box);
    weft__mailbox_awake(box);
    cr_assert_eq(take_count(), 1);
    if (weft__mailbox_may_sleep(box) && is_told(0)) {
        weft__mailbox_woken(box);
        cr_assert(weft__mailbox_may_sleep(box));
    }
    weft__mailbox_awake(box);
    sleep_and_put();
}

/* Fills the pipe, or the counter, first. */
static ssize_t write_to_what_is_full(int fd, const void *bytes, size_t size)
{
    const uint64_t most = UINT64_MAX - 1;
    weft__sys.write = write;
    while (write(fd, &most, sizeof(most)) > 0)
        ;
    while (write(fd, bytes, size) > 0)
        ;
    cr_assert_eq(errno, EAGAIN);
    cr_assert(is_told(0));
    return write(fd, bytes, size);
}

Test(mailbox_edges, come_though_the_pipe_was_full)
{
    weft__item item;
    cr_assert(weft__mailbox_may_sleep(box));
    weft__sys.write = write_to_what_is_full;
    cr_assert(weft__mailbox_put(box, &item));
    cr_assert(is_told(0));
    weft__mailbox_woken(box);
    cr_assert_eq(take_count(), 1);
    sleep_and_put();
}

/* ---- Threads ---- */

struct putter {
    pthread_t thread;
    atomic_uint taken; /* [atomic] relaxed: it orders nothing */
    unsigned count;
};

struct entry {
    weft__item item;
    struct putter *putter;
};

/* Spins, so that both sides are at it at the same time. */
static void *put_and_wait(void *arg)
{
    struct putter *putter = arg;
    struct entry *entries = calloc(putter->count, sizeof(*entries));
    for (unsigned i = 1; i <= putter->count; i++) {
        entries[i - 1].putter = putter;
        cr_assert(weft__mailbox_put(box, &entries[i - 1].item));
        for (unsigned turns = 0; atomic_load_explicit(&putter->taken, memory_order_relaxed) < i;)
            if (++turns % 256 == 0)
                sched_yield();
    }
    free(entries);
    return NULL;
}

static unsigned serve_once(void)
{
    unsigned count = 0;
    weft__item *last, *next;
    if (is_told(weft__mailbox_may_sleep(box) ? -1 : 0))
        weft__mailbox_woken(box);
    weft__mailbox_awake(box);
    for (weft__item *item = weft__mailbox_take(box, &last); item; item = next, count++) {
        struct entry *entry = WEFT__CONTAINER(item, struct entry, item);
        next = item->next;
        atomic_fetch_add_explicit(&entry->putter->taken, 1, memory_order_relaxed);
    }
    return count;
}

static void serve(unsigned threads, unsigned count)
{
    struct putter putters[3] = {{0}};
    for (unsigned i = 0; i < threads; i++) {
        putters[i].count = count;
        pthread_create(&putters[i].thread, NULL, put_and_wait, &putters[i]);
    }
    for (unsigned total = 0; total < threads * count;)
        total += serve_once();
    for (unsigned i = 0; i < threads; i++)
        pthread_join(putters[i].thread, NULL);
}

/* One lost wakeup, and all wait for ever. */
Test(mailbox_edges, are_never_lost_when_threads_wait_for_the_loop)
{
    serve(1, 60000);
    serve(2, 20000);
    serve(3, 10000);
}

/* ---- Loops ---- */

TestSuite(loop_edges, .init = weft_test_loop_begin_real, .timeout = 60);

static void stop(void *arg)
{
    (void)arg;
    weft_loop_stop(test_loop);
}

/* Posts when the loop is about to poll: it has said that it sleeps. */
static bool post_then_none(struct weft__part *part)
{
    (void)part;
    cr_assert_eq(weft_post(test_loop, stop, NULL), 0);
    return false;
}

static void nothing(struct weft__part *part)
{
    (void)part;
}

static void collect_nothing(struct weft__part *part, weft__ready *into)
{
    (void)part;
    (void)into;
}

static const struct weft__part_ops poster = {
    .name = "poster",
    .settle = nothing,
    .has_mail = post_then_none,
    .collect = collect_nothing,
    .flush = nothing,
    .free = nothing,
};

/* How many reads so many wakeups take. */
static unsigned reads_for_wakeups(int count)
{
    struct weft__part part = {.ops = &poster};
    weft__loop_add_part(test_loop, &part);
    weft_unref(weft_call_soon(stop, NULL)); /* a host's base needs a tick to begin with */
    cr_assert_eq(weft_loop_run(test_loop), 0);
    weft__sys.read = counted_read;
    writes = reads = 0;
    weft__sys.write = counted_write;
    for (int i = 0; i < count; i++)
        cr_assert_eq(weft_loop_run(test_loop), 0);
    weft__sys.read = read;
    weft__sys.write = write;
    cr_assert_geq(writes, (unsigned)count);
    test_loop->mail_parts = test_loop->parts = NULL;
    return reads;
}

Test(loop_edges, save_a_read_for_each_wakeup)
{
    if (!weft__mailbox_can_use_edges())
        cr_skip_test("this kernel does not report each write");
    cr_assert_eq(reads_for_wakeups(500), 0);
    weft_test_loop_end();
}

Test(loop_edges, are_not_for_a_base_without_them)
{
    struct event_config *config = event_config_new();
    event_config_avoid_method(config, "epoll");
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    weft_loop_free(test_loop);
    test_loop = weft_loop_attach(base);
    cr_assert_geq(reads_for_wakeups(500), 499);
    weft_loop_free(test_loop);
    event_base_free(base);
    test_loop = NULL;
    weft_test_loop_end();
}

Test(loop_edges, need_not_be_known_when_there_are_no_descriptors)
{
    weft__sys_fail("pipe2", 1, EMFILE);
    weft__sys_fail("eventfd", 1, EMFILE);
    weft__mailbox_can_use_edges(); /* it may be known already; else it is tried again */
    weft__sys_fail("pipe2", 0, 0);
    weft__sys_fail("eventfd", 0, 0);
    bool can = weft__mailbox_can_use_edges();
    cr_assert_eq(weft__mailbox_can_use_edges(), can);
    weft_test_loop_end();
}
