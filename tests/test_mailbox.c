/* SPDX-License-Identifier: MIT */
/*
 * The mailbox by itself: the test plays the loop. Stress tests jitter by a small generator with
 * fixed seeds; a lost wakeup shows as a time-out.
 */
#include "core/mailbox.h"
#include "core/sys.h"
#include "tests/support/fixture.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/memory.h>

/* ---- Fixture ---- */

static struct weft_test_census before;
static weft__mailbox *box;

static void set_up(void)
{
    before = weft_test_take_census();
    box = weft__mailbox_new();
    cr_assert_not_null(box);
}

static void tear_down(void)
{
    weft__mailbox_unref(box);
    weft_test_assert_nothing_left(before);
}

TestSuite(mailbox, .init = set_up, .fini = tear_down, .timeout = 120);

struct entry {
    weft__item item;
    unsigned thread, number;
};

static struct entry *entry_of(weft__item *item)
{
    return WEFT__CONTAINER(item, struct entry, item);
}

static bool is_readable(void)
{
    struct pollfd poller = {.fd = weft__mailbox_fd(box), .events = POLLIN};
    return poll(&poller, 1, 0) == 1;
}

/* How often a byte was written. */
static unsigned writes;

static ssize_t counted_write(int fd, const void *bytes, size_t count)
{
    writes++;
    return write(fd, bytes, count);
}

static size_t take_count(void)
{
    size_t count = 0;
    weft__item *last;
    for (weft__item *item = weft__mailbox_take(box, &last); item; item = item->next)
        count++;
    return count;
}

/* ---- What one thread sees ---- */

Test(mailbox, takes_nothing_from_an_empty_box)
{
    weft__item *last = &(weft__item){0};
    cr_assert_null(weft__mailbox_take(box, &last));
    cr_assert_null(last);
}

Test(mailbox, gives_items_back_oldest_first)
{
    struct entry entries[5] = {{.number = 0}};
    for (unsigned i = 0; i < 5; i++) {
        entries[i].number = i;
        cr_assert(weft__mailbox_put(box, &entries[i].item));
    }
    weft__item *last;
    unsigned number = 0;
    for (weft__item *item = weft__mailbox_take(box, &last); item; item = item->next)
        cr_assert_eq(entry_of(item)->number, number++);
    cr_assert_eq(number, 5);
    cr_assert_eq(last, &entries[4].item);
}

Test(mailbox, writes_nothing_while_the_loop_is_awake)
{
    weft__sys.write = counted_write;
    struct entry entries[3];
    for (int i = 0; i < 3; i++)
        cr_assert(weft__mailbox_put(box, &entries[i].item));
    cr_assert_eq(writes, 0);
    cr_assert_not(is_readable());
    cr_assert_eq(take_count(), 3);
}

Test(mailbox, writes_one_byte_for_a_batch_put_while_the_loop_sleeps)
{
    weft__sys.write = counted_write;
    cr_assert(weft__mailbox_may_sleep(box));
    struct entry entries[3];
    for (int i = 0; i < 3; i++)
        cr_assert(weft__mailbox_put(box, &entries[i].item));
    cr_assert_eq(writes, 1);
    cr_assert(is_readable());

    weft__mailbox_woken(box);
    weft__mailbox_awake(box);
    cr_assert_not(is_readable());
    cr_assert_eq(take_count(), 3);
}

Test(mailbox, does_not_let_the_loop_sleep_on_an_item)
{
    struct entry entry;
    cr_assert(weft__mailbox_put(box, &entry.item));
    cr_assert_not(weft__mailbox_may_sleep(box));
    cr_assert_eq(take_count(), 1);
    cr_assert(weft__mailbox_may_sleep(box));
    weft__mailbox_awake(box);
}

Test(mailbox, may_be_asked_for_sleep_twice)
{
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_may_sleep(box));
    weft__mailbox_awake(box);
    struct entry entry;
    cr_assert(weft__mailbox_put(box, &entry.item));
    cr_assert_not(is_readable());
    cr_assert_eq(take_count(), 1);
}

Test(mailbox, writes_no_second_byte_before_the_first_was_read)
{
    weft__sys.write = counted_write;
    struct entry entries[2];
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entries[0].item));
    weft__mailbox_awake(box); /* something else ended the poll */
    cr_assert_eq(take_count(), 1);

    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entries[1].item));
    cr_assert_eq(writes, 1);
    cr_assert(is_readable());
    weft__mailbox_woken(box);
    weft__mailbox_awake(box);
    cr_assert_eq(take_count(), 1);
}

Test(mailbox, is_not_fooled_by_being_woken_before_the_byte_is_there)
{
    struct entry entry;
    cr_assert(weft__mailbox_may_sleep(box));
    weft__mailbox_woken(box);
    cr_assert(weft__mailbox_put(box, &entry.item));
    cr_assert(is_readable());
    weft__mailbox_woken(box);
    cr_assert_eq(take_count(), 1);
}

/* The loop is told, by whatever, when the byte is not there yet; it runs, and sleeps again. */
static ssize_t late_write(int fd, const void *bytes, size_t count)
{
    static struct entry entry;
    weft__sys.write = counted_write;
    weft__mailbox_woken(box);
    cr_assert_eq(take_count(), 1);
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entry.item));
    return counted_write(fd, bytes, count);
}

Test(mailbox, still_waits_for_the_byte_when_it_is_told_before_that_is_written)
{
    struct entry entry;
    weft__sys.write = late_write;
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entry.item));
    cr_assert_eq(writes, 1);
    weft__mailbox_woken(box);
    cr_assert_eq(take_count(), 1);
}

/* ---- Descriptors, closing, failures ---- */

Test(mailbox, has_descriptors_that_neither_block_nor_outlive_an_exec)
{
    int fd = weft__mailbox_fd(box);
    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

Test(mailbox, refuses_a_put_after_close)
{
    struct entry entries[3];
    weft__item *last;
    cr_assert(weft__mailbox_put(box, &entries[0].item));
    cr_assert(weft__mailbox_put(box, &entries[1].item));
    weft__item *first = weft__mailbox_close(box, &last);
    cr_assert_eq(first, &entries[0].item);
    cr_assert_eq(last, &entries[1].item);
    cr_assert_not(weft__mailbox_put(box, &entries[2].item));
    cr_assert_null(weft__mailbox_take(box, &last));
}

Test(mailbox, keeps_its_descriptors_until_the_last_reference_is_gone)
{
    int open = weft_test_fd_count();
    weft__mailbox *other = weft__mailbox_new();
    int fd = weft__mailbox_fd(other);
    weft__item *last;
    weft__mailbox_ref(other);
    weft__mailbox_close(other, &last);
    weft__mailbox_unref(other);
    cr_assert_neq(fcntl(fd, F_GETFD), -1);
    weft__mailbox_unref(other);
    cr_assert_eq(weft_test_fd_count(), open);
}

/* A byte that was owed by way of the old ones never comes. */
Test(mailbox, is_awake_when_it_was_opened_again)
{
    struct entry entries[2];
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entries[0].item));
    cr_assert_eq(weft__mailbox_reopen(box), 0);
    cr_assert_eq(take_count(), 1);
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entries[1].item));
    cr_assert(is_readable());
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static void *no_more_memory(void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    return NULL;
}

Test(mailbox, says_that_it_is_out_of_memory)
{
    weft_set_allocator(&(struct weft_allocator){no_memory, no_more_memory, free});
    errno = 0;
    weft__mailbox *none = weft__mailbox_new();
    int error = errno;
    weft_set_allocator(NULL);
    cr_assert_null(none);
    cr_assert_eq(error, ENOMEM);
}

Test(mailbox, says_that_it_is_out_of_descriptors)
{
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    errno = 0;
    weft__mailbox *failed = weft__mailbox_new();
    int error = errno;
    setrlimit(RLIMIT_NOFILE, &old);
    cr_assert_null(failed);
    cr_assert_eq(error, EMFILE);
}

/* Fails with each of these in turn, then writes. */
static const int *next_failure;

static ssize_t failing_write(int fd, const void *bytes, size_t count)
{
    if (*next_failure) {
        errno = *next_failure++;
        return -1;
    }
    return write(fd, bytes, count);
}

Test(mailbox, writes_again_when_a_write_was_interrupted_or_short_of_memory)
{
    static const int failures[] = {EINTR, EINTR, ENOMEM, ENOBUFS, EINTR, 0};
    next_failure = failures;
    weft__sys.write = failing_write;
    struct entry entry;
    errno = EXDEV;
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entry.item));
    cr_assert_eq(errno, EXDEV);
    cr_assert_eq(*next_failure, 0);
    cr_assert(is_readable());
}

Test(mailbox, takes_a_full_pipe_for_a_wakeup)
{
    static const int failures[] = {EAGAIN, EDOM, 0};
    next_failure = failures;
    weft__sys.write = failing_write;
    struct entry entry;
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entry.item));
    cr_assert_eq(*next_failure, EDOM);
}

Test(mailbox, tries_again_with_the_next_put_after_a_write_that_failed_for_good)
{
    static const int failures[] = {EBADF, 0};
    next_failure = failures;
    weft__sys.write = failing_write;
    struct entry entries[2];
    cr_assert(weft__mailbox_may_sleep(box));
    cr_assert(weft__mailbox_put(box, &entries[0].item));
    cr_assert_not(is_readable());
    cr_assert(weft__mailbox_put(box, &entries[1].item));
    cr_assert(is_readable());
}

static struct entry signal_entry;

static void put_from_handler(int signal)
{
    (void)signal;
    weft__mailbox_put(box, &signal_entry.item);
}

Test(mailbox, takes_a_put_from_a_signal_handler)
{
    struct sigaction action = {.sa_handler = put_from_handler};
    sigaction(SIGUSR1, &action, NULL);
    cr_assert(weft__mailbox_may_sleep(box));
    errno = EXDEV;
    raise(SIGUSR1);
    cr_assert_eq(errno, EXDEV);
    cr_assert(is_readable());
    weft__mailbox_woken(box);
    cr_assert_eq(take_count(), 1);
}

static atomic_bool has_left; /* relaxed: what orders it is the mailbox alone */

static void *put_and_leave(void *arg)
{
    static struct entry entry;
    weft__mailbox *other = arg;
    bool was_put = weft__mailbox_put(other, &entry.item);
    weft__mailbox_unref(other);
    atomic_store_explicit(&has_left, true, memory_order_relaxed);
    return was_put ? arg : NULL;
}

/* ThreadSanitizer sees when it does not. */
Test(mailbox, the_last_reference_sees_what_the_others_did)
{
    weft__mailbox *other = weft__mailbox_new();
    pthread_t thread;
    void *was_put;
    pthread_create(&thread, NULL, put_and_leave, weft__mailbox_ref(other));
    while (!atomic_load_explicit(&has_left, memory_order_relaxed))
        sched_yield();
    weft__mailbox_unref(other);
    pthread_join(thread, &was_put);
    cr_assert_not_null(was_put);
}

/* ---- Stress ---- */

enum { THREADS = 4 };

/* xorshift */
static unsigned next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* From nothing to some hundred turns, all orders of magnitude alike, or a yield. */
static void jitter(uint32_t *seed)
{
    unsigned random = next_random(seed);
    if (random % 64 == 0)
        sched_yield();
    for (volatile unsigned turns = (random >> 16) % (2U << (random >> 8) % 10); turns > 0; turns--)
        ;
}

struct putter {
    pthread_t thread;
    struct entry *entries; /* `count` of them */
    atomic_uint *taken; /* [atomic] how many were; wait for each. Relaxed: it orders nothing. NULL:
                              do not wait */
    unsigned number, count;
    unsigned refused; /* [worker] until joined */
    uint32_t seed;
};

/* Spins, so that both sides are at it at the same time. */
static void wait_until_taken(struct putter *putter, unsigned count)
{
    for (unsigned turns = 0; atomic_load_explicit(putter->taken, memory_order_relaxed) < count;)
        if (++turns % 256 == 0)
            sched_yield();
}

static void *put_all(void *arg)
{
    struct putter *putter = arg;
    for (unsigned i = 0; i < putter->count; i++) {
        struct entry *entry = &putter->entries[i];
        *entry = (struct entry){.thread = putter->number, .number = i};
        if (!weft__mailbox_put(box, &entry->item))
            putter->refused++;
        else if (putter->taken)
            wait_until_taken(putter, i + 1);
        jitter(&putter->seed);
    }
    return NULL;
}

static void start_putters(struct putter *putters, unsigned threads, unsigned count, uint32_t seed)
{
    for (unsigned i = 0; i < threads; i++) {
        putters[i].number = i;
        putters[i].count = count;
        putters[i].seed = seed * 7919 + i + 1;
        putters[i].entries = calloc(count, sizeof(*putters[i].entries));
        pthread_create(&putters[i].thread, NULL, put_all, &putters[i]);
    }
}

/* Returns how many puts were refused. */
static unsigned join_putters(struct putter *putters, unsigned threads)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(putters[i].thread, NULL);
        refused += putters[i].refused;
        free(putters[i].entries);
    }
    return refused;
}

/* What the loop has seen of each thread. */
struct seen {
    unsigned next[THREADS];
    unsigned total;
};

static void check_chain(weft__item *item, struct seen *seen)
{
    for (; item; item = item->next) {
        struct entry *entry = entry_of(item);
        cr_assert_eq(entry->number, seen->next[entry->thread], "thread %u: %u came instead of %u",
                     entry->thread, entry->number, seen->next[entry->thread]);
        seen->next[entry->thread]++;
        seen->total++;
    }
}

static void sleep_until_woken(uint32_t *seed)
{
    jitter(seed);
    bool block = weft__mailbox_may_sleep(box);
    struct pollfd poller = {.fd = weft__mailbox_fd(box), .events = POLLIN};
    if (poll(&poller, 1, block ? -1 : 0) == 1) {
        int bytes = 0;
        ioctl(poller.fd, FIONREAD, &bytes);
        cr_assert_leq(bytes, 1, "%d bytes in the pipe", bytes);
        weft__mailbox_woken(box);
    }
    jitter(seed);
    weft__mailbox_awake(box);
}

Test(mailbox, loses_nothing_of_many_threads_and_keeps_each_ones_order)
{
    enum { COUNT = 20000 };
    for (uint32_t seed = 1; seed <= 3; seed++) {
        struct putter putters[THREADS] = {{0}};
        struct seen seen = {{0}, 0};
        uint32_t own_seed = seed;
        weft__item *last;
        start_putters(putters, THREADS, COUNT, seed);
        while (seen.total < THREADS * COUNT) {
            sleep_until_woken(&own_seed);
            check_chain(weft__mailbox_take(box, &last), &seen);
        }
        cr_assert_eq(join_putters(putters, THREADS), 0);
    }
}

/*
 * Each put waits for its item to be taken: one lost wakeup, and all wait for ever. The fewer the
 * threads, the surer that nobody else's put mends it.
 */
static void take_while_putters_wait(unsigned threads, unsigned count, uint32_t seed)
{
    struct putter putters[THREADS] = {{0}};
    static atomic_uint taken[THREADS];
    unsigned total = 0;
    for (unsigned i = 0; i < threads; i++) {
        atomic_store(&taken[i], 0);
        putters[i].taken = &taken[i];
    }
    start_putters(putters, threads, count, seed);
    while (total < threads * count) {
        sleep_until_woken(&seed);
        weft__item *last, *next;
        for (weft__item *item = weft__mailbox_take(box, &last); item; item = next, total++) {
            next = item->next;
            atomic_fetch_add_explicit(&taken[entry_of(item)->thread], 1, memory_order_relaxed);
        }
    }
    cr_assert_eq(join_putters(putters, threads), 0);
}

Test(mailbox, loses_no_wakeup_when_every_thread_waits_for_the_loop)
{
    for (uint32_t seed = 1; seed <= 3; seed++) {
        take_while_putters_wait(1, 60000, seed);
        take_while_putters_wait(2, 20000, seed);
        take_while_putters_wait(THREADS, 5000, seed);
    }
}

/* No byte that would order what the mailbox itself must: ThreadSanitizer sees it.
 */
Test(mailbox, hands_items_over_in_order_without_the_pipe)
{
    enum { COUNT = 20000 };
    weft__sys.write = counted_write;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        struct putter putters[THREADS] = {{0}};
        struct seen seen = {{0}, 0};
        weft__item *last;
        start_putters(putters, THREADS, COUNT, seed);
        while (seen.total < THREADS * COUNT)
            check_chain(weft__mailbox_take(box, &last), &seen);
        cr_assert_eq(join_putters(putters, THREADS), 0);
    }
    cr_assert_eq(writes, 0);
}

Test(mailbox, neither_loses_nor_doubles_an_item_that_races_with_close)
{
    enum { COUNT = 200 };
    weft__mailbox_unref(box);
    for (uint32_t seed = 1; seed <= 100; seed++) {
        box = weft__mailbox_new();
        struct putter putters[THREADS] = {{0}};
        struct seen seen = {{0}, 0};
        uint32_t own_seed = seed;
        weft__item *last;
        start_putters(putters, THREADS, COUNT, seed);
        for (unsigned rounds = next_random(&own_seed) % 64; rounds > 0; rounds--)
            check_chain(weft__mailbox_take(box, &last), &seen);
        check_chain(weft__mailbox_close(box, &last), &seen);
        cr_assert_eq(join_putters(putters, THREADS) + seen.total, THREADS * COUNT);
        weft__mailbox_unref(box);
    }
    box = NULL;
}
