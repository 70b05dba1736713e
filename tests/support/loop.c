/* SPDX-License-Identifier: MIT */
#include "tests/support/loop.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/support/fixture.h"
#include "tests/support/heap.h"

weft_loop *test_loop;
struct weft_test_reports test_reports;
static struct weft_test_census before;

static void copy(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

static void note_report(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    struct weft_test_reports *reports = arg;
    reports->count++;
    reports->status = report->status;
    reports->task_id = report->task_id;
    copy(reports->what, sizeof(reports->what), report->what);
    copy(reports->message, sizeof(reports->message), report->message);
    copy(reports->task, sizeof(reports->task), report->task);
    copy(reports->spawned_at, sizeof(reports->spawned_at), report->spawned_at);
}

static void begin(enum weft_clock clock)
{
    struct weft_loop_options options = {.clock = clock};
    weft_test_heap_install();
    before = weft_test_take_census();
    test_loop = weft_loop_new(&options);
    cr_assert_not_null(test_loop);
    weft_loop_set_error_handler(test_loop, note_report, &test_reports);
}

void weft_test_loop_begin(void)
{
    begin(WEFT_CLOCK_VIRTUAL);
}

void weft_test_loop_begin_real(void)
{
    begin(WEFT_CLOCK_MONOTONIC);
}

void weft_test_loop_end(void)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(weft_test_heap_live(), 0, "%zu blocks of memory are left", weft_test_heap_live());
    weft_test_assert_nothing_left(before);
}

int weft_test_run(weft_future *future)
{
    return weft_loop_run_until(test_loop, future);
}
