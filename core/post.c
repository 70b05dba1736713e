/* SPDX-License-Identifier: MIT */
/*
 * weft_post: a call from any thread, as an item of its own in the loop's mailbox.
 *
 * Its memory is asked for on one thread and given back on another, which is the dearest thing that can
 * be done with malloc(): the two meet at a lock, and what grows there is asked of the kernel bit by
 * bit. So each thread has a sheet of posts that it fills from the front, and asks for the next one, of
 * twice as many up to a bound, when it is full. A sheet counts those of its posts that are needed still,
 * the blank ones included; whoever takes the last one frees it, the loop or the thread that ends. There is
 * one allocation for a whole sheet, and no sheet lasts longer than its posts and its thread.
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

enum { FEWEST = 42, MOST = 8 * FEWEST }; /* posts of a sheet: 2 KiB to 16 KiB */

struct sheet;

struct post {
    weft__item item;
    weft_call_fn *fn;
    void *arg;
    weft_context *context; /* owned */
    struct sheet *sheet;   /* [const] */
};

struct sheet {
    /* [atomic] posts that are blank, under way or queued; the last one's decrement acquires what the
     * others released */
    atomic_uint needed;
    struct post posts[];
};

/* Not in the sheet, to which loops write at the same time. */
static _Thread_local struct {
    struct sheet *sheet; /* NULL: none */
    unsigned posts;      /* of this sheet, or the last one; 0: there was none yet */
    unsigned filled;     /* of these */
} own __attribute__((tls_model("initial-exec")));
static _Thread_local bool ending __attribute__((tls_model("initial-exec"))); /* we were told */
static pthread_key_t key; /* its value is only to be told of the end of the thread */
static bool has_key;      /* [const] after `once` */

static void give_back(struct sheet *sheet, unsigned posts)
{
    if (posts && atomic_fetch_sub_explicit(&sheet->needed, posts, memory_order_acq_rel) == posts)
        weft__free(sheet);
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

/* Twice as many as the last time, since that was not enough. One only if this thread's end would not be
 * heard of. */
static unsigned how_many(void)
{
    if (!has_key || ending || pthread_setspecific(key, &own) != 0)
        return 1;
    if (own.posts < FEWEST)
        return FEWEST;
    return own.posts < MOST ? own.posts * 2 : MOST;
}

static struct sheet *new_sheet(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    unsigned posts = how_many();
    struct sheet *sheet = weft__malloc(sizeof(*sheet) + posts * sizeof(struct post));
    if (!sheet)
        return NULL;
    atomic_init(&sheet->needed, posts);
    own.sheet = sheet;
    own.posts = posts;
    own.filled = 0;
    return sheet;
}

static struct post *next_blank(void)
{
    struct sheet *sheet = own.sheet ? own.sheet : new_sheet();
    if (!sheet)
        return NULL;
    struct post *post = &sheet->posts[own.filled++];
    post->sheet = sheet;
    if (own.filled == own.posts)
        own.sheet = NULL;
    return post;
}

/* What is blank on this thread's sheet will not be filled. */
void weft__posts_leave(void)
{
    if (own.sheet)
        give_back(own.sheet, own.posts - own.filled);
    own.sheet = NULL;
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

uintptr_t weft__post_function(const weft__item *item)
{
    if (item->run != run_post)
        return 0;
    return (uintptr_t)WEFT__CONTAINER((weft__item *)item, struct post, item)->fn;
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
