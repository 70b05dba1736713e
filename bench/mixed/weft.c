/* SPDX-License-Identifier: MIT */
/* weft's HTTP server: /fast is answered by the loop, /slow blocks a thread of the pool first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <weft/http_server.h>
#include <weft/pool.h>
#include <weft/weft.h>

struct fast {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(fast)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", "Hello, World!", 13));
    WEFT_END;
}

struct block {
    struct timespec length;
};

static WEFT_BLOCKING(block)
{
    nanosleep(&self->length, NULL);
    return weft_ok(0);
}

struct slow {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(slow)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread(block, .length = {.tv_nsec = WEFT_MS(10)}));
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", "Hello, World!", 13));
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    const char *port;
    unsigned threads;
    weft_pool *pool;
    weft_http_server *server;
    char address[32];
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    snprintf(self->address, sizeof(self->address), "127.0.0.1:%s", self->port);
    self->pool = weft_pool_new(
        &(struct weft_pool_options){.min_threads = self->threads, .max_threads = self->threads});
    if (!self->pool || weft_loop_set_pool(weft_loop_current(), self->pool) < 0)
        WEFT_FAIL(-ENOMEM, "no pool");
    self->server = weft_http_server_new(NULL);
    weft_http_route(self->server, "GET /fast", fast);
    weft_http_route(self->server, "GET /slow", slow);
    if (weft_http_server_listen(self->server, self->address) < 0)
        WEFT_FAIL(-EADDRINUSE, "cannot listen on %s", self->address);
    printf("listening on %s\n", weft_http_server_address(self->server));
    fflush(stdout);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    weft_pool_unref(self->pool);
    WEFT_END;
}

int main(int argc, char **argv)
{
    return weft_run(serve, .port = argc > 1 ? argv[1] : "0",
                    .threads = argc > 2 ? (unsigned)atoi(argv[2]) : 8);
}
