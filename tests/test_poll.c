/* SPDX-License-Identifier: MIT */
/* How often a busy loop polls, and what becomes of what it finds in the midst of a tick. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/fixture.h"
#include "tests/support/loop.h"

TestSuite(poll, .init = weft_test_loop_begin_real, .timeout = 20);

enum { ITEMS = 1000, AT_MOST = 256 };

static uint64_t polls(void)
{
    struct weft_loop_stats stats;
    weft_loop_get_stats(test_loop, &stats);
    return stats.polls;
}

/* Items, counted from the last poll. */
static struct {
    uint64_t polls;
    unsigned since, most, left;
} seen;

static void look(void)
{
    uint64_t now = polls();
    seen.since = now == seen.polls ? seen.since + 1 : 1;
    seen.polls = now;
    if (seen.since > seen.most)
        seen.most = seen.since;
}

static void look_once(void *arg)
{
    (void)arg;
    look();
}

static void look_again(void *arg)
{
    look();
    if (seen.left-- > 0)
        weft_unref(weft_call_soon(look_again, arg));
}

static void tick(void)
{
    weft_loop_stop(test_loop);
    cr_assert_eq(weft_loop_run(test_loop), 0);
}

Test(poll, comes_once_in_256_items_of_one_tick)
{
    for (int i = 0; i < ITEMS; i++)
        weft_unref(weft_call_soon(look_once, NULL));
    tick();
    cr_assert_leq(seen.most, AT_MOST);
    cr_assert_geq(polls(), ITEMS / AT_MOST);
    weft_test_loop_end();
}

Test(poll, comes_once_in_256_ticks_of_one_item)
{
    seen.left = ITEMS;
    weft_unref(weft_call_soon(look_again, NULL));
    for (int i = 0; i <= ITEMS; i++)
        tick();
    cr_assert_leq(seen.most, AT_MOST);
    weft_test_loop_end();
}

Test(poll, comes_once_in_256_items_of_ticks_of_any_size)
{
    seen.left = ITEMS;
    for (int i = 0; i < 7; i++)
        weft_unref(weft_call_soon(look_again, NULL));
    while (seen.left < ITEMS * 2)
        tick();
    cr_assert_leq(seen.most, AT_MOST);
    weft_test_loop_end();
}

/* A loop that is to poll for the number of items only, however slow the machine is. */
static void let_no_time_pass(void)
{
    test_loop->polled_at = WEFT_FOREVER;
}

static void look_timeless(void *arg)
{
    look();
    let_no_time_pass();
    if (seen.left-- > 0)
        weft_unref(weft_call_soon(look_timeless, arg));
}

Test(poll, is_left_out_for_256_items_while_little_time_passes)
{
    seen.left = ITEMS;
    tick();
    let_no_time_pass();
    weft_unref(weft_call_soon(look_timeless, NULL));
    while (seen.left <= ITEMS)
        tick();
    cr_assert_leq(polls(), 1 + ITEMS / AT_MOST * 2);
    weft_test_loop_end();
}

static void look_late(void *arg)
{
    look();
    test_loop->brought = ITEMS * 4;
    test_loop->polled_at = 0;
    if (seen.left-- > 0)
        weft_unref(weft_call_soon(look_late, arg));
}

Test(poll, comes_in_time_however_much_the_last_one_has_brought)
{
    seen.left = ITEMS;
    weft_unref(weft_call_soon(look_late, NULL));
    while (seen.left <= ITEMS)
        tick();
    cr_assert_leq(seen.most, 33);
    weft_test_loop_end();
}

/* ---- What is found within a tick ---- */

static struct {
    int fds[2], added, added_before;
    weft_future *readable;
    struct weft_callback callback;
    struct event *event;
    bool was_done, called, taken_back;
} scene;

static void begin_scene(void)
{
    scene.fds[0] = scene.fds[1] = -1;
    cr_assert_eq(pipe2(scene.fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void end_scene(void)
{
    close(scene.fds[0]);
    close(scene.fds[1]);
    weft_test_loop_end();
}

static void note_added(void *arg)
{
    (void)arg;
    scene.added++;
}

static void add(void *arg)
{
    (void)arg;
    weft_unref(weft_call_soon(note_added, NULL));
}

static void write_byte(void *arg)
{
    add(arg);
    cr_assert_eq(write(scene.fds[1], "", 1), 1);
}

static void add_last(void *arg)
{
    add(arg);
    scene.was_done = weft_is_done(scene.readable);
}

static void note_readable(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
    scene.added_before = scene.added;
}

Test(poll, of_a_tick_puts_what_it_finds_behind_what_the_tick_adds)
{
    begin_scene();
    scene.readable = weft_wait_readable(scene.fds[0]);
    cr_assert_eq(weft_then(weft_ref(scene.readable), note_readable, NULL), 0);
    tick();
    weft_unref(weft_call_soon(write_byte, NULL));
    for (int i = 2; i < ITEMS; i++)
        weft_unref(weft_call_soon(add, NULL));
    weft_unref(weft_call_soon(add_last, NULL));
    tick();
    cr_assert(scene.was_done, "no poll within the tick has found it");
    tick();
    cr_assert_eq(scene.added_before, ITEMS);
    weft_unref(scene.readable);
    end_scene();
}

static void note_called(void *arg)
{
    (void)arg;
    scene.called = true;
}

static void schedule(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    cr_assert_eq(weft_callback_soon(&scene.callback), 0);
}

static void take_back(void *arg)
{
    (void)arg;
    scene.taken_back = weft_callback_cancel(&scene.callback);
}

Test(poll, of_a_tick_may_schedule_what_the_tick_takes_back)
{
    begin_scene();
    weft_callback_init(&scene.callback, note_called, NULL);
    scene.event = event_new(weft_loop_base(test_loop), scene.fds[0], EV_READ, schedule, NULL);
    cr_assert_eq(event_add(scene.event, NULL), 0);
    weft_unref(weft_call_soon(write_byte, NULL));
    for (int i = 0; i < ITEMS; i++)
        weft_unref(weft_call_soon(add, NULL));
    weft_unref(weft_call_soon(take_back, NULL));
    tick();
    cr_assert(scene.taken_back);
    tick();
    cr_assert_not(scene.called);
    event_free(scene.event);
    end_scene();
}

static void stop(void *arg)
{
    (void)arg;
    weft_loop_stop(test_loop);
}

Test(poll, of_a_tick_comes_before_a_stop_is_heard)
{
    weft_unref(weft_call_soon(stop, NULL));
    for (int i = 0; i < ITEMS; i++)
        weft_unref(weft_call_soon(look_once, NULL));
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_leq(seen.most, AT_MOST, "all of the tick runs, and is polled in");
    cr_assert_geq(polls(), ITEMS / AT_MOST);
    weft_test_loop_end();
}
