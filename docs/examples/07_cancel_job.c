/* SPDX-License-Identifier: MIT */
/* Tutorial, step 7: cancelling a blocking call, one that waits and one that runs. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <weft/weft.h>

struct slow_greeting {
    const char *name;
    atomic_bool *runs; /* borrowed */
};

static WEFT_BLOCKING(slow_greeting)
{
    atomic_store(self->runs, true);
    thrd_sleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    return weft_ok(strlen(self->name));
}

static atomic_bool ada_runs, bob_runs;

struct main_task {
    WEFT_FRAME;
    weft_pool *pool;  /* owned */
    weft_future *ada; /* owned */
    weft_future *bob; /* owned */
    int status;
    int length;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    if (!self->pool || weft_loop_set_pool(weft_loop_current(), self->pool) < 0)
        WEFT_FAIL(-ENOMEM);

    self->ada = weft_to_thread(slow_greeting, .name = "Ada", .runs = &ada_runs);
    self->bob = weft_to_thread(slow_greeting, .name = "Bob", .runs = &bob_runs);
    while (!atomic_load(&ada_runs))
        WEFT_YIELD;
    printf("Ada runs, Bob waits for the only thread\n");

    weft_cancel(self->ada);
    weft_cancel(self->bob);
    WEFT_CATCH(self->status, weft_ref(self->bob));
    printf("Bob: %s\n", weft_error_name(self->status));
    WEFT_CATCH_INTO(self->status, self->length, weft_ref(self->ada));
    printf("Ada: %s, %d letters\n", weft_error_name(self->status), self->length);
    printf("Bob %s\n", atomic_load(&bob_runs) ? "ran" : "never ran");

    WEFT_FINALLY;
    weft_unref(self->bob);
    weft_unref(self->ada);
    weft_pool_unref(self->pool);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
