/* SPDX-License-Identifier: MIT */
/*
 * libuv: a list behind a mutex, and uv_async_send() for each post (libuv coalesces the writes).
 */
#include <uv.h>

#include "../common/post.h"

struct item {
    struct item *next;
};

static uv_async_t async;
static uv_mutex_t mu;
static struct item *first, **end = &first;

static void on_async(uv_async_t *handle)
{
    uv_mutex_lock(&mu);
    struct item *item = first;
    first = NULL;
    end = &first;
    uv_mutex_unlock(&mu);
    while (item) {
        struct item *next = item->next;
        free(item);
        if (post_ran())
            uv_close((uv_handle_t *)handle, NULL);
        item = next;
    }
}

static void peer_post(void)
{
    struct item *item = malloc(sizeof(*item));
    if (!item)
        die("malloc");
    item->next = NULL;
    uv_mutex_lock(&mu);
    *end = item;
    end = &item->next;
    uv_mutex_unlock(&mu);
    uv_async_send(&async);
}

int main(int argc, char **argv)
{
    post_args(argc, argv);
    uv_mutex_init(&mu);
    uv_async_init(uv_default_loop(), &async, on_async);
    post_start();
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
