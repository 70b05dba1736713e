/* SPDX-License-Identifier: MIT */
/*
 * Ticks of a busy loop in real time, which follow one another with nothing between them: what is seen
 * of them is the same as of ticks that come one by one.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/child.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(tick, .init = weft_test_loop_begin_real, .timeout = 20);

static struct weft_loop_stats stats(void)
{
    struct weft_loop_stats stats;
    weft_loop_get_stats(test_loop, &stats);
    return stats;
}

static void must_be_soon(struct weft_callback *callback)
{
    cr_assert_eq(weft_callback_soon(callback), 0);
}

/* Two items that each come again in every tick. */
struct pair {
    struct weft_callback a, b;
    uint64_t first_tick, first_item;   /* as a saw them first */
    unsigned of_a, of_b;               /* how often each was called */
    bool forked;                       /* then ticks are not what they were */
    unsigned last;                     /* stop the loop at this call of a */
    void (*before)(struct pair *pair); /* called in a, last or not */
};

static void run_a(void *arg)
{
    struct pair *pair = arg;
    cr_assert_eq(pair->of_a, pair->of_b);
    cr_assert(pair->forked || stats().ticks == pair->first_tick + pair->of_a);
    cr_assert_eq(stats().callbacks, pair->first_item + 2 * pair->of_a);
    pair->of_a++;
    must_be_soon(&pair->a);
    if (pair->before)
        pair->before(pair);
    if (pair->of_a == pair->last)
        weft_loop_stop(test_loop);
}

static void run_b(void *arg)
{
    struct pair *pair = arg;
    pair->of_b++;
    cr_assert_eq(pair->of_a, pair->of_b);
    cr_assert(pair->forked || stats().ticks == pair->first_tick + pair->of_a - 1);
    must_be_soon(&pair->b);
}

static void begin(struct pair *pair, unsigned last)
{
    *pair =
        (struct pair){.first_tick = stats().ticks, .first_item = stats().callbacks, .last = last};
    weft_callback_init(&pair->a, run_a, pair);
    weft_callback_init(&pair->b, run_b, pair);
    must_be_soon(&pair->a);
    must_be_soon(&pair->b);
}

static void end(struct pair *pair)
{
    cr_assert(weft_callback_cancel(&pair->a));
    cr_assert(weft_callback_cancel(&pair->b));
    weft_test_loop_end();
}

Test(tick, and_its_items_are_counted_one_by_one)
{
    struct pair pair;
    begin(&pair, 1000);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(stats().ticks, pair.first_tick + 1000);
    cr_assert_eq(stats().callbacks, pair.first_item + 2000);
    cr_assert_leq(stats().polls, stats().ticks);
    end(&pair);
}

Test(tick, in_which_the_loop_is_stopped_ends_the_run)
{
    for (unsigned last = 1; last < 20; last++) {
        struct pair pair;
        begin(&pair, last);
        cr_assert_eq(weft_loop_run(test_loop), 0);
        cr_assert_eq(pair.of_a, last);
        cr_assert_eq(pair.of_b, last);
        cr_assert(weft_callback_cancel(&pair.a));
        cr_assert(weft_callback_cancel(&pair.b));
    }
    weft_test_loop_end();
}

/* What b's tick still holds is taken out in a's turn, and what the next one holds. */
static void take_out(struct pair *pair)
{
    if (pair->of_a % 3 != 0)
        return;
    cr_assert(weft_callback_cancel(&pair->b));
    cr_assert(weft_callback_cancel(&pair->a));
    must_be_soon(&pair->a);
    must_be_soon(&pair->b);
    pair->of_b++;
    pair->first_item--;
}

Test(tick, may_be_changed_by_what_runs_in_it)
{
    struct pair pair;
    begin(&pair, 100);
    pair.before = take_out;
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(pair.of_b, 100);
    end(&pair);
}

/* ---- A part that keeps something back ---- */

static unsigned kept, flushed;

static void nothing(struct weft__part *part)
{
    (void)part;
}

static void flush(struct weft__part *part)
{
    (void)part;
    flushed += kept;
    kept = 0;
}

static bool no_mail(struct weft__part *part)
{
    (void)part;
    return false;
}

static void collect_none(struct weft__part *part, weft__ready *into)
{
    (void)part;
    (void)into;
}

static const struct weft__part_ops ops = {
    .name = "keeps",
    .settle = nothing,
    .has_mail = no_mail,
    .collect = collect_none,
    .flush = flush,
    .free = nothing,
};

static void keep(struct pair *pair)
{
    cr_assert_eq(kept, 0);
    if (pair->of_a % 5 == 0)
        kept += weft__loop_flushes(test_loop);
}

Test(tick, in_which_something_is_kept_back_ends_with_a_flush)
{
    struct weft__part part = {.ops = &ops};
    struct pair pair;
    weft__loop_add_part(test_loop, &part);
    cr_assert_not(weft__loop_flushes(test_loop));
    begin(&pair, 100);
    pair.before = keep;
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(kept, 0);
    cr_assert_eq(flushed, 20);
    end(&pair);
}

/* ---- A fork in one of them ---- */

static pid_t child;

static void fork_off(struct pair *pair)
{
    if (pair->of_a == 7)
        child = fork();
}

Test(tick, that_forked_ends_in_the_child_and_its_rest_comes_when_the_loop_goes_on)
{
    struct pair pair;
    begin(&pair, 10);
    pair.before = fork_off;
    int status = weft_loop_run(test_loop);
    if (child == 0) {
        CHILD_EXPECT(status == WEFT_EFORK);
        CHILD_EXPECT(pair.of_a == 7 && pair.of_b == 6);
        CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
        pair.forked = true;
        CHILD_EXPECT(weft_loop_run(test_loop) == 0);
        CHILD_EXPECT(pair.of_a == 10 && pair.of_b == 9); /* b, which was left, is first now */
        weft_test_child_exit(0);
    }
    weft_test_reap(child);
    cr_assert_eq(status, 0);
    cr_assert_eq(pair.of_a, 10);
    end(&pair);
}

static uint64_t polls_before;

static void ignore(void *arg)
{
    (void)arg;
}

/* The first of two items behind a poll: so much time has passed that it would be polled again. */
static void fork_slowly(void *arg)
{
    (void)arg;
    polls_before = test_loop->polls;
    child = fork();
    WEFT_ALLOW_BLOCKING("so much time is to pass") {
        usleep(1000); /* on purpose: more than between two polls */
    }
    weft_loop_stop(test_loop);
}

Test(tick, that_forked_does_not_poll_in_the_child)
{
    struct weft_callback forks, other;
    weft_callback_init(&forks, fork_slowly, NULL);
    weft_callback_init(&other, ignore, NULL);
    must_be_soon(&forks);
    must_be_soon(&other);
    int status = weft_loop_run(test_loop);
    if (child == 0) {
        CHILD_EXPECT(status == WEFT_EFORK);
        CHILD_EXPECT(test_loop->polls == polls_before);
        weft_test_child_exit(0);
    }
    weft_test_reap(child);
    cr_assert_eq(status, 0);
    cr_assert_gt(test_loop->polls, polls_before);
    weft_test_loop_end();
}
