/* SPDX-License-Identifier: MIT */
/* The text of metrics: its form, its numbers, and what cannot be written. What others make of it is
 * tried in tests/demo/metrics. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/http_server.h>
#include <weft/weft.h>

#include "core/inspect/metrics.h"
#include "core/loop.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"

TestSuite(metrics, .init = weft_test_loop_begin, .timeout = 60);

static char text[256 * 1024];
static size_t text_len;

static void write_them(void)
{
    cr_assert_eq(weft_metrics_write(text, sizeof(text), &text_len), 0);
    cr_assert_eq(text_len, strlen(text));
}

/* The value of the sample that begins so, labels included; -1: there is none. */
static double value_of(const char *sample)
{
    char begin[600];
    snprintf(begin, sizeof(begin), "\n%s ", sample);
    const char *found = strstr(text, begin);
    return found ? strtod(found + strlen(begin), NULL) : -1;
}

static double of_loop(const char *name)
{
    char sample[512];
    struct weft__labels labels = {.len = 0};
    weft__labels_add_number(&labels, "loop", test_loop->id);
    snprintf(sample, sizeof(sample), "%s{%s}", name, labels.text);
    return value_of(sample);
}

static size_t count_of(const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

/* ---- Labels ---- */

Test(metrics, labels_are_quoted)
{
    struct weft__labels labels = {.len = 0};
    weft__labels_add(&labels, "lane", "a\"b\\c\nd");
    weft__labels_add_number(&labels, "loop", 7);
    cr_assert_str_eq(labels.text, "lane=\"a\\\"b\\\\c\\nd\",loop=\"7\"");
    weft_test_loop_end();
}

Test(metrics, labels_that_are_no_utf_8_are_made_so)
{
    struct weft__labels labels = {.len = 0};
    weft__labels_add(&labels, "lane", "\xC3\xBC\xFF!");
    cr_assert_str_eq(labels.text, "lane=\"\xC3\xBC\xEF\xBF\xBD!\"");
    weft_test_loop_end();
}

Test(metrics, labels_that_are_too_long_are_cut_between_characters)
{
    struct weft__labels labels = {.len = 0};
    char value[600];
    memset(value, '\0', sizeof(value));
    for (int i = 0; i < 299; i++)
        memcpy(value + 2 * (size_t)i, "\xC3\xBC", 2);
    weft__labels_add(&labels, "lane", value);
    weft__labels_add(&labels, "more", "lost");
    cr_assert_eq(labels.len, strlen(labels.text));
    cr_assert_leq(labels.len, sizeof(labels.text) - 1);
    cr_assert_str_eq(labels.text + labels.len - 3, "\xC3\xBC\"");
    weft_test_loop_end();
}

/* ---- The text ---- */

Test(metrics, end_with_eof_and_tell_the_version)
{
    char sample[64];
    write_them();
    snprintf(sample, sizeof(sample), "weft_build_info{version=\"%s\"}", weft_version());
    cr_assert_eq(value_of(sample), 1);
    cr_assert_str_eq(text + text_len - 6, "# EOF\n");
    weft_test_loop_end();
}

Test(metrics, of_a_family_stand_together_whoever_has_them)
{
    weft_pool *a = weft_pool_new(&(struct weft_pool_options){.thread_name = "a"});
    weft_pool *b = weft_pool_new(&(struct weft_pool_options){.thread_name = "b"});
    write_them();
    cr_assert_eq(count_of("# TYPE weft_lane_queued gauge\n"), 1);
    const char *first = strstr(text, "weft_lane_queued{pool=\"a\"");
    const char *last = strstr(text, "weft_lane_queued{pool=\"b\"");
    cr_assert(first && last && first < last);
    const char *next = strstr(first, "\n# TYPE ");
    cr_assert_lt(last, next);
    weft_pool_unref(a);
    weft_pool_unref(b);
    weft_test_loop_end();
}

Test(metrics, of_pools_of_one_name_are_told_apart)
{
    weft_pool *a = weft_pool_new(&(struct weft_pool_options){.max_threads = 3});
    weft_pool *b = weft_pool_new(&(struct weft_pool_options){.max_threads = 4});
    write_them();
    cr_assert_eq(value_of("weft_pool_max_threads{pool=\"weft\"}"), 3);
    cr_assert_eq(value_of("weft_pool_max_threads{pool=\"weft-2\"}"), 4);
    cr_assert_eq(count_of("weft_pool_max_threads{"), 2);
    cr_assert_eq(count_of("weft_lane_run_seconds_count{pool=\"weft-2\",lane=\"dns\"}"), 1);
    weft_pool_unref(a);
    weft_pool *c = weft_pool_new(&(struct weft_pool_options){.max_threads = 5});
    write_them();
    cr_assert_eq(value_of("weft_pool_max_threads{pool=\"weft\"}"), 5);
    cr_assert_eq(value_of("weft_pool_max_threads{pool=\"weft-2\"}"), 4);
    weft_pool_unref(b);
    weft_pool_unref(c);
    weft_test_loop_end();
}

static weft_result do_nothing(void *arg)
{
    (void)arg;
    return weft_ok(0);
}

/* On a thread and a loop of its own. */
static void *run_two_jobs(void *pool)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, pool), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_loop_run_until(loop, weft_to_thread_fn(NULL, do_nothing, NULL)), 0);
    weft_loop_free(loop);
    return NULL;
}

/* What all pools of its name had done fell by what that one had, and to Prometheus the rest was done anew. */
Test(metrics, of_a_pool_do_not_fall_when_another_one_of_its_name_ends)
{
    const char *sample = "weft_lane_submitted_total{pool=\"weft-2\",lane=\"default\"}";
    weft_pool *ends = weft_pool_new(NULL), *stays = weft_pool_new(NULL);
    pthread_t thread;
    cr_assert_eq(weft_loop_set_pool(test_loop, stays), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, do_nothing, NULL)), 0);
    cr_assert_eq(pthread_create(&thread, NULL, run_two_jobs, ends), 0);
    pthread_join(thread, NULL);
    write_them();
    double before = value_of(sample);
    weft_pool_unref(ends);
    write_them();
    cr_assert_geq(value_of(sample), before);
    cr_assert_eq(before, 3);
    weft_pool_unref(stays);
    weft_test_loop_end();
}

Test(metrics, tell_what_a_loop_has_done)
{
    struct weft_loop_stats stats;
    weft_future *sleeper = weft_sleep(WEFT_S(1000));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(1))), 0);
    weft_loop_get_stats(test_loop, &stats);
    write_them();
    cr_assert_eq(of_loop("weft_loop_callbacks_total"), (double)stats.callbacks);
    cr_assert_eq(of_loop("weft_step_seconds_count"), (double)stats.callbacks);
    cr_assert_eq(of_loop("weft_loop_turn_seconds"), 0);
    cr_assert_gt(of_loop("weft_loop_busy_seconds_total"), 0);
    cr_assert_gt(of_loop("weft_loop_cpu_seconds_total"), 0);
    cr_assert_geq(of_loop("weft_loop_lag_seconds_count"), 1);
    weft_cancel(sleeper);
    weft_unref(sleeper);
    weft_test_loop_end();
}

Test(metrics, tell_what_became_of_the_jobs_of_a_lane)
{
    struct gate gate;
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.thread_name = "p"});
    weft_lane *lane = weft_lane_new(
        pool, &(struct weft_lane_options){.name = "hash", .max_running = 1, .max_queued = 1});
    gate_init(&gate);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *runs = weft_to_thread_fn(lane, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *waits = weft_to_thread_fn(lane, gate_pass, &gate);
    weft_future *refused = weft_to_thread_fn(lane, gate_pass, &gate);
    cr_assert_eq(weft_test_run(refused), -EAGAIN);
    write_them();
    cr_assert_eq(value_of("weft_lane_running{pool=\"p\",lane=\"hash\"}"), 1);
    cr_assert_eq(value_of("weft_lane_queued{pool=\"p\",lane=\"hash\"}"), 1);
    cr_assert_eq(value_of("weft_lane_max_queued{pool=\"p\",lane=\"hash\"}"), 1);
    cr_assert_eq(value_of("weft_lane_jobs_total{pool=\"p\",lane=\"hash\",outcome=\"rejected\"}"),
                 1);
    cr_assert_eq(of_loop("weft_loop_jobs"), 2);
    gate_open(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(runs), 0);
    cr_assert_eq(weft_test_run(waits), 0);
    write_them();
    cr_assert_eq(value_of("weft_lane_run_seconds_count{pool=\"p\",lane=\"hash\"}"), 2);
    cr_assert_eq(
        value_of("weft_lane_queue_wait_seconds_bucket{pool=\"p\",lane=\"hash\",le=\"+Inf\"}"), 2);
    weft_lane_unref(lane);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

/* Its jobs are told of to their end, what it has counted no more: it would be taken out of the other's. */
Test(metrics, of_a_lane_that_nobody_holds_do_not_change_those_of_the_next_one_of_its_name)
{
    const char *counter = "weft_lane_submitted_total{pool=\"weft\",lane=\"one\"}";
    const char *gauge = "weft_lane_running{pool=\"weft\",lane=\"one\"}";
    struct weft_lane_options options = {.name = "one"};
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_new(NULL);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane *lane = weft_lane_new(pool, &options);
    weft_future *runs = weft_to_thread_fn(lane, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_lane_unref(lane);
    write_them();
    cr_assert_eq(value_of(counter), 1);
    lane = weft_lane_new(pool, &options);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(lane, do_nothing, NULL)), 0);
    write_them();
    cr_assert_eq(value_of(counter), 2);
    cr_assert_eq(value_of(gauge), 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(runs), 0);
    write_them();
    cr_assert_eq(value_of(counter), 2);
    cr_assert_eq(value_of(gauge), 0);
    weft_lane_unref(lane);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

/* changes(process_start_time_seconds[1h]) is how one asks Prometheus for restarts. */
Test(metrics, of_the_process_have_one_time_of_its_start)
{
    char first[64] = "";
    for (int i = 0; i < 100; i++) {
        write_them();
        const char *line = strstr(text, "\nprocess_start_time_seconds ");
        cr_assert_not_null(line);
        if (!i)
            memcpy(first, line, strcspn(line + 1, "\n") + 1);
        cr_assert_eq(strncmp(line, first, strlen(first)), 0);
    }
    weft_test_loop_end();
}

/* ---- What cannot be written ---- */

Test(metrics, that_do_not_fit_say_how_long_they_are)
{
    size_t len = 0, written = 0;
    char guard[4] = "abc";
    cr_assert_eq(weft_metrics_write(NULL, 0, &len), -ENOSPC);
    cr_assert_eq(weft_metrics_write(guard, sizeof(guard), &len), -ENOSPC);
    cr_assert_str_eq(guard, "abc");
    char *enough = malloc(len + 1000);
    cr_assert_eq(weft_metrics_write(enough, len + 1000, &written), 0);
    cr_assert_eq(strlen(enough), written);
    free(enough);
    weft_test_loop_end();
}

Test(metrics, need_a_buffer_and_a_length)
{
    size_t len = 7;
    cr_assert_eq(weft_metrics_write(text, sizeof(text), NULL), -EINVAL);
    cr_assert_eq(weft_metrics_write(NULL, 5, &len), -EINVAL);
    cr_assert_eq(len, 7);
    weft_test_loop_end();
}

Test(metrics, that_find_no_memory_are_an_error)
{
    size_t len = 7;
    int status = -ENOMEM;
    for (size_t n = 1; status != 0; n++) {
        weft_test_heap_fail_at(n);
        status = weft_metrics_write(text, sizeof(text), &len);
        int failed = weft_test_heap_failed();
        cr_assert_eq(status, failed ? -ENOMEM : 0);
    }
    cr_assert_eq(strlen(text), len);
    weft_test_loop_end();
}

/* ---- From anywhere ---- */

static void *write_elsewhere(void *arg)
{
    struct gate *gate = arg;
    gate_wait_entered(gate);
    write_them();
    gate_open(gate);
    return NULL;
}

struct stuck {
    WEFT_FRAME;
    struct gate *gate;
};

static WEFT_ASYNC(stuck)
{
    WEFT_BEGIN;
    gate_pass(self->gate);
    WEFT_END;
}

Test(metrics, tell_of_a_loop_that_is_stuck)
{
    struct gate gate;
    pthread_t thread;
    gate_init(&gate);
    cr_assert_eq(pthread_create(&thread, NULL, write_elsewhere, &gate), 0);
    cr_assert_eq(weft_test_run(weft_spawn(stuck, .gate = &gate)), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(of_loop("weft_loop_tasks"), 1);
    cr_assert_gt(of_loop("weft_loop_turn_seconds"), 0);
    weft_test_loop_end();
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One that stands twice makes all of the text invalid. Cuts the text. */
static void check_that_none_stands_twice(void)
{
    char *series[8192], *rest = text;
    size_t count = 0;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        if (*line == '#')
            continue;
        *strrchr(line, ' ') = '\0';
        series[count++] = line;
    }
    qsort(series, count, sizeof(*series), compare);
    for (size_t i = 1; i < count; i++)
        cr_assert_str_neq(series[i - 1], series[i]);
}

static atomic_bool is_over;

/* Loops, pools, lanes and servers of the same names come and go. */
static void *come_and_go(void *unused)
{
    (void)unused;
    while (!is_over) {
        weft_pool *pool = weft_pool_new(NULL);
        weft_lane *lane = weft_lane_new(pool, &(struct weft_lane_options){.name = "hash"});
        weft_loop *loop = weft_loop_new(NULL);
        weft_http_server *server = weft_http_server_new(NULL);
        cr_assert_eq(weft_loop_set_pool(loop, pool), 0);
        cr_assert_eq(weft_http_server_listen(server, "127.0.0.1:0"), 0);
        cr_assert_eq(weft_loop_run_until(loop, weft_to_thread_fn(lane, do_nothing, NULL)), 0);
        weft_http_server_free(server);
        weft_lane_unref(lane);
        weft_pool_unref(pool);
        weft_loop_free(loop);
    }
    return NULL;
}

Test(metrics, may_be_written_while_what_they_tell_of_comes_and_goes)
{
    enum { THREADS = 3, TEXTS = 100 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
    for (int i = 0; i < TEXTS; i++) {
        write_them();
        cr_assert_str_eq(text + text_len - 6, "# EOF\n");
        check_that_none_stands_twice();
    }
    is_over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    weft_test_loop_end();
}

static void look_in_child(void *unused)
{
    (void)unused;
    CHILD_EXPECT(weft_metrics_write(text, sizeof(text), &text_len) == 0);
    CHILD_EXPECT(count_of("weft_http_requests_total{") == 0);
    CHILD_EXPECT(count_of("weft_loop_tasks{") == 0);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_metrics_write(text, sizeof(text), &text_len) == 0);
    CHILD_EXPECT(count_of("weft_http_requests_total{") == 1);
    CHILD_EXPECT(count_of("weft_loop_tasks{") == 1);
}

/* There once it goes on with the loop, and in the parent all the time. */
Test(metrics, of_a_server_are_told_in_a_forked_child_that_goes_on_with_it)
{
    weft_http_server *server = weft_http_server_new(NULL);
    cr_assert_eq(weft_http_server_listen(server, "127.0.0.1:0"), 0);
    weft_test_in_child(look_in_child, NULL);
    write_them();
    cr_assert_eq(count_of("weft_http_requests_total{"), 1);
    weft_http_server_free(server);
    write_them();
    cr_assert_eq(count_of("weft_http_requests_total{"), 0);
    weft_test_loop_end();
}

Test(metrics, need_no_loop)
{
    weft_loop *loop = test_loop;
    weft_loop_free(loop);
    test_loop = NULL;
    write_them();
    cr_assert_eq(count_of("weft_loop_tasks"), 0);
    cr_assert_gt(value_of("process_threads"), 0);
    cr_assert_gt(value_of("process_resident_memory_bytes"), 0);
    cr_assert_gt(value_of("process_start_time_seconds"), 1.7e9);
    weft_test_loop_end();
}
