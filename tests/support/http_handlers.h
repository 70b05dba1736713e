/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_HTTP_HANDLERS_H
#define WEFT_TESTS_HTTP_HANDLERS_H

#include <stddef.h>
#include <weft/http_server.h>

/* What the handlers did last. */
extern struct test_handled {
    int status;       /* how the last await ended that the handler looked at */
    int writes;       /* weft_http_write() that succeeded */
    size_t cancelled; /* handlers of /sleep that were cancelled */
    size_t ended;     /* handlers of /sleep that ended by themselves */
    size_t most;      /* the most that waited to be sent */
} test_handled;

/*
 * GET /hello          "hello"                    GET /describe[/...]  what the request says
 * POST /echo          the body, read whole       POST /count          how long the body is, streamed
 * /sleep?ms=          sleeps, then "slept"       GET /chunks          "one", "two", "three" in chunks
 * GET /sized?say=     12 bytes promised          GET /endless         64 KiB at a time, for ever
 * GET /fail?when=     fails: before, middle, after, short, nothing
 * GET /headers        adds headers, good and bad
 * GET /big            1 MiB in one piece         POST /late           answers, then reads the body
 * GET /long?ms=       431, with texts of that length    GET /misuse  does it all wrong
 * POST /drop[?wait=yes]  begins to read the body and does not wait for it
 * POST /twice         reads the body twice
 * POST /swallow       reads the body, ignores the failure, answers 200
 */
void test_http_handlers(weft_http_server *server);

#endif
