/* SPDX-License-Identifier: MIT */
/*
 * weft_post: a call from any thread, as an item of its own in the loop's mailbox. It frees itself
 * before it calls, so that the function may do as it likes.
 */
#include <errno.h>

#include "core/context.h"
#include "core/loop.h"
#include "core/memory.h"

struct post {
    weft__item item;
    weft_call_fn *fn;
    void *arg;
    weft_context *context; /* owned */
};

static void run_post(weft__item *item)
{
    struct post post = *WEFT__CONTAINER(item, struct post, item);
    weft__free(item);
    weft_context **outer = weft__context_enter(&post.context);
    post.fn(post.arg);
    weft__context_leave(outer);
    weft_context_unref(post.context);
}

int weft_post(weft_loop *loop, weft_call_fn *fn, void *arg)
{
    if (!loop || !fn)
        return -EINVAL;
    struct post *post = weft__malloc(sizeof(*post));
    if (!post)
        return -ENOMEM;
    *post = (struct post){
        .item.run = run_post, .fn = fn, .arg = arg, .context = weft_context_current()};
    if (weft__mailbox_put(loop->mailbox, &post->item))
        return 0;
    weft_context_unref(post->context);
    weft__free(post);
    return weft__mailbox_is_inherited(loop->mailbox) ? WEFT_EFORK : -ESHUTDOWN;
}
