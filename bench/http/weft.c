/* SPDX-License-Identifier: MIT */
/* weft's HTTP server, with all that it does for every request: parsing, limits, deadlines, Date. */
#include <errno.h>
#include <stdio.h>
#include <weft/http_server.h>
#include <weft/weft.h>

struct hello {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(hello)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", "Hello, World!", 13));
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    const char *port;
    weft_http_server *server;
    char address[32];
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    static const struct weft_http_server_options options = {.max_connections = WEFT_HTTP_NO_LIMIT};
    snprintf(self->address, sizeof(self->address), "127.0.0.1:%s", self->port);
    self->server = weft_http_serve_with(&options, self->address, hello);
    if (!self->server)
        WEFT_FAIL(-errno, "cannot listen on %s", self->address);
    printf("listening on %s\n", weft_http_server_address(self->server));
    fflush(stdout);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(int argc, char **argv)
{
    return weft_run(serve, .port = argc > 1 ? argv[1] : "0");
}
