/* SPDX-License-Identifier: MIT */
/* Out of memory at each allocation of what has no scene in the suite of its own unit. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>
#include <weft/http_server.h>
#include <weft/listen.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(every_operation, .init = weft_test_loop_begin, .timeout = 60);

struct yields {
    WEFT_FRAME;
    weft_stream *stream;
    weft_http_request *request;
};

static WEFT_ASYNC(yields)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(0));
    WEFT_END;
}

static weft_result job(void *arg)
{
    (void)arg;
    return weft_ok(1);
}

/* ---- Tasks, timers, jobs, descriptors ---- */

static int spawn_in(void)
{
    return weft_test_run(weft_spawn_in(NULL, yields));
}

static int call_at(void)
{
    return weft_test_run(weft_call_at(weft_now() + 1, weft_test_mark_call, (void *)""));
}

static int to_thread_fn(void)
{
    return weft_test_run(weft_to_thread_fn(NULL, job, NULL));
}

static int ends[2];

static int wait_readable(void)
{
    return weft_test_run(weft_wait_readable(ends[0]));
}

Test(every_operation, of_tasks_timers_and_jobs_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(spawn_in);
    weft_test_every_lack_of_memory(call_at);
    weft_test_every_lack_of_memory(to_thread_fn);
    weft_test_loop_end();
}

Test(every_operation, of_descriptors_survives_every_lack_of_memory)
{
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    weft_test_every_lack_of_memory(wait_readable);
    close(ends[0]);
    close(ends[1]);
    weft_test_loop_end();
}

/* ---- Conditions and queues ---- */

static bool is_true;

static bool look(void *arg)
{
    (void)arg;
    return is_true;
}

static int wait_with_lock(weft_lock *lock, weft_condition *condition)
{
    int status = weft_test_run(weft_lock_acquire(lock));
    if (status < 0)
        return status;
    is_true = false;
    weft_future *wait = weft_condition_wait_for(condition, look, NULL);
    if (!weft_is_done(wait)) {
        status = weft_test_run(weft_lock_acquire(lock));
        if (status == 0) {
            is_true = true;
            cr_assert_eq(weft_condition_notify(condition, 1), 0);
            cr_assert_eq(weft_lock_release(lock), 0);
        }
    }
    if (status == 0)
        status = weft_test_run(weft_ref(wait));
    weft_unref(wait);
    return status;
}

static int condition_wait_for(void)
{
    weft_lock *lock = weft_lock_new();
    weft_condition *condition = lock ? weft_condition_new(lock) : NULL;
    int status = condition ? wait_with_lock(lock, condition) : -errno;
    weft_condition_free(condition);
    weft_lock_free(lock);
    return status;
}

static int queue_join(void)
{
    weft_queue *queue = weft_queue_new(NULL);
    weft_value value;
    if (!queue)
        return -errno;
    int status = weft_queue_put_nowait(queue, weft_value_i64(1), NULL);
    if (status == 0) {
        weft_future *join = weft_queue_join(queue);
        cr_assert_eq(weft_queue_get_nowait(queue, &value, NULL), 0);
        cr_assert_eq(weft_queue_task_done(queue), 0);
        status = weft_test_run(join);
    }
    weft_queue_unref(queue);
    return status;
}

struct passing {
    weft_queue *queue;
    int status;
};

static void *pass_on(void *arg)
{
    struct passing *passing = arg;
    weft_value value;
    passing->status = weft_queue_put_blocking(passing->queue, weft_value_i64(7), NULL, WEFT_S(30));
    if (passing->status < 0)
        return NULL;
    passing->status = weft_queue_get_blocking(passing->queue, WEFT_S(30), &value, NULL);
    cr_assert_eq(value.i64, 7);
    return NULL;
}

static int pass_on_a_thread(void)
{
    pthread_t thread;
    struct passing passing = {.queue = weft_queue_new(NULL)};
    if (!passing.queue)
        return -errno;
    cr_assert_eq(pthread_create(&thread, NULL, pass_on, &passing), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    weft_queue_unref(passing.queue);
    return passing.status;
}

Test(every_operation, of_conditions_and_queues_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(condition_wait_for);
    weft_test_every_lack_of_memory(queue_join);
    weft_test_every_lack_of_memory(pass_on_a_thread);
    weft_test_loop_end();
}

/* ---- Scopes ---- */

struct adds {
    WEFT_FRAME;
    weft_scope *scope;
};

struct yields_not {
    int value;
};

static WEFT_BLOCKING(yields_not)
{
    return weft_ok(self->value);
}

static WEFT_ASYNC(adds)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn_eager(self->scope, yields);
    weft_scope_to_thread(self->scope, yields_not, .value = 1);
    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

static int add_to_scope(void)
{
    weft_future *task = weft_spawn(adds);
    int status = weft_test_run(weft_ref(task));
    const weft_errors *errors = weft_future_errors(task);
    if (status == WEFT_EGROUP && (!errors || weft_errors_has(errors, -ENOMEM)))
        status = -ENOMEM;
    weft_unref(task);
    return status;
}

Test(every_operation, of_scopes_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(add_to_scope);
    weft_test_loop_end();
}

/* ---- Streams, listeners, servers ---- */

static int read_until(void)
{
    weft_stream *a, *b;
    int status = weft_testing_stream_pair(&a, &b);
    if (status < 0)
        return status;
    status = weft_write(b, "one;", 4);
    if (status == 0)
        status = weft_test_run(weft_read_until(a, ";", 1, 0));
    weft_stream_free(a);
    weft_stream_free(b);
    return status;
}

static int listen_and_drain(void)
{
    static const struct weft_stream_limits limits = {.read_high = 1000};
    weft_listener *listener =
        weft_listen_with(&(struct weft_listen_options){.limits = &limits}, "127.0.0.1:0", yields);
    int status = listener ? weft_test_run(weft_listener_drain(listener)) : -errno;
    weft_listener_free(listener);
    return status;
}

static int serve_and_drain(void)
{
    weft_http_server *server = weft_http_serve_with(
        &(struct weft_http_server_options){.server_name = "x"}, "127.0.0.1:0", yields);
    int status = server ? weft_test_run(weft_http_server_drain(server)) : -errno;
    weft_http_server_free(server);
    return status;
}

Test(every_operation, of_streams_and_servers_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(read_until);
    weft_test_every_lack_of_memory(listen_and_drain);
    weft_test_every_lack_of_memory(serve_and_drain);
    weft_test_loop_end();
}

/* ---- Processes ---- */

static int use_process(weft_future *(*use)(weft_process *process), const char *command)
{
    weft_value value = {.ptr = NULL};
    weft_future *starting = weft_process_start(&(struct weft_process_options){
        .shell = command, .in = WEFT_STDIO_PIPE, .out = WEFT_STDIO_PIPE, .err = WEFT_STDIO_PIPE});
    int status = weft_test_run(weft_ref(starting));
    if (status == 0)
        status = weft_future_take(starting, &value);
    weft_unref(starting);
    if (status == 0)
        status = weft_test_run(use(value.ptr));
    weft_process_free(value.ptr);
    return status;
}

static weft_future *say(weft_process *process)
{
    return weft_process_communicate(process, "input", 5, 0);
}

static int communicate(void)
{
    return use_process(say, "cat");
}

static int stop(void)
{
    return use_process(weft_process_stop, "exec sleep 1000");
}

Test(every_operation, of_processes_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(communicate);
    weft_test_every_lack_of_memory(stop);
    weft_test_loop_end();
}

/* ---- Loops ---- */

static int make_loop(void)
{
    weft_loop *loop = weft_testing_loop_new(1);
    int status = loop ? weft_loop_run_until(loop, weft_sleep(1)) : -errno;
    weft_loop_free(loop);
    return status;
}

static int make_pool(void)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    int status = pool ? 0 : -errno;
    weft_pool_unref(pool);
    return status;
}

Test(every_operation, that_makes_loops_and_pools_survives_every_lack_of_memory)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    weft_test_every_lack_of_memory(make_loop);
    weft_test_every_lack_of_memory(make_pool);
    weft_test_loop_end();
}
