/* SPDX-License-Identifier: MIT */
#include "tests/support/blocked.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

static void hear(const struct weft_blocked_report *report, void *arg)
{
    struct listener *listener = arg;
    int at = atomic_load(&listener->total);
    struct told *told = at < MOST_TOLD ? calloc(1, sizeof(*told)) : NULL;
    if (told) {
        told->report = *report;
        (void)!weft_blocked_write(report, WEFT_BLOCKED_TEXT, told->text, sizeof(told->text));
        (void)!weft_blocked_write(report, WEFT_BLOCKED_JSON, told->json, sizeof(told->json));
        listener->told[at] = told;
        atomic_store(&listener->total, at + 1);
    }
    atomic_fetch_add(&listener->count[report->stage], 1);
    if (report->stage == WEFT_BLOCKED_OVER)
        sem_post(&listener->over);
    else
        (void)!write(listener->pipe[1], "x", 1);
}

void listen_to_it(struct listener *listener)
{
    memset(listener, 0, sizeof(*listener));
    cr_assert_eq(pipe(listener->pipe), 0);
    sem_init(&listener->over, 0, 0);
    weft_loop_set_block_handler(test_loop, hear, listener);
}

void stop_listening(struct listener *listener)
{
    weft_loop_set_block_handler(test_loop, NULL, NULL);
    for (int i = 0; i < atomic_load(&listener->total); i++)
        free(listener->told[i]);
    close(listener->pipe[0]);
    close(listener->pipe[1]);
    sem_destroy(&listener->over);
}

bool block_until_told(struct listener *listener)
{
    char byte;
    ssize_t got = -1;
    WEFT_ALLOW_BLOCKING("the watchdog is to see it") {
        got = read(listener->pipe[0], &byte, 1);
    }
    return got == 1;
}

static int heard(struct listener *listener)
{
    return atomic_load(&listener->count[WEFT_BLOCKED_FOUND]) +
           atomic_load(&listener->count[WEFT_BLOCKED_STILL]);
}

void compute_until_told(struct listener *listener)
{
    int before = heard(listener);
    while (heard(listener) == before)
        ;
}

void wait_for_rounds(uint64_t count)
{
    struct weft_watchdog_stats begun, now;
    weft_watchdog_get_stats(&begun);
    do {
        sched_yield();
        weft_watchdog_get_stats(&now);
    } while (now.rounds < begun.rounds + count);
}

uint64_t blocks_reported(void)
{
    struct weft_watchdog_stats stats;
    weft_watchdog_get_stats(&stats);
    return stats.blocks + stats.left_out;
}

void watch_the_loop(weft_ns limit)
{
    struct weft_loop_options options = {.clock = WEFT_CLOCK_VIRTUAL, .watchdog = limit};
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(&options);
    cr_assert_not_null(test_loop);
}
