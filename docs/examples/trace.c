/* SPDX-License-Identifier: MIT */
/*
 * A trace of a part of a program. WEFT_TRACE=trace.json ./trace records one from the beginning.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/job.h>
#include <weft/trace.h>
#include <weft/weft.h>

/* Blocks, as a query of a database does. */
struct query {
    int number;
};

static WEFT_BLOCKING(query)
{
    poll(NULL, 0, 2); /* ms */
    return weft_ok(self->number * self->number);
}

struct page {
    WEFT_FRAME;
    int number;
    int64_t answer;
    int words;
};

static WEFT_ASYNC(page)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->answer, weft_to_thread(query, .number = self->number));

    weft_trace_begin("render");
    for (const char *at = "what a page is made of"; at; at = strchr(at + 1, ' '))
        self->words++;
    weft_trace_end();

    weft_trace_mark("page is ready", self->number);
    WEFT_END;
}

/* How often something is in a trace. */
static int times(const char *trace, const char *what)
{
    int count = 0;
    while ((trace = strstr(trace, what))) {
        trace += strlen(what);
        count++;
    }
    return count;
}

/* It takes long: in a job. */
struct save {
    const char *path;
};

static WEFT_BLOCKING(save)
{
    int status = weft_trace_write(self->path);
    return status < 0 ? weft_err(status) : weft_ok(0);
}

struct main_task {
    WEFT_FRAME;
    bool is_ours; /* and not one that WEFT_TRACE began */
    char *trace;  /* owned */
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->is_ours = weft_trace_start(NULL) == 0;
    WEFT_AWAIT(weft_gather(weft_spawn(page, .number = 1), weft_spawn(page, .number = 2),
                           weft_spawn(page, .number = 3)));
    if (self->is_ours)
        weft_trace_stop();
    WEFT_AWAIT(weft_to_thread(save, .path = "/dev/null"));

    if (weft_trace_read(&self->trace, NULL) < 0)
        WEFT_FAIL(-ENOMEM);
    printf("%d steps of a page\n", times(self->trace, "\"name\":\"page\",\"ph\":\"X\""));
    printf("%d queries on workers\n", times(self->trace, "\"name\":\"query\",\"ph\":\"X\""));
    printf("%d arrows from a query to its page\n",
           times(self->trace, "\"name\":\"job\",\"ph\":\"f\""));
    printf("%d times rendered\n", times(self->trace, "\"name\":\"render\""));

    WEFT_FINALLY;
    free(self->trace);
    if (self->is_ours)
        weft_trace_discard();
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
