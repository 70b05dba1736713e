/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_POOL_H
#define WEFT_TESTS_POOL_H

#include <stddef.h>
#include <weft/pool.h>

/* Let the test's loop use a new pool, which lives as long as the loop. */
weft_pool *use_pool(const struct weft_pool_options *options);

struct weft_pool_stats stats_of(weft_pool *pool);

/* What a thread does in its own time: look again, yielding in between. */
void wait_for_idle(weft_pool *pool, size_t count);
void wait_for_threads(weft_pool *pool, size_t count);

/* A blocking function that does nothing. */
weft_result return_nothing(void *arg);

/* How many threads of the pool are in jobs that their loop has let go. */
unsigned count_abandoned(weft_pool *pool);

#endif
