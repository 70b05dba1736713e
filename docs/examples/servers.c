/* SPDX-License-Identifier: MIT */
/* Guide: servers. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/serve.h>
#include <weft/weft.h>

/* ---- A connection ---- */

struct shout {
    WEFT_FRAME;
    weft_stream *stream; /* the connection; the listener closes it */
    const char *end;     /* of each answer; shared by all connections */
    weft_bytes *line;
};

static WEFT_ASYNC(shout)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_wait_for(weft_read_line(self->stream, 1000), WEFT_S(60)));
        if (!self->line->len)
            break;
        for (size_t i = 0; i < self->line->len; i++)
            self->line->data[i] = (char)toupper((unsigned char)self->line->data[i]);
        weft_write(self->stream, self->line->data, self->line->len - 1);
        weft_write(self->stream, self->end, strlen(self->end));
        weft_bytes_free(self->line);
        self->line = NULL;
        WEFT_AWAIT(weft_drain(self->stream));
    }
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    WEFT_END;
}

/* ---- One loop, several addresses ---- */

struct say {
    WEFT_FRAME;
    const char *address;
    const char *text;
    weft_stream *stream;
    weft_bytes *line;
};

static WEFT_ASYNC(say)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    weft_write(self->stream, self->text, strlen(self->text));
    WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
    if (self->line->len)
        printf("  %s", self->line->data);
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    weft_stream_free(self->stream);
    WEFT_END;
}

static void print_stats(const weft_listener *listener)
{
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    printf("  %llu accepted, %zu open, %llu refused%s%s\n", (unsigned long long)stats.accepted,
           stats.connections, (unsigned long long)stats.refused, stats.last_refusal ? ": " : "",
           stats.last_refusal ? strrchr(stats.last_refusal, ':') + 2 : "");
}

struct one_loop {
    WEFT_FRAME;
    weft_listener *listener;
    int status;
};

static WEFT_ASYNC(one_loop)
{
    static const struct weft_listen_options options = {.max_connections = 1000};
    WEFT_BEGIN;
    self->listener = weft_listen_with(&options, "127.0.0.1:0, unix:@shout", shout, .end = "!\n");
    if (!self->listener)
        WEFT_FAIL(-errno, "cannot listen");
    WEFT_AWAIT(weft_call(say, .address = weft_listener_address(self->listener), .text = "tcp\n"));
    WEFT_AWAIT(weft_call(say, .address = "unix:@shout", .text = "unix\n"));

    WEFT_CATCH(self->status, weft_wait_for(weft_listener_drain(self->listener), WEFT_S(10)));
    if (self->status < 0) {
        weft_listener_abort(self->listener);
        WEFT_AWAIT(weft_listener_drain(self->listener));
    }
    print_stats(self->listener);
    WEFT_FINALLY;
    weft_listener_free(self->listener);
    WEFT_END;
}

/* ---- Behind a proxy ---- */

struct whoami {
    WEFT_FRAME;
    weft_stream *stream;
};

static WEFT_ASYNC(whoami)
{
    WEFT_BEGIN;
    weft_write(self->stream, weft_stream_peer(self->stream),
               strlen(weft_stream_peer(self->stream)));
    weft_write(self->stream, "\n", 1);
    WEFT_END;
}

struct behind_proxy {
    WEFT_FRAME;
    weft_listener *listener;
    int status;
};

static WEFT_ASYNC(behind_proxy)
{
    static const struct weft_listen_options options = {.flags = WEFT_LISTEN_PROXY,
                                                       .handshake_timeout = WEFT_S(5)};
    WEFT_BEGIN;
    self->listener = weft_listen_with(&options, "unix:@behind-proxy", whoami);
    if (!self->listener)
        WEFT_FAIL(-errno, "cannot listen");
    WEFT_AWAIT(weft_call(say, .address = "unix:@behind-proxy",
                         .text = "PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"));
    WEFT_CATCH(self->status, weft_call(say, .address = "unix:@behind-proxy", .text = "hello\n"));
    WEFT_AWAIT(weft_listener_drain(self->listener));
    print_stats(self->listener);
    WEFT_FINALLY;
    weft_listener_free(self->listener);
    WEFT_END;
}

/* ---- All CPUs ---- */

struct try_it {
    WEFT_FRAME;
    const weft_listener *listener;
};

static WEFT_ASYNC(try_it)
{
    WEFT_BEGIN;
    WEFT_AWAIT(
        weft_call(say, .address = weft_listener_address(self->listener), .text = "on some loop\n"));
    WEFT_FINALLY;
    weft_run_loops_stop(); /* as Ctrl-C does */
    WEFT_END;
}

static void on_ready(weft_listener *listener, void *arg)
{
    (void)arg;
    weft_unref(weft_spawn(try_it, .listener = listener));
}

int main(void)
{
    static const struct weft_serve_options options = {
        .loops = 2, .grace = WEFT_S(10), .ready = on_ready};
    printf("one loop:\n");
    int status = weft_run(one_loop);
    printf("behind a proxy:\n");
    status = status ? status : weft_run(behind_proxy);
    printf("two loops:\n");
    status = status ? status : weft_serve(&options, "127.0.0.1:0", shout, .end = "!\n");
    return status;
}
