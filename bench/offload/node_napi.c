/* SPDX-License-Identifier: MIT */
/*
 * An addon for node.js: submit(slot, sleepUs) queues a napi_async_work, for libuv's pool; the
 * function given to setCallback() is called with the slot on node's thread.
 */
#include <node_api.h>
#include <stdlib.h>
#include <time.h>

struct job {
    napi_async_work work;
    int slot, sleep_us;
};

static napi_ref callback;

static void execute(napi_env env, void *arg)
{
    struct job *job = arg;
    struct timespec time = {job->sleep_us / 1000000, job->sleep_us % 1000000 * 1000};
    (void)env;
    if (job->sleep_us)
        nanosleep(&time, NULL);
}

static void complete(napi_env env, napi_status status, void *arg)
{
    struct job *job = arg;
    napi_value function, global, slot;
    (void)status;
    napi_get_reference_value(env, callback, &function);
    napi_get_global(env, &global);
    napi_create_int32(env, job->slot, &slot);
    napi_delete_async_work(env, job->work);
    free(job);
    napi_call_function(env, global, function, 1, &slot, NULL);
}

static napi_value submit(napi_env env, napi_callback_info info)
{
    size_t count = 2;
    napi_value args[2], name;
    struct job *job = malloc(sizeof(*job));
    if (!job)
        abort();
    napi_get_cb_info(env, info, &count, args, NULL, NULL);
    napi_get_value_int32(env, args[0], &job->slot);
    napi_get_value_int32(env, args[1], &job->sleep_us);
    napi_create_string_utf8(env, "job", 3, &name);
    napi_create_async_work(env, NULL, name, execute, complete, job, &job->work);
    napi_queue_async_work(env, job->work);
    return NULL;
}

static napi_value set_callback(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value function;
    napi_get_cb_info(env, info, &count, &function, NULL, NULL);
    napi_create_reference(env, function, 1, &callback);
    return NULL;
}

NAPI_MODULE_INIT()
{
    napi_value function;
    napi_create_function(env, "submit", NAPI_AUTO_LENGTH, submit, NULL, &function);
    napi_set_named_property(env, exports, "submit", function);
    napi_create_function(env, "setCallback", NAPI_AUTO_LENGTH, set_callback, NULL, &function);
    napi_set_named_property(env, exports, "setCallback", function);
    return exports;
}
