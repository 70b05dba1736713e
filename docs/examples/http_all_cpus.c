/* SPDX-License-Identifier: MIT */
/*
 * Guide: HTTP servers, on all CPUs. `http_all_cpus ADDRESS` serves until Ctrl-C; without an address,
 * two loops serve where there is room, one of them asks itself once, and stops all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/http_server.h>
#include <weft/notify.h>
#include <weft/run_loops.h>
#include <weft/weft.h>

struct hello {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(hello)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "hello from one of them\n"));
    WEFT_END;
}

struct ask {
    WEFT_FRAME;
    const char *address;
    weft_stream *stream;
    const weft_bytes *line; /* lent by the stream */
};

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    weft_write(self->stream, "GET / HTTP/1.0\r\n\r\n", strlen("GET / HTTP/1.0\r\n\r\n"));
    do {
        WEFT_AWAIT_INTO(self->line, weft_next_line(self->stream, NULL));
    } while (self->line && strncmp(self->line->data, "hello", 5) != 0);
    puts(self->line ? self->line->data : "no answer");
    WEFT_FINALLY;
    weft_stream_free(self->stream);
    WEFT_END;
}

/* ---- On each loop ---- */

struct web {
    WEFT_FRAME;
    const char *address;
    weft_http_server *server;
    int status;
};

static WEFT_ASYNC(web)
{
    static const struct weft_http_server_options shared = {.flags = WEFT_LISTEN_REUSE_PORT};
    WEFT_BEGIN;
    self->server = weft_http_server_new(&shared);
    if (!self->server)
        WEFT_FAIL(-errno);
    weft_http_route(self->server, "GET /", hello);
    self->status =
        weft_http_server_listen(self->server, self->address ? self->address : "127.0.0.1:0");
    if (self->status < 0)
        WEFT_FAIL(self->status, "cannot listen on %s", self->address);
    if (weft_run_loops_index() == 0)
        weft_notify("READY=1"); /* nobody is told unless a service manager asked */
    if (!self->address && weft_run_loops_index() == 0) {
        WEFT_AWAIT(weft_call(ask, .address = weft_http_server_address(self->server)));
        weft_run_loops_stop(); /* as Ctrl-C does */
    }
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER)); /* until it is cancelled */

    WEFT_FINALLY;
    if (self->server)
        WEFT_CATCH(self->status, weft_http_server_shutdown(self->server, WEFT_S(10)));
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(int argc, char **argv)
{
    const struct weft_run_loops_options options = {.loops = argc > 1 ? 0 : 2};
    return weft_run_loops(&options, web, .address = argc > 1 ? argv[1] : NULL);
}
