/* SPDX-License-Identifier: MIT */
/* weft's streams: a task and a buffer for each connection. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/listen.h>
#include <weft/stream.h>
#include <weft/weft.h>

enum { BUFFER = 64 * 1024 };

struct echo {
    WEFT_FRAME;
    weft_stream *stream;
    size_t len;
    char *data; /* owned; too large for a frame */
};

static WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    self->data = malloc(BUFFER);
    if (!self->data)
        WEFT_FAIL(-ENOMEM);
    do {
        WEFT_AWAIT_INTO(self->len, weft_read(self->stream, self->data, BUFFER));
        weft_write(self->stream, self->data, self->len);
        WEFT_AWAIT(weft_drain(self->stream));
    } while (self->len > 0);
    WEFT_FINALLY;
    free(self->data);
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
