/* SPDX-License-Identifier: MIT */
/* Answers each request with what it was taken for: "METHOD TARGET BYTES". Prints its port. */
#include <errno.h>
#include <stdio.h>
#include <weft/http_server.h>
#include <weft/weft.h>

struct tell {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(tell)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%s %s %zu\n",
                                  weft_http_request_method(self->request),
                                  weft_http_request_target(self->request), self->body->len));
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    weft_http_server *server;
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    /* a client that has sent all ends its direction, and waits for the answers */
    self->server = weft_http_serve_with(
        (&(struct weft_http_server_options){.on_disconnect = WEFT_HTTP_KEEP_HANDLER}),
        "127.0.0.1:0", tell);
    if (!self->server)
        WEFT_FAIL(-errno);
    printf("%d\n", weft_http_server_port(self->server));
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
