/* SPDX-License-Identifier: MIT */
/*
 * Driver of the posts: threads post callbacks to the loop thread.
 *
 *     WORKLOAD PEER PRODUCERS POSTS
 *
 * The peer supplies peer_post(), which any thread may call; what it posts calls post_ran() on the
 * loop thread, which is true for the last one.
 */
#ifndef BENCH_COMMON_POST_H
#define BENCH_COMMON_POST_H

#include "bench.h"

static struct {
    const char *workload, *peer;
    int producers;
    long posts, of_each;
    struct usage start;
} post;

/* Written by the loop at each post: on a line that producers do not read. */
static struct {
    long before[8], ran, behind[8];
} post_count;

static pthread_barrier_t post_barrier;

static void peer_post(void);

static inline void post_args(int argc, char **argv)
{
    need_args(argc, argv, 4, "PRODUCERS POSTS");
    post.workload = argv[1];
    post.peer = argv[2];
    post.producers = atoi(argv[3]);
    post.of_each = atol(argv[4]) / post.producers;
    post.posts = post.of_each * post.producers;
}

static inline void *post_produce(void *arg)
{
    (void)arg;
    long count = post.of_each;
    pthread_barrier_wait(&post_barrier);
    for (long i = 0; i < count; i++)
        peer_post();
    return NULL;
}

static inline void post_start(void)
{
    pthread_barrier_init(&post_barrier, NULL, (unsigned)post.producers + 1);
    for (int i = 0; i < post.producers; i++)
        pthread_detach(start_thread(post_produce, NULL));
    post.start = usage_now();
    pthread_barrier_wait(&post_barrier);
}

static inline int post_ran(void)
{
    if (++post_count.ran < post.posts)
        return 0;
    emit_ops(post.workload, post.peer, (double)post.posts, post.start, usage_now());
    return 1;
}

#endif
