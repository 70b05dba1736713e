/* SPDX-License-Identifier: MIT */
/* An addon of node: block(callback) sleeps for 10 ms in libuv's pool, then calls. */
#include <node_api.h>
#include <stdlib.h>
#include <time.h>

struct job {
    napi_async_work work;
    napi_ref callback;
};

static void run(napi_env env, void *data)
{
    struct timespec length = {.tv_nsec = 10 * 1000 * 1000};
    (void)env;
    (void)data;
    nanosleep(&length, NULL);
}

static void on_done(napi_env env, napi_status status, void *data)
{
    struct job *job = data;
    napi_value callback, receiver;
    (void)status;
    napi_get_reference_value(env, job->callback, &callback);
    napi_get_global(env, &receiver);
    napi_delete_reference(env, job->callback);
    napi_delete_async_work(env, job->work);
    free(job);
    napi_call_function(env, receiver, callback, 0, NULL, NULL);
}

static napi_value block(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value callback, name;
    struct job *job = malloc(sizeof(*job));
    if (!job)
        return NULL;
    napi_get_cb_info(env, info, &count, &callback, NULL, NULL);
    napi_create_reference(env, callback, 1, &job->callback);
    napi_create_string_utf8(env, "block", NAPI_AUTO_LENGTH, &name);
    napi_create_async_work(env, NULL, name, run, on_done, job, &job->work);
    napi_queue_async_work(env, job->work);
    return NULL;
}

/* What node calls when it has loaded the addon. */
NAPI_MODULE_EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports);

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    napi_value function;
    napi_create_function(env, "block", NAPI_AUTO_LENGTH, block, NULL, &function);
    napi_set_named_property(env, exports, "block", function);
    return exports;
}
