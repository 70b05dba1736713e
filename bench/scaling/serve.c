/* SPDX-License-Identifier: MIT */
/*
 * As many loops as LOOPS says, each on a thread of its own, behind one port: each listens by itself,
 * and the kernel spreads the connections over them (WEFT_LISTEN_REUSE_PORT).
 *
 * Each request computes for about 50 us, so that the client, on the same two CPUs, needs little of
 * them beside the server.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/http_server.h>
#include <weft/weft.h>

enum { STEPS = 40000, MAX_LOOPS = 256 };

static atomic_uint listening; /* loops that do */

struct compute {
    WEFT_FRAME;
    weft_http_request *request;
};

/* A chain of multiplications, each of which has to wait for the one before. */
static uint64_t computed(uint64_t number)
{
    for (int i = 0; i < STEPS; i++)
        number = number * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return number;
}

static WEFT_ASYNC(compute)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%016llx",
                                  (unsigned long long)computed((uintptr_t)self)));
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    const char *port;
    unsigned loops;
    weft_http_server *server;
    char address[32];
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    static const struct weft_http_server_options options = {.flags = WEFT_LISTEN_REUSE_PORT};
    snprintf(self->address, sizeof(self->address), "127.0.0.1:%s", self->port);
    self->server = weft_http_serve_with(&options, self->address, compute);
    if (!self->server)
        WEFT_FAIL(-errno, "cannot listen on %s", self->address);
    if (atomic_fetch_add(&listening, 1) + 1 == self->loops) {
        printf("listening on %s\n", self->address);
        fflush(stdout);
    }
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_END;
}

struct loop {
    const char *port;
    unsigned loops;
};

static void *run(void *arg)
{
    const struct loop *loop = arg;
    if (weft_run(serve, .port = loop->port, .loops = loop->loops) != 0)
        exit(1);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *loops = getenv("LOOPS");
    struct loop loop = {argc > 1 ? argv[1] : "0", loops ? (unsigned)atoi(loops) : 1};
    if (loop.loops < 1 || loop.loops > MAX_LOOPS)
        return 2;
    for (unsigned i = 1; i < loop.loops; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, &loop) != 0)
            return 1;
    }
    run(&loop);
    return 0;
}
