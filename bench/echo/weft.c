/* SPDX-License-Identifier: MIT */
/* weft's streams: a task for each connection. */
#include <errno.h>
#include <stdio.h>
#include <weft/listen.h>
#include <weft/stream.h>
#include <weft/weft.h>

struct echo {
    WEFT_FRAME;
    weft_stream *stream;
    size_t len;
    char data[16 * 1024];
};

static WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    do {
        WEFT_AWAIT_INTO(self->len, weft_read(self->stream, self->data, sizeof(self->data)));
        weft_write(self->stream, self->data, self->len);
        WEFT_AWAIT(weft_drain(self->stream));
    } while (self->len > 0);
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    const char *port;
    weft_listener *listener;
    char address[32];
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    snprintf(self->address, sizeof(self->address), "127.0.0.1:%s", self->port);
    self->listener = weft_listen(self->address, echo);
    if (!self->listener)
        WEFT_FAIL(-errno, "cannot listen on %s", self->address);
    printf("listening on %s\n", weft_listener_address(self->listener));
    fflush(stdout);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_listener_free(self->listener);
    WEFT_END;
}

int main(int argc, char **argv)
{
    return weft_run(serve, .port = argc > 1 ? argv[1] : "0");
}
