/* SPDX-License-Identifier: MIT */
/* A test of a program that uses weft: the time stands still, jobs run when they are told to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/testing.h>
#include <weft/weft.h>

/* ---- What is tested: ask a database, at most for 30 s; once more when the first try fails. ---- */

struct query {
    int fails;
};

static WEFT_BLOCKING(query)
{
    return self->fails ? weft_err(-EIO) : weft_ok(42);
}

struct ask {
    WEFT_FRAME;
    int fails;
    int status;
    int64_t answer;
};

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->answer,
                    weft_wait_for(weft_to_thread(query, .fails = self->fails), WEFT_S(30)));
    if (self->status == -EIO) {
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
        WEFT_AWAIT_INTO(self->answer, weft_to_thread(query));
    } else if (self->status < 0) {
        WEFT_FAIL(self->status);
    }
    WEFT_RETURN(self->answer);
    WEFT_END;
}

/* ---- The tests ---- */

struct stage {
    weft_loop *loop;
    weft_pool *pool;
};

static struct stage begin(void)
{
    struct stage stage = {weft_testing_loop_new(0), weft_testing_pool_new(WEFT_TESTING_STEPPED)};
    if (!stage.loop || !stage.pool || weft_loop_set_pool(stage.loop, stage.pool) < 0)
        abort();
    return stage;
}

static void end(struct stage stage)
{
    weft_loop_free(stage.loop);
    weft_pool_unref(stage.pool);
}

static void check(int holds, const char *what, const struct stage *stage)
{
    printf("%s: %s\n", what, holds ? "yes" : "no");
    if (!holds) { /* WEFT_SEED=… shows it again */
        printf("the seed was %llu\n", (unsigned long long)weft_testing_seed(stage->loop));
        exit(1);
    }
}

static void test_limit(void)
{
    struct stage stage = begin();
    weft_future *answer = weft_spawn(ask);
    weft_testing_advance(stage.loop, WEFT_S(29));
    check(!weft_is_done(answer), "after 29 s it still waits", &stage);
    weft_testing_advance(stage.loop, WEFT_S(1));
    check(weft_future_status(answer) == -ETIMEDOUT, "after 30 s it has given up", &stage);
    weft_unref(answer);
    end(stage);
}

static void test_second_try(void)
{
    struct stage stage = begin();
    weft_future *answer = weft_spawn(ask, .fails = 1);
    weft_testing_run_until_blocked(stage.loop);
    weft_testing_pool_step(stage.pool, 1); /* fails */
    weft_testing_advance(stage.loop, WEFT_S(1));
    check(weft_testing_pool_step(stage.pool, 1) == 1, "a second later it asks again", &stage);
    weft_testing_run_until_blocked(stage.loop);
    check(weft_future_value(answer).i64 == 42, "and gets the answer", &stage);
    weft_unref(answer);
    end(stage);
}

/* Whatever allocation fails, the program fails in order or does its work. */
static void test_memory(void)
{
    struct stage stage = begin();
    int failed;
    size_t n = 1;
    do {
        weft_testing_fail_allocation(n++);
        weft_future *answer = weft_spawn(ask);
        weft_testing_run_until_blocked(stage.loop);
        weft_testing_pool_step(stage.pool, 1);
        weft_testing_run_until_blocked(stage.loop);
        failed = weft_testing_allocation_failed();
        if (weft_future_status(answer) != (failed ? -ENOMEM : 0))
            check(0, "it fails with -ENOMEM", &stage);
        weft_unref(answer);
    } while (failed);
    check(1, "out of memory is an error like others", &stage);
    end(stage);
}

int main(void)
{
    test_limit();
    test_second_try();
    test_memory();
    return 0;
}
