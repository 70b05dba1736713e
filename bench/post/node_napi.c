/* SPDX-License-Identifier: MIT */
/*
 * An addon for node.js: start(producers, ofEach, callback) starts threads that call a threadsafe
 * function; the callback runs on node's thread.
 */
#include <node_api.h>
#include <pthread.h>
#include <stdlib.h>

static napi_threadsafe_function function;
static int of_each;

static void call(napi_env env, napi_value callback, void *context, void *data)
{
    napi_value global;
    (void)context, (void)data;
    if (!env)
        return;
    napi_get_global(env, &global);
    napi_call_function(env, global, callback, 0, NULL, NULL);
}

static void *produce(void *arg)
{
    (void)arg;
    for (int i = 0; i < of_each; i++)
        napi_call_threadsafe_function(function, NULL, napi_tsfn_blocking);
    napi_release_threadsafe_function(function, napi_tsfn_release);
    return NULL;
}

static napi_value start(napi_env env, napi_callback_info info)
{
    size_t count = 3;
    napi_value args[3], name;
    int producers;
    napi_get_cb_info(env, info, &count, args, NULL, NULL);
    napi_get_value_int32(env, args[0], &producers);
    napi_get_value_int32(env, args[1], &of_each);
    napi_create_string_utf8(env, "post", 4, &name);
    napi_create_threadsafe_function(env, args[2], NULL, name, 0, (size_t)producers, NULL, NULL,
                                    NULL, call, &function);
    for (int i = 0; i < producers; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, produce, NULL) != 0)
            abort();
        pthread_detach(thread);
    }
    return NULL;
}

NAPI_MODULE_INIT()
{
    napi_value exported;
    napi_create_function(env, "start", NAPI_AUTO_LENGTH, start, NULL, &exported);
    napi_set_named_property(env, exports, "start", exported);
    return exports;
}
