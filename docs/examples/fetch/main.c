/* SPDX-License-Identifier: MIT */
/*
 * fetch URL...: fetch pages at the same time; tell the status, size and time of each. See
 * docs/programs/fetch.md.
 *
 * A task for each URL, in one scope; a semaphore lets -j of them go at a time. Bodies are counted piece
 * by piece, never kept. What fails is told like what succeeds, so no child ends the others.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/http_client.h>
#include <weft/weft.h>

enum { MIB = 1 << 20 };
static const double MOST_AT_ONCE = 10000;

static const char help[] =
    "usage: fetch [-j N] [-t SECONDS] [--ca FILE] URL...\n"
    "  -j N        at the same time (20)\n"
    "  -t SECONDS  for each, at most (30)\n"
    "  --ca FILE   trust these certificates instead of the system's\n"
    "Prints a line for each as it is done: status, bytes, milliseconds, URL.\n";

struct options {
    size_t at_once;
    weft_ns timeout;
    const char *ca_file;
    char **urls; /* ended by NULL */
    size_t count;
};

struct totals {
    size_t done, failed;
    uint64_t bytes;
};

struct fetch_one {
    WEFT_FRAME;
    weft_http_session *session;
    const char *url;
    struct totals *totals;
    weft_http_response *response;
    weft_ns begin;
    uint64_t bytes;
    size_t len;
    char piece[16 * 1024];
};

/* Counts the body; the value is the response's status. */
static WEFT_ASYNC(fetch_one)
{
    WEFT_BEGIN;
    self->begin = weft_now();
    WEFT_AWAIT_INTO(self->response, weft_http_get(self->session, self->url));
    do {
        WEFT_AWAIT_INTO(self->len,
                        weft_http_response_read(self->response, self->piece, sizeof(self->piece)));
        self->bytes += self->len;
        self->totals->bytes += self->len;
    } while (self->len);
    printf("%3d %10" PRIu64 " %6" PRId64 " ms  %s\n", weft_http_status(self->response), self->bytes,
           (weft_now() - self->begin) / WEFT_MS(1), self->url);
    WEFT_RETURN(weft_http_status(self->response));

    WEFT_FINALLY;
    weft_http_response_free(self->response);
    WEFT_END;
}

struct take_turn {
    WEFT_FRAME;
    weft_http_session *session;
    weft_semaphore *turns;
    const char *url;
    struct totals *totals;
    int status, http_status;
    bool has_turn;
};

static WEFT_ASYNC(take_turn)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_semaphore_acquire(self->turns));
    self->has_turn = true;
    WEFT_CATCH_INTO(
        self->status, self->http_status,
        weft_call(fetch_one, .session = self->session, .url = self->url, .totals = self->totals));
    if (self->status == -ECANCELED)
        WEFT_FAIL(self->status);
    if (self->status < 0)
        printf("  -          -      - ms  %s: %s\n", self->url, WEFT_CAUGHT_MESSAGE);
    fflush(stdout);
    self->totals->done++;
    self->totals->failed += self->status < 0 || self->http_status >= 400;

    WEFT_FINALLY;
    if (self->has_turn)
        weft_semaphore_release(self->turns);
    WEFT_END;
}

struct show_progress {
    WEFT_FRAME;
    const struct totals *totals;
    size_t count;
};

static WEFT_ASYNC(show_progress)
{
    WEFT_BEGIN;
    for (;;) {
        fprintf(stderr, "\r%zu of %zu, %" PRIu64 " MiB ", self->totals->done, self->count,
                self->totals->bytes / MIB);
        WEFT_AWAIT(weft_sleep(WEFT_MS(100)));
    }
    WEFT_FINALLY;
    fputs("\r\033[K", stderr);
    WEFT_END;
}

struct fetch_all {
    WEFT_FRAME;
    const struct options *options;
    weft_http_session *session;
    weft_semaphore *turns;
    weft_scope *scope;
    weft_future *progress;
    struct totals totals;
    weft_ns begin;
    int status;
};

static int set_up(struct fetch_all *self)
{
    const struct options *options = self->options;
    struct weft_http_session_options session = {.flags = WEFT_HTTP_STREAM,
                                                .ca_file = options->ca_file,
                                                .max_requests = options->at_once,
                                                .timeouts = {.total = options->timeout}};
    self->begin = weft_now();
    self->session = weft_http_session_new(&session);
    self->turns = weft_semaphore_new(options->at_once, 0);
    if (!self->session || !self->turns)
        return -errno;
    if (isatty(STDERR_FILENO))
        self->progress =
            weft_spawn(show_progress, .totals = &self->totals, .count = options->count);
    return 0;
}

static WEFT_ASYNC(fetch_all)
{
    WEFT_BEGIN;
    self->status = set_up(self);
    if (self->status < 0)
        WEFT_FAIL(self->status, "no session: %s", weft_strerror(self->status));
    self->scope = weft_scope_open(&(struct weft_scope_options){.forgets = true});
    for (char **url = self->options->urls; *url; url++)
        weft_scope_spawn(self->scope, take_turn, .session = self->session, .turns = self->turns,
                         .url = *url, .totals = &self->totals);
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_AWAIT(weft_http_session_close(self->session));

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    if (self->progress) {
        weft_cancel(self->progress);
        WEFT_CATCH(self->status, self->progress);
    }
    printf("%zu of %zu, %zu failed, %" PRIu64 " bytes, %" PRId64 " ms\n", self->totals.done,
           self->options->count, self->totals.failed, self->totals.bytes,
           (weft_now() - self->begin) / WEFT_MS(1));
    weft_http_session_free(self->session);
    weft_semaphore_free(self->turns);
    if (WEFT_OUTCOME == 0)
        WEFT_RETURN(self->totals.failed ? 1 : 0);
    WEFT_END;
}

/* ---- Options ---- */

static bool read_options(char **args, struct options *ret)
{
    *ret = (struct options){.at_once = 20, .timeout = WEFT_S(30)};
    for (; *args && **args == '-'; args += 2) {
        char *end = args[1];
        double number = args[1] ? strtod(args[1], &end) : 0;
        if (!args[1])
            return false;
        if (strcmp(*args, "--ca") == 0) {
            ret->ca_file = args[1];
            continue;
        }
        if (*end || !(number > 0) || number > 1e6)
            return false;
        if (strcmp(*args, "-t") == 0)
            ret->timeout = (weft_ns)(number * 1e9);
        else if (strcmp(*args, "-j") == 0 && number >= 1 && number <= MOST_AT_ONCE)
            ret->at_once = (size_t)number;
        else
            return false;
    }
    ret->urls = args;
    while (args[ret->count])
        ret->count++;
    return ret->count > 0;
}

int main(int argc, char **argv)
{
    struct options options;
    (void)argc;
    if (!read_options(argv + 1, &options)) {
        fputs(help, stderr);
        return 2;
    }
    return weft_run(fetch_all, .options = &options);
}
