/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server in a page. `hello_http ADDRESS` serves until Ctrl-C; without an address, it asks
 * itself once and prints the answer.
 */
#include <stdio.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/http_server.h>
#include <weft/weft.h>

struct hello {
    WEFT_FRAME;
    weft_http_request *request;
    const char *greeting;
};

static const char *name_in(const weft_http_request *request)
{
    const char *name = weft_http_request_query(request, "name");
    return name ? name : "world";
}

static WEFT_ASYNC(hello)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%s, %s\n", self->greeting,
                                  name_in(self->request)));
    WEFT_END;
}

/* What a client would do, by hand. */
struct ask {
    WEFT_FRAME;
    const char *address;
    weft_stream *stream;
    weft_bytes *line;
};

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    static const char request[] = "GET /hello?name=weft HTTP/1.1\r\nHost: localhost\r\n\r\n";
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    weft_write(self->stream, request, strlen(request));
    do {
        weft_bytes_free(self->line);
        self->line = NULL;
        WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
        if (strncmp(self->line->data, "Date:", 5) != 0)
            printf("%s", self->line->data);
    } while (strncmp(self->line->data, "hello", 5) != 0);
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    weft_stream_free(self->stream);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    const char *address;
    weft_http_server *server;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->server = weft_http_server_new(NULL);
    weft_http_route(self->server, "GET /hello", hello, .greeting = "hello");
    if (weft_http_server_listen(self->server, self->address ? self->address : "127.0.0.1:0") < 0)
        WEFT_FAIL(-EADDRINUSE, "cannot listen on %s", self->address);
    if (self->address) {
        printf("listening on http://%s/hello\n", weft_http_server_address(self->server));
        fflush(stdout);
        WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    }
    WEFT_AWAIT(weft_call(ask, .address = weft_http_server_address(self->server)));
    WEFT_AWAIT(weft_http_server_shutdown(self->server, WEFT_S(5)));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(int argc, char **argv)
{
    return weft_run(main_task, .address = argc > 1 ? argv[1] : NULL);
}
