/* SPDX-License-Identifier: MIT */
/* weft's echo (bench/echo/weft.c), with TLS. */
#include <errno.h>
#include <stdio.h>
#include <weft/listen.h>
#include <weft/tls.h>
#include <weft/weft.h>

#include "../common/tls.h"

struct echo {
    WEFT_FRAME;
    weft_stream *stream;
    size_t len;
};

static void answer(weft_stream *stream)
{
    size_t len;
    const char *data = weft_peek(stream, &len);
    weft_write(stream, data, len);
    weft_consume(stream, len);
}

static WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    do {
        WEFT_AWAIT_INTO(self->len, weft_fill(self->stream, 0));
        answer(self->stream);
        WEFT_AWAIT(weft_drain(self->stream));
    } while (self->len > 0);
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    const char *port;
    struct weft_tls_certificate certificate;
    weft_tls_context *tls;
    weft_listener *listener;
    char address[32];
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    self->certificate.chain = tls_pem();
    WEFT_AWAIT_INTO(self->tls, weft_tls_server_new(
                                   &(struct weft_tls_options){.certificates = &self->certificate}));
    snprintf(self->address, sizeof(self->address), "127.0.0.1:%s", self->port);
    self->listener =
        weft_listen_with((&(struct weft_listen_options){.tls = self->tls}), self->address, echo);
    if (!self->listener)
        WEFT_FAIL(-errno, "cannot listen on %s", self->address);
    printf("listening on %s\n", weft_listener_address(self->listener));
    fflush(stdout);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_listener_free(self->listener);
    weft_tls_context_unref(self->tls);
    WEFT_END;
}

int main(int argc, char **argv)
{
    return weft_run(serve, .port = argc > 1 ? argv[1] : "0");
}
