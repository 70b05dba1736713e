/* SPDX-License-Identifier: MIT */
/* Guide: my loop is slow. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

/* ---- Work: orders, sorted in the worst way ---- */

enum { ORDERS = 40000 };

static int orders[ORDERS];

static void read_orders(void)
{
    for (int i = 0; i < ORDERS; i++)
        orders[i] = ORDERS - i;
}

static void sort_orders(void)
{
    for (int i = 0; i < ORDERS; i++) {
        for (int j = 0; j + 1 < ORDERS - i; j++) {
            int first = orders[j], second = orders[j + 1];
            orders[j] = first < second ? first : second;
            orders[j + 1] = first < second ? second : first;
        }
    }
}

/* ---- On the loop: do not do this ---- */

struct make_report {
    WEFT_FRAME;
};

static WEFT_ASYNC(make_report)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    read_orders();
    sort_orders();
    printf("the best order is number %d\n", orders[0]);
    WEFT_END;
}

/* ---- On a worker ---- */

struct sort_apart {
    int unused;
};

static WEFT_BLOCKING(sort_apart)
{
    read_orders();
    sort_orders();
    return weft_ok(self->unused);
}

struct make_report_apart {
    WEFT_FRAME;
};

static WEFT_ASYNC(make_report_apart)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread(sort_apart, .unused = 0));
    printf("the best order is number %d\n", orders[0]);
    WEFT_END;
}

/* ---- Who is told ---- */

static void tell(const struct weft_blocked_report *report, void *arg)
{
    char text[8192];
    (void)arg;
    if (weft_blocked_write(report, WEFT_BLOCKED_TEXT, text, sizeof(text)) > 0)
        fputs(text, stderr);
    if (report->stage == WEFT_BLOCKED_FOUND)
        printf("the loop is held up by the task %s\n", report->task ? report->task : "?");
}

struct main_task {
    WEFT_FRAME;
    struct weft_watchdog_stats before, after;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    weft_loop_set_block_handler(weft_loop_current(), tell, NULL);
    WEFT_AWAIT(weft_spawn(make_report));
    weft_watchdog_get_stats(&self->before);
    WEFT_AWAIT(weft_spawn(make_report_apart));
    weft_watchdog_get_stats(&self->after);
    printf("on a worker it holds up nobody: %s\n",
           self->after.blocks == self->before.blocks ? "yes" : "no");
    WEFT_END;
}

int main(void)
{
    setenv("WEFT_WATCHDOG", "100", 0); /* unless it is set: WEFT_WATCHDOG=50 ./slow_loop */
    return weft_run(main_task);
}
