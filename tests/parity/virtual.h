/* SPDX-License-Identifier: MIT */
/*
 * What virtual.py is to the Python programs: a loop on virtual time, and a few lines that all pairs
 * share.
 */
#ifndef WEFT_TESTS_PARITY_VIRTUAL_H
#define WEFT_TESTS_PARITY_VIRTUAL_H

#include <errno.h>
#include <stdio.h>
#include <weft/weft.h>

/* weft_run(name, .arg = …), on virtual time: 0, or 1 when the coroutine failed. */
#define virtual_run(...) (virtual_loop_new(), virtual_run_until(weft_spawn(__VA_ARGS__)))

/* A loop on virtual time. */
weft_loop *virtual_loop_new(void);

/* Run this thread's loop until `main` (consumed) is done, shut it down and free it. */
int virtual_run_until(weft_future *main);

/* Print the loop's time, in seconds, and a text. */
void say(const char *format, ...) WEFT_PRINTF(1, 2);

/* Call say(text) at the next tick; after a while; when `future` (borrowed) is done. */
void say_soon(const char *text);
void say_later(int seconds, const char *text);
void say_when_done(weft_future *future, const char *text);

/* Print the failures that nobody looked at. */
void say_reports(void);

/* "True" or "False". */
const char *truth(bool what);

/* In words: how a future ended, if it did. A value is a text, or NULL. What is returned is good for
 * the next three calls. */
const char *outcome(weft_future *future);

/* Takes its time, then returns its name or fails. */
struct work {
    WEFT_FRAME;
    const char *name;
    int seconds;
    const char *error;
    int status;
};
WEFT_ASYNC_DECLARE(work);

/* Takes its time; when it is cancelled, cleans up first, and that takes time as well. */
struct tidy {
    WEFT_FRAME;
    const char *name;
    int seconds, cleanup;
    int status;
};
WEFT_ASYNC_DECLARE(tidy);

/* Takes its time; when it is cancelled, returns its name all the same. */
struct stubborn {
    WEFT_FRAME;
    const char *name;
    int seconds;
    int status;
};
WEFT_ASYNC_DECLARE(stubborn);

/* Says which step it is, a tick each. */
struct steps {
    WEFT_FRAME;
    const char *name;
    int count;
    int step;
};
WEFT_ASYNC_DECLARE(steps);

struct awaits {
    WEFT_FRAME;
    weft_future *future;
};
WEFT_ASYNC_DECLARE(awaits);

/* Says how many ticks pass until a task (consumed) is done. */
struct count_ticks {
    WEFT_FRAME;
    const char *what;
    weft_future *task;
    int ticks;
};
WEFT_ASYNC_DECLARE(count_ticks);

#endif
