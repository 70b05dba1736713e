/* SPDX-License-Identifier: MIT */
/* Guide: structured concurrency. */
#include <stdio.h>
#include <weft/weft.h>

/* ---- A child that may fail ---- */

struct fetch {
    WEFT_FRAME;
    const char *name;
    weft_ns delay;
    int status; /* to end with */
};

static WEFT_ASYNC(fetch)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(self->delay));
    if (self->status < 0)
        WEFT_FAIL(self->status, "%s hung up", self->name);
    printf("  %s: done\n", self->name);

    WEFT_FINALLY;
    if (WEFT_OUTCOME == -ECANCELED)
        printf("  %s: cancelled\n", self->name);
    WEFT_END;
}

/* ---- All of them, or none ---- */

struct all_of_them {
    WEFT_FRAME;
    int status; /* of the second one */
    weft_scope *scope;
};

static WEFT_ASYNC(all_of_them)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, fetch, .name = "one", .delay = WEFT_MS(10));
    weft_scope_spawn(self->scope, fetch, .name = "two", .delay = WEFT_MS(20),
                     .status = self->status);
    weft_scope_spawn(self->scope, fetch, .name = "three", .delay = WEFT_MS(30));

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

/* ---- What failed ---- */

struct look_closer {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(look_closer)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_call(all_of_them, .status = -ECONNRESET));
    printf("  %s\n", weft_error_name(self->status));
    for (size_t i = 0; i < weft_errors_count(WEFT_CAUGHT_ERRORS); i++)
        printf("  %s: %s: %s\n", weft_errors_name(WEFT_CAUGHT_ERRORS, i),
               weft_error_name(weft_errors_status(WEFT_CAUGHT_ERRORS, i)),
               weft_errors_message(WEFT_CAUGHT_ERRORS, i));
    WEFT_END;
}

/* ---- A service in the background, ready before we go on ---- */

struct service {
    WEFT_FRAME;
};

static WEFT_ASYNC(service)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(10))); /* bind, listen, … */
    weft_scope_ready(8080);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));

    WEFT_FINALLY;
    printf("  service: closed\n");
    WEFT_END;
}

struct with_service {
    WEFT_FRAME;
    weft_scope *scope;
    int port;
};

static WEFT_ASYNC(with_service)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    WEFT_AWAIT_INTO(self->port, weft_scope_start(self->scope, service));
    printf("  the service is at port %d\n", self->port);
    weft_scope_cancel(self->scope); /* we have had enough of it: no failure */

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    printf("all of them\n");
    WEFT_AWAIT(weft_call(all_of_them));
    printf("one fails\n");
    WEFT_AWAIT(weft_call(look_closer));
    printf("a service\n");
    WEFT_AWAIT(weft_call(with_service));
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
