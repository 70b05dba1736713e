/* SPDX-License-Identifier: MIT */
/*
 * weft_post: a call from any thread, as an item of its own in the loop's mailbox.
 *
 * Its memory is asked for on one thread and given back on another, which is the dearest thing that can
 * be done with malloc(). So each thread has a sheet of posts that it fills from the front, and asks for
 * the next one when it is full. A sheet counts those of its posts that are needed still, the blank ones
 * included; whoever takes the last one frees it, the loop or the thread that ends. There is one
 * allocation for a whole sheet, and no sheet lasts longer than its posts and its thread.
 *
 * A post gives itself back before it calls, so that the function may do as it likes.
 *
 * Failure modes: a thread whose end nobody would tell us of (no memory for that, or it is ending already:
 * the destructors of its other keys may post until the very last of them) gets sheets of one. In a
 * forked child the sheets that other threads were filling are never full, and stay.
 */
#include "core/post.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/context.h"
#include "core/loop.h"
#include "core/memory.h"

enum { POSTS = 62 }; /* 2.5 KiB */

struct sheet;

struct post {
    weft__item item;
    weft_call_fn *fn;
    void *arg;
    weft_context *context; /* owned */
    struct sheet *sheet;   /* [const] */
};

struct sheet {
    atomic_uint
        needed;      /* [atomic] posts that are blank, under way or queued; the last one's decrement
                           acquires what the others released */
    unsigned filled; /* [its thread] */
    struct post posts[];
};

static _Thread_local struct sheet *own __attribute__((tls_model("initial-exec"))); /* NULL: none */
static _Thread_local bool ending __attribute__((tls_model("initial-exec"))); /* we were told */
static pthread_key_t key; /* its value is `own`, for the end of the thread */
static bool has_key;      /* [const] after `once` */

static void give_back(struct sheet *sheet, unsigned posts)
{
    if (posts && atomic_fetch_sub_explicit(&sheet->needed, posts, memory_order_acq_rel) == posts)
        weft__free(sheet);
}

/* What is blank on this thread's sheet will not be filled. */
static void leave_sheet(struct sheet *sheet)
{
    own = NULL;
    give_back(sheet, POSTS - sheet->filled);
}

/* A sheet that was filled is not `own` any more, and not to be touched. */
static void thread_ends(void *unused)
{
    (void)unused;
    ending = true;
    weft__posts_leave();
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, thread_ends) == 0;
}

/* With one post only if this thread's end would not be heard of. */
static struct sheet *new_sheet(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    struct sheet *sheet = weft__malloc(sizeof(*sheet) + POSTS * sizeof(struct post));
    if (!sheet)
        return NULL;
    atomic_init(&sheet->needed, POSTS);
    sheet->filled = 0;
    own = sheet;
    if (!has_key || ending || pthread_setspecific(key, sheet) != 0) {
        sheet->filled = POSTS - 1;
        give_back(sheet, POSTS - 1);
    }
    return sheet;
}

static struct post *next_blank(void)
{
    struct sheet *sheet = own ? own : new_sheet();
    if (!sheet)
        return NULL;
    struct post *post = &sheet->posts[sheet->filled++];
    post->sheet = sheet;
    if (sheet->filled == POSTS)
        own = NULL;
    return post;
}

void weft__posts_leave(void)
{
    if (own)
        leave_sheet(own);
}

static void run_post(weft__item *item)
{
    struct post post = *WEFT__CONTAINER(item, struct post, item);
    give_back(post.sheet, 1);
    weft_context **outer = weft__context_enter(&post.context);
    post.fn(post.arg);
    weft__context_leave(outer);
    weft_context_unref(post.context);
}

int weft_post(weft_loop *loop, weft_call_fn *fn, void *arg)
{
    if (!loop || !fn)
        return -EINVAL;
    struct post *post = next_blank();
    if (!post)
        return -ENOMEM;
    post->item.run = run_post;
    post->fn = fn;
    post->arg = arg;
    post->context = weft_context_current();
    if (weft__mailbox_put(loop->mailbox, &post->item))
        return 0;
    weft_context_unref(post->context);
    give_back(post->sheet, 1);
    return weft__mailbox_is_inherited(loop->mailbox) ? WEFT_EFORK : -ESHUTDOWN;
}
