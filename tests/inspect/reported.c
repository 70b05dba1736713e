/* SPDX-License-Identifier: MIT */
/*
 * The watchdog's reports on two tasks of this program, each as text and as a line of JSON: one waits in a
 * static function, one computes. Lines they are to name are marked as in victim.c.
 */
#include "tests/inspect/reported.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

static int fds[2];
static atomic_bool is_told;
static volatile int sink;

/* The first report on each lets it go. */
static void tell(const struct weft_blocked_report *report, void *arg)
{
    static char text[65536];
    (void)arg;
    if (report->stage != WEFT_BLOCKED_FOUND)
        return;
    printf("== report %s\n", report->syscall ? "waits" : "computes");
    for (int format = WEFT_BLOCKED_TEXT; format <= WEFT_BLOCKED_JSON; format++)
        if (weft_blocked_write(report, (enum weft_blocked_format)format, text, sizeof(text)) > 0)
            printf("%s%s", text, format == WEFT_BLOCKED_JSON ? "\n" : "");
    for (size_t i = 0; i < report->frame_count; i++) /* for addr2line */
        if (!report->frames[i].function[0])
            printf("? %s+%#lx\n", report->frames[i].module,
                   (unsigned long)report->frames[i].offset);
    atomic_store(&is_told, true);
    sink += (int)write(fds[1], "x", 1);
}

APART static void hold(void)
{
    char byte = 0;
    sink += (int)read(fds[0], &byte, 1); /* HERE hold */
    sink++;
}

APART static void compute(void)
{
    atomic_store(&is_told, false);
    while (!atomic_load_explicit(&is_told, memory_order_relaxed)) /* HERE compute */
        sink++;                                                   /* HERE compute */
    sink++;
}

struct waits {
    WEFT_FRAME;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(1)); /* HERE await */
    hold();                    /* HERE holding */
    sink++;
    WEFT_END;
}

struct computes {
    WEFT_FRAME;
};

static WEFT_ASYNC(computes)
{
    WEFT_BEGIN;
    compute(); /* HERE computing */
    sink++;
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *slow;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->slow = weft_spawn(waits); /* HERE spawn */
    if (weft_task_set_name(self->slow, "the slow one") < 0)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT(self->slow);
    WEFT_AWAIT(weft_call(computes)); /* HERE call */
    WEFT_END;
}

int report(void)
{
    struct weft_loop_options options = {.watchdog = WEFT_MS(20)};
    weft_loop *loop = weft_loop_new(&options);
    if (!loop || pipe(fds) < 0)
        return 1;
    weft_loop_set_block_handler(loop, tell, NULL);
    int status = weft_loop_run_until(loop, weft_spawn(main_task)); /* HERE root */
    weft_loop_free(loop);
    return status < 0;
}
