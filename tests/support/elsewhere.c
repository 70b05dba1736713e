/* SPDX-License-Identifier: MIT */
#include "tests/support/elsewhere.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/loop.h"
#include "tests/support/child.h"
#include "tests/support/loop.h"

/* What is waited for from the error handler, and whether it came. */
static const char *wanted;
static bool came;

/* A function that stands behind several names may report one of them: "weft_gather" for
 * weft_gather_array(). */
static bool is_named(const char *function)
{
    size_t len = strlen(function);
    while (len > 0 && strncmp(function, wanted, len) != 0)
        len--;
    return len >= 8 && (wanted[len] == '\0' || function[len] == '\0');
}

static void listen_for(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    if ((report->status == WEFT_ETHREAD || report->status == WEFT_EFORK) && report->task)
        came = came || is_named(report->task);
}

bool weft_test_failed_with(weft_future *future, int status)
{
    bool as_expected = weft_future_status(future) == status;
    weft_unref(future);
    return as_expected;
}

struct attempt {
    const struct weft_test_call *call;
    const void *stage;
    bool refused;
};

static void *make_call(void *arg)
{
    struct attempt *attempt = arg;
    attempt->refused = attempt->call->is_refused(attempt->stage, WEFT_ETHREAD, WEFT_ENOLOOP);
    return NULL;
}

static void call_on_thread(const struct weft_test_call *call, const void *stage)
{
    pthread_t thread;
    struct attempt attempt = {call, stage, false};
    wanted = call->name;
    came = false;
    cr_assert_eq(pthread_create(&thread, NULL, make_call, &attempt), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 2; i++) /* the mailbox, and what it brings */
        cr_assert_eq(weft_loop_run_until(test_loop, weft_sleep(0)), 0);
    cr_expect(attempt.refused, "%s() is not refused on another thread", call->name);
    cr_expect(came || !call->has_object, "%s() is not reported on another thread", call->name);
}

struct scene {
    const struct weft_test_call *calls;
    size_t count;
    const void *stage;
};

static void call_in_child(void *arg)
{
    const struct scene *scene = arg;
    int bad = 0;
    for (size_t i = 0; i < scene->count; i++) {
        const struct weft_test_call *call = &scene->calls[i];
        wanted = call->name;
        came = false;
        bool refused = call->is_refused(scene->stage, WEFT_EFORK, WEFT_EFORK);
        if (refused && (came || !call->has_object))
            continue;
        fprintf(stderr, "%s() is not %s in a child\n", call->name,
                refused ? "reported" : "refused");
        bad++;
    }
    CHILD_EXPECT(bad == 0);
}

void weft_test_elsewhere(const struct weft_test_call *calls, size_t count, const void *stage)
{
    struct scene scene = {calls, count, stage};
    weft_loop_set_error_handler(test_loop, listen_for, NULL);
    for (size_t i = 0; i < count; i++)
        call_on_thread(&calls[i], stage);
    weft_test_in_child(call_in_child, &scene);
    weft_loop_set_error_handler(test_loop, NULL, NULL);
}
