/* SPDX-License-Identifier: MIT */
/* Tutorial, step 8: a TCP server that echoes lines, and a client that greets it. */
#include <stdio.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/listen.h>
#include <weft/weft.h>

struct echo {
    WEFT_FRAME;
    weft_stream *stream; /* the connection: set by the listener, which also closes it */
    size_t len;
    char data[4096];
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

struct greet {
    WEFT_FRAME;
    const char *address;
    const char *name;
    weft_stream *stream; /* owned */
    weft_bytes *line;    /* owned */
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    weft_write(self->stream, "hello, ", strlen("hello, "));
    weft_write(self->stream, self->name, strlen(self->name));
    weft_write(self->stream, "\n", 1);
    WEFT_AWAIT_INTO(self->line, weft_wait_for(weft_read_line(self->stream, 0), WEFT_S(10)));
    printf("%s", self->line->data);

    WEFT_FINALLY;
    weft_bytes_free(self->line);
    weft_stream_free(self->stream);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_listener *listener; /* owned */
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->listener = weft_listen("127.0.0.1:0", echo);
    if (!self->listener)
        WEFT_FAIL(-errno, "cannot listen");
    WEFT_AWAIT(weft_call(greet, .address = weft_listener_address(self->listener), .name = "Ada"));
    WEFT_AWAIT(weft_call(greet, .address = weft_listener_address(self->listener), .name = "Bob"));
    WEFT_AWAIT(weft_listener_drain(self->listener));
    printf("the server has no connections left\n");

    WEFT_FINALLY;
    weft_listener_free(self->listener);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
