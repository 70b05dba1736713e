/* SPDX-License-Identifier: MIT */
/* Guide: errors. */
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

/* ---- Raising one ---- */

struct parse_port {
    WEFT_FRAME;
    const char *text;
    char *end;
    long port;
};

static WEFT_ASYNC(parse_port)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    self->port = strtol(self->text, &self->end, 10);
    if (*self->end || self->port < 1 || self->port > 65535)
        WEFT_FAIL(-EINVAL, "\"%s\" is no port", self->text);
    WEFT_RETURN(self->port);
    WEFT_END;
}

/* ---- Handing it on, and tidying up ---- */

struct serve {
    WEFT_FRAME;
    const char *text;
    char *buffer; /* owned */
    int port;
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    self->buffer = malloc(4096);
    if (!self->buffer)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT_INTO(self->port, weft_call(parse_port, .text = self->text));
    printf("serving on %d\n", self->port);

    WEFT_FINALLY;
    free(self->buffer); /* on every way out */
    WEFT_END;
}

/* ---- Catching it ---- */

struct main_task {
    WEFT_FRAME;
    weft_results *results;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_call(serve, .text = "80a"));
    if (self->status < 0)
        printf("%s: %s (%s)\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE,
               weft_strerror(self->status));

    WEFT_AWAIT_INTO(self->results,
                    weft_gather_with(WEFT_GATHER_ALL, weft_spawn(parse_port, .text = "8080"),
                                     weft_spawn(parse_port, .text = "http")));
    for (size_t i = 0; i < weft_results_count(self->results); i++)
        printf("%zu: %s\n", i,
               weft_results_status(self->results, i) < 0 ? weft_results_message(self->results, i)
                                                         : "a port");

    weft_unref(weft_spawn(serve, .text = "")); /* nobody looks at how this one ends */
    WEFT_AWAIT(weft_sleep(WEFT_MS(10)));

    WEFT_FINALLY;
    weft_results_free(self->results);
    WEFT_END;
}

/* ---- Hearing of what nobody caught ---- */

static void on_error(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    printf("%s: %s: %s\n", report->task, report->what, report->message);
}

int main(void)
{
    weft_loop *loop = weft_loop_new(NULL);
    if (!loop)
        return 1;
    weft_loop_set_error_handler(loop, on_error, NULL);
    int status = weft_loop_run_until(loop, weft_spawn(main_task));
    weft_loop_free(loop);
    return status < 0;
}
