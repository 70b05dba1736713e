/* SPDX-License-Identifier: MIT */
/*
 * weft: a callback in the caller's memory for each post, as if each were part of an object that is
 * handed to the loop. With MODE_=alloc it is weft_post(), which allocates.
 */
#include <stdbool.h>
#include <weft/weft.h>

#include "../common/post.h"

static weft_loop *loop;
static bool allocates;
static struct weft_callback *callbacks;
static int started; /* threads */

static void ran(void *arg)
{
    (void)arg;
    if (post_ran())
        weft_loop_stop(loop);
}

/* The next one of this thread's share. */
static struct weft_callback *next_callback(void)
{
    static _Thread_local struct weft_callback *next;
    if (!next)
        next = callbacks + post.of_each * __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
    return next++;
}

static void peer_post(void)
{
    int status = allocates ? weft_post(loop, ran, NULL) : weft_callback_post(loop, next_callback());
    if (status < 0)
        die("a post");
}

int main(int argc, char **argv)
{
    post_args(argc, argv);
    allocates = is_set("MODE_", "alloc");
    loop = weft_loop_new(NULL);
    if (!loop)
        die("weft_loop_new");
    callbacks = allocate((size_t)post.posts, sizeof(*callbacks));
    for (long i = 0; i < post.posts && !allocates; i++)
        weft_callback_init(&callbacks[i], ran, NULL);
    post_start();
    int status = weft_loop_run(loop);
    weft_loop_free(loop);
    free(callbacks);
    return status < 0;
}
