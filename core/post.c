/* SPDX-License-Identifier: MIT */
/*
 * weft_post: a call from any thread, as an item of its own in the loop's mailbox. It frees itself
 * before it calls, so that the function may do as it likes.
 */
#include <errno.h>

#include "core/loop.h"
#include "core/memory.h"

struct post {
    weft__item item;
    weft_call_fn *fn;
    void *arg;
};

static void run_post(weft__item *item)
{
    struct post post = *WEFT__CONTAINER(item, struct post, item);
    weft__free(item);
    post.fn(post.arg);
}

int weft_post(weft_loop *loop, weft_call_fn *fn, void *arg)
{
    if (!loop || !fn)
        return -EINVAL;
    struct post *post = weft__malloc(sizeof(*post));
    if (!post)
        return -ENOMEM;
    *post = (struct post){.item.run = run_post, .fn = fn, .arg = arg};
    if (weft__mailbox_put(loop->mailbox, &post->item))
        return 0;
    weft__free(post);
    return -ESHUTDOWN;
}
