/* SPDX-License-Identifier: MIT */
/*
 * Waiting, the wrong way and the right way: /block sleeps on the loop, /sleep on a worker. And work
 * that takes all of a CPU: /hash, in a lane of its own.
 */
#define _GNU_SOURCE /* the C library beyond C11 */
#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "site.h"

enum { MAX_SLEEP_MS = 10000, MAX_PASSWORD = CRYPT_MAX_PASSPHRASE_SIZE - 1, HASH_ROUNDS = 50000 };

long wanted_ms(const weft_http_request *request)
{
    const char *text = weft_http_request_query(request, "ms");
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    long ms = strtol(text, &end, 10);
    return *end || errno || ms > MAX_SLEEP_MS ? -1 : ms;
}

static void sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

/* ---- Blocking functions: they run on workers, and know only their arguments ---- */

struct sleep_on_worker {
    long ms;
};

static WEFT_BLOCKING(sleep_on_worker)
{
    sleep_ms(self->ms);
    return weft_ok(0);
}

struct hash_password {
    const char *password;
};

static WEFT_BLOCKING(hash_password)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn("$6$", HASH_ROUNDS, NULL, 0, setting, sizeof(setting)))
        return weft_err(-errno);
    struct crypt_data *work = calloc(1, sizeof(*work));
    if (!work)
        return weft_err(-ENOMEM);
    const char *hash = crypt_r(self->password, setting, work);
    char *copy = hash && *hash != '*' ? strdup(hash) : NULL;
    int error = errno;
    explicit_bzero(work, sizeof(*work));
    free(work);
    return copy ? weft_ok(copy, free) : weft_err(-error);
}

/* ---- Handlers ---- */

struct tell_time {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(tell_time)
{
    WEFT_BEGIN;
    {
        char text[64];
        time_t now = time(NULL);
        struct tm utc;
        size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ\n", gmtime_r(&now, &utc));
        weft_unref(weft_http_respond(self->request, 200, "text/plain", text, len));
    }
    WEFT_END;
}

/* The wrong way: nobody else gets an answer meanwhile. */
struct block {
    WEFT_FRAME;
    weft_http_request *request;
    long ms;
};

static WEFT_ASYNC(block)
{
    WEFT_BEGIN;
    self->ms = wanted_ms(self->request);
    if (self->ms < 0) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "?ms=0 to 10000\n"));
        WEFT_RETURN(0);
    }
    sleep_ms(self->ms);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "slept %ld ms on the loop\n",
                                  self->ms));
    WEFT_END;
}

/* The right way: the same sleep, on a worker. */
struct sleep_well {
    WEFT_FRAME;
    weft_http_request *request;
    long ms;
};

static WEFT_ASYNC(sleep_well)
{
    WEFT_BEGIN;
    self->ms = wanted_ms(self->request);
    if (self->ms < 0) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "?ms=0 to 10000\n"));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT(weft_to_thread(sleep_on_worker, .ms = self->ms));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "slept %ld ms on a worker\n",
                                  self->ms));
    WEFT_END;
}

struct hash {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    weft_bytes *password;
    char *hash;
    int status;
};

static WEFT_ASYNC(hash)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->password, weft_http_read_body(self->request));
    if (self->password->len == 0 || strlen(self->password->data) != self->password->len) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "no password\n"));
        WEFT_RETURN(0);
    }
    if (self->password->len > MAX_PASSWORD) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "too long a password\n"));
        WEFT_RETURN(0);
    }
    WEFT_CATCH_INTO(
        self->status, self->hash,
        weft_to_thread_in(self->site->hashing, hash_password, .password = self->password->data));
    if (self->status == -EAGAIN) { /* the lane is full */
        weft_http_add_header(self->request, "Retry-After", "1");
        WEFT_AWAIT(weft_http_respondf(self->request, 503, "text/plain", "too many at a time\n"));
        WEFT_RETURN(0);
    }
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%s\n", self->hash));
    WEFT_FINALLY;
    weft_bytes_free(self->password);
    free(self->hash);
    WEFT_END;
}

void add_wait_routes(struct site *site)
{
    weft_http_route(site->server, "GET /time", tell_time);
    weft_http_route(site->server, "GET /sleep", sleep_well);
    weft_http_route(site->server, "GET /block", block);
    weft_http_route(site->server, "POST /hash", hash, .site = site);
}
