/* SPDX-License-Identifier: MIT */
#include "tests/support/beside.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "tests/support/loop.h"

struct call {
    void (*fn)(void *arg);
    void *arg;
};

static void stop(void *arg)
{
    (void)arg;
    weft_loop_stop(test_loop);
}

static void *make_call(void *arg)
{
    const struct call *call = arg;
    call->fn(call->arg);
    cr_assert_eq(weft_post(test_loop, stop, NULL), 0);
    return NULL;
}

void weft_test_beside(void (*fn)(void *arg), void *arg)
{
    struct call call = {fn, arg};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, make_call, &call), 0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

void weft_test_take_mail(void)
{
    for (int i = 0; i < 10; i++) {
        while (weft_post(test_loop, stop, NULL) == -ENOMEM) /* once, when it is the one to fail */
            ;
        (void)!weft_loop_run(test_loop);
    }
}
