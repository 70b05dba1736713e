/* SPDX-License-Identifier: MIT */
/* Guide: stopping work. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

/* Each job says by this that it runs. */
static atomic_int begun;

static void begin(void)
{
    atomic_fetch_add(&begun, 1);
}

struct until_begun {
    WEFT_FRAME;
    int count;
};

static WEFT_ASYNC(until_begun)
{
    WEFT_BEGIN;
    while (atomic_load(&begun) < self->count)
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

/* Wait until a job runs, cancel it, print how it ended. */
struct stop_it {
    WEFT_FRAME;
    weft_future *job; /* owned */
    const char *what;
    int count;
    int status;
};

static WEFT_ASYNC(stop_it)
{
    static const char *const outcomes[] = {"pending", "not started", "finished", "unknown"};
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(until_begun, .count = self->count));
    weft_cancel(self->job);
    WEFT_CATCH(self->status, weft_ref(self->job));
    printf("%s: %s, %s\n", self->what, weft_error_name(self->status),
           outcomes[weft_job_outcome(self->job)]);

    WEFT_FINALLY;
    weft_unref(self->job);
    WEFT_END;
}

/* ---- It looks now and then ---- */

struct count_up {
    uint64_t until;
};

static WEFT_BLOCKING(count_up)
{
    begin();
    for (uint64_t i = 0; i < self->until; i++) {
        if (i % 4096 == 0 && weft_job_cancelled())
            return weft_err(-ECANCELED);
    }
    return weft_ok(0);
}

/* ---- It waits for a descriptor, and for the cancel ---- */

struct read_line {
    int fd; /* borrowed */
};

static WEFT_BLOCKING(read_line)
{
    char line[100];
    begin();
    int ready = weft_job_poll(self->fd, POLLIN, WEFT_FOREVER);
    if (ready < 0)
        return weft_err(ready); /* -ECANCELED */
    ssize_t len = read(self->fd, line, sizeof(line));
    return len < 0 ? weft_err(-errno) : weft_ok(len);
}

/* ---- It sits in a system call ---- */

struct read_byte {
    int fd; /* borrowed */
};

static WEFT_BLOCKING(read_byte)
{
    char byte;
    begin();
    ssize_t len = read(self->fd, &byte, 1); /* interrupted: -1 and EINTR */
    return len < 0 ? weft_err(-errno) : weft_ok(len);
}

/* ---- It cannot be stopped ---- */

struct old_library {
    char *text; /* owned: released when the function has returned */
};

static WEFT_BLOCKING(old_library)
{
    begin();
    thrd_sleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    return weft_ok(strlen(self->text));
}

static void release_text(void *args)
{
    struct old_library *self = args;
    free(self->text);
}

/* ---- It must not be stopped from here on ---- */

struct pay {
    atomic_int *paid; /* borrowed */
};

static WEFT_BLOCKING(pay)
{
    if (weft_job_commit() < 0)
        return weft_err(-ECANCELED);
    begin();
    thrd_sleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    return weft_ok(atomic_fetch_add(self->paid, 1) + 1);
}

/* ---- All of them ---- */

static atomic_int paid;

struct modes {
    WEFT_FRAME;
    int pipe[2];
};

static WEFT_ASYNC(modes)
{
    WEFT_BEGIN;
    if (pipe(self->pipe) < 0)
        WEFT_FAIL(-errno);
    WEFT_AWAIT(weft_call(
        stop_it, .what = "cooperative", .count = 1,
        .job = weft_offload((&(struct weft_job_options){.on_cancel = WEFT_CANCEL_COOPERATIVE}),
                            count_up, .until = UINT64_MAX)));
    WEFT_AWAIT(weft_call(
        stop_it, .what = "cooperative, waiting", .count = 2,
        .job = weft_offload((&(struct weft_job_options){.on_cancel = WEFT_CANCEL_COOPERATIVE}),
                            read_line, .fd = self->pipe[0])));
    WEFT_AWAIT(weft_call(
        stop_it, .what = "interrupt", .count = 3,
        .job = weft_offload((&(struct weft_job_options){.on_cancel = WEFT_CANCEL_INTERRUPT}),
                            read_byte, .fd = self->pipe[0])));
    WEFT_AWAIT(weft_call(
        stop_it, .what = "abandon", .count = 4,
        .job = weft_offload(
            (&(struct weft_job_options){.on_cancel = WEFT_CANCEL_ABANDON, .release = release_text}),
            old_library, .text = strdup("a text"))));
    WEFT_AWAIT(weft_call(
        stop_it, .what = "committed", .count = 5,
        .job = weft_offload((&(struct weft_job_options){.on_cancel = WEFT_CANCEL_COOPERATIVE}), pay,
                            .paid = &paid)));
    printf("paid: %d\n", atomic_load(&paid));

    WEFT_FINALLY;
    close(self->pipe[0]);
    close(self->pipe[1]);
    WEFT_END;
}

/* ---- A limit of time ---- */

struct limited {
    WEFT_FRAME;
    weft_timeout *limit;
    int fd;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    WEFT_TIMEOUT_ENTER(self->limit, WEFT_MS(30));
    WEFT_AWAIT(weft_offload((&(struct weft_job_options){.on_cancel = WEFT_CANCEL_COOPERATIVE}),
                            read_line, .fd = self->fd));
    WEFT_TIMEOUT_EXIT(self->limit);

    WEFT_FINALLY;
    WEFT_TIMEOUT_EXIT(self->limit);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    int pipe[2];
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(modes));
    if (pipe(self->pipe) < 0)
        WEFT_FAIL(-errno);
    WEFT_CATCH(self->status, weft_call(limited, .fd = self->pipe[0]));
    printf("a limit of 30 ms: %s\n", weft_error_name(self->status));

    WEFT_FINALLY;
    close(self->pipe[0]);
    close(self->pipe[1]);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
