/* SPDX-License-Identifier: MIT */
/* Guide: connecting. */
#include <stdio.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/listen.h>
#include <weft/resolve.h>
#include <weft/weft.h>

/* ---- Somebody to talk to ---- */

struct greet {
    WEFT_FRAME;
    weft_stream *stream;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    weft_write(self->stream, "welcome\n", strlen("welcome\n"));
    WEFT_END;
}

/* ---- Connecting, within limits ---- */

struct ask {
    WEFT_FRAME;
    const char *address;
    weft_stream *stream; /* owned */
    weft_bytes *line;    /* owned */
};

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    static const struct weft_keepalive keepalive = {.idle = WEFT_S(30)};
    static const struct weft_connect_options options = {
        .timeout = WEFT_S(10),        /* of all: the look-up, and every attempt */
        .attempt_timeout = WEFT_S(3), /* of one address */
        .keepalive = &keepalive,
    };
    WEFT_AWAIT_INTO(self->stream, weft_connect_with(&options, self->address));
    WEFT_AWAIT_INTO(self->line, weft_wait_for(weft_read_line(self->stream, 0), WEFT_S(10)));
    printf("it says: %s", self->line->data);

    WEFT_FINALLY;
    weft_bytes_free(self->line);
    weft_stream_free(self->stream);
    WEFT_END;
}

/* ---- Looking up by oneself ---- */

struct look_up {
    WEFT_FRAME;
    const char *host, *service;
    weft_addresses *found; /* owned */
};

static WEFT_ASYNC(look_up)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->found, weft_resolve(self->host, self->service));
    for (size_t i = 0; i < self->found->count; i++) {
        char text[WEFT_ADDRESS_TEXT];
        weft_address_format(&self->found->list[i], text, sizeof(text));
        printf("%s is %s\n", self->host, text);
    }

    WEFT_FINALLY;
    weft_addresses_free(self->found);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_listener *listener; /* owned */
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->listener = weft_listen("127.0.0.1:0", greet);
    if (!self->listener)
        WEFT_FAIL(-errno, "cannot listen");
    WEFT_AWAIT(weft_call(ask, .address = weft_listener_address(self->listener)));

    WEFT_CATCH(self->status, weft_call(ask, .address = "unix:@nobody-is-here"));
    printf("%s: %s\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE);
    WEFT_CATCH(self->status, weft_call(ask, .address = "127.1:80"));
    printf("%s: %s\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE);

    WEFT_AWAIT(weft_call(look_up, .host = "localhost", .service = "http"));

    WEFT_FINALLY;
    weft_listener_free(self->listener);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
