/* SPDX-License-Identifier: MIT */
/* Guide: never block the loop. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

/* ---- Work: how many primes are there below a number? It computes, and waits for nothing. ---- */

static bool is_prime(int64_t number)
{
    for (int64_t divisor = 2; divisor * divisor <= number; divisor++) {
        if (number % divisor == 0)
            return false;
    }
    return number > 1;
}

static int64_t primes_between(int64_t from, int64_t below)
{
    int64_t count = 0;
    for (; from < below; from++)
        count += is_prime(from);
    return count;
}

/* ---- On a worker ---- */

struct count_primes {
    int64_t below;
};

static WEFT_BLOCKING(count_primes)
{
    return weft_ok(primes_between(0, self->below));
}

struct on_a_worker {
    WEFT_FRAME;
    int64_t primes;
};

static WEFT_ASYNC(on_a_worker)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->primes, weft_to_thread(count_primes, .below = 200000));
    printf("a worker counted %lld primes\n", (long long)self->primes);
    WEFT_END;
}

/* ---- On the loop, a little at a time ---- */

struct in_pieces {
    WEFT_FRAME;
    int64_t from, primes;
};

static WEFT_ASYNC(in_pieces)
{
    WEFT_BEGIN;
    for (self->from = 0; self->from < 200000; self->from += 1000) {
        self->primes += primes_between(self->from, self->from + 1000);
        WEFT_YIELD;
    }
    printf("the loop counted %lld primes, a thousand numbers at a time\n", (long long)self->primes);
    WEFT_END;
}

/* ---- On the loop, all at once: do not do this ---- */

struct all_at_once {
    WEFT_FRAME;
};

static WEFT_ASYNC(all_at_once)
{
    WEFT_BEGIN;
    weft_ns until = weft_now() + WEFT_MS(150);
    while (weft_now() < until)
        primes_between(0, 1000);
    WEFT_END;
}

/* ---- Finding what blocks ---- */

static void print_slow_steps(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    if (report->task && strcmp(report->task, "all_at_once") == 0)
        printf("debug mode: %s: %s\n", report->task, report->what);
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    weft_loop_set_error_handler(weft_loop_current(), print_slow_steps, NULL);
    WEFT_AWAIT(weft_spawn(on_a_worker));
    WEFT_AWAIT(weft_spawn(in_pieces));
    WEFT_AWAIT(weft_spawn(all_at_once));
    WEFT_END;
}

int main(void)
{
    setenv("WEFT_DEBUG", "1", 1); /* or from outside: WEFT_DEBUG=1 ./never_block */
    return weft_run(main_task);
}
