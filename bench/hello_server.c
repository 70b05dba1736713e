/* SPDX-License-Identifier: MIT */
/* The least that an HTTP server can do, for bench/hello: thirteen bytes for every request. */
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
    weft_http_server *server;
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    self->server = weft_http_serve("127.0.0.1:0", hello);
    if (!self->server)
        WEFT_FAIL(-EADDRNOTAVAIL);
    printf("http://%s/hello\n", weft_http_server_address(self->server));
    fflush(stdout);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(void)
{
    return weft_run(serve);
}
