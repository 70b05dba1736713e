/* SPDX-License-Identifier: MIT */
/* Guide: WebSockets and events. A server, and clients that show what goes over the wire. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/http_events.h>
#include <weft/http_server.h>
#include <weft/websocket.h>
#include <weft/weft.h>

/* ---- A conversation ---- */

struct shout {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    struct weft_websocket_message *message;
};

static void make_loud(struct weft_websocket_message *message)
{
    for (size_t i = 0; i < message->len; i++)
        message->data[i] = (char)toupper((unsigned char)message->data[i]);
}

static WEFT_ASYNC(shout)
{
    static const struct weft_websocket_options options = {.max_message = 4096};
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, &options));
    for (;;) {
        WEFT_AWAIT_INTO(self->message, weft_websocket_receive(self->socket));
        if (!self->message)
            break;
        make_loud(self->message);
        weft_websocket_send(self->socket, self->message->kind, self->message->data,
                            self->message->len);
        weft_websocket_message_free(self->message);
        self->message = NULL;
        WEFT_AWAIT(weft_websocket_drain(self->socket));
    }
    WEFT_FINALLY;
    weft_websocket_message_free(self->message);
    weft_websocket_free(self->socket);
    WEFT_END;
}

/* ---- Both directions, whichever is first ---- */

struct ticker {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    struct weft_websocket_message *message;
    int ticks, status;
};

static void send_tick(weft_websocket *socket, int number)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "tick %d", number);
    weft_websocket_send(socket, WEFT_WEBSOCKET_TEXT, text, (size_t)len);
}

static WEFT_ASYNC(ticker)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, NULL));
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->message,
                        weft_wait_for(weft_websocket_receive(self->socket), WEFT_MS(10)));
        if (self->status == -ETIMEDOUT) {
            send_tick(self->socket, ++self->ticks);
            WEFT_AWAIT(weft_websocket_drain(self->socket));
            continue;
        }
        if (self->status < 0)
            WEFT_FAIL(self->status);
        if (!self->message)
            break;
        weft_websocket_message_free(self->message);
    }
    WEFT_FINALLY;
    weft_websocket_free(self->socket);
    WEFT_END;
}

/* ---- A message in parts ---- */

struct report {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    int row;
};

static void write_row(weft_websocket *socket, int row)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%d,%d\n", row, row * row);
    weft_websocket_write(socket, text, (size_t)len);
}

static WEFT_ASYNC(report)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, NULL));
    weft_websocket_start(self->socket, WEFT_WEBSOCKET_TEXT);
    for (self->row = 1; self->row <= 3; self->row++) {
        write_row(self->socket, self->row);
        WEFT_AWAIT(weft_websocket_drain(self->socket));
    }
    weft_websocket_end(self->socket);
    WEFT_AWAIT(weft_websocket_close(self->socket, 1000, "that is all"));
    WEFT_FINALLY;
    weft_websocket_free(self->socket);
    WEFT_END;
}

/* ---- Events ---- */

struct news {
    WEFT_FRAME;
    weft_http_request *request;
    int64_t number;
    int status;
};

static void send_news(weft_http_request *request, int64_t number)
{
    char id[24], text[64];
    snprintf(id, sizeof(id), "%" PRId64, number);
    snprintf(text, sizeof(text), "news number %" PRId64 "\nin two lines", number);
    weft_http_event_send(request, &(struct weft_http_event){.id = id, .data = text});
}

static int64_t last_seen(weft_http_request *request)
{
    const char *id = weft_http_events_last_id(request);
    return id ? strtoll(id, NULL, 10) : 0;
}

static WEFT_ASYNC(news)
{
    static const struct weft_http_events_options options = {.retry = WEFT_S(1)};
    WEFT_BEGIN;
    self->number = last_seen(self->request);
    weft_http_events_start_with(self->request, &options);
    do {
        send_news(self->request, ++self->number);
        WEFT_AWAIT(weft_http_drain(self->request));
        WEFT_CATCH(self->status,
                   weft_wait_for(weft_http_request_stopping(self->request), WEFT_MS(10)));
    } while (self->status == -ETIMEDOUT); /* else the server stops, or the client is gone */
    WEFT_END;
}

/* ---- Clients, byte by byte: browsers have all of this ---- */

struct visit {
    WEFT_FRAME;
    const char *address, *path;
    const char *text; /* to be said; NULL: nothing */
    int frames;       /* to be seen, before this side closes; 0: the server does */
    weft_stream *stream;
    weft_bytes *head;
    unsigned char first[2];
    char payload[126];
};

static void ask_for_socket(weft_stream *stream, const char *path)
{
    char request[256];
    int len = snprintf(request, sizeof(request),
                       "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       path);
    weft_write(stream, request, (size_t)len);
}

/* Masked, as clients must, with a key of zeros: the text stays readable. */
static void send_frame(weft_stream *stream, unsigned char first, const char *payload, size_t len)
{
    unsigned char head[6] = {first, (unsigned char)(0x80 | len)};
    weft_write(stream, head, sizeof(head));
    weft_write(stream, payload, len);
}

static void show_frame(const struct visit *self)
{
    static const char *const kinds[16] = {"and", "text", "bytes", [8] = "close", "ping", "pong"};
    size_t begin = (self->first[0] & 15) == 8 ? 2 : 0; /* behind the code */
    printf("  %s \"", kinds[self->first[0] & 15]);
    for (size_t i = begin; i < self->first[1]; i++)
        printf(self->payload[i] == '\n' ? "\\n" : "%c", self->payload[i]);
    printf("\"%s\n", self->first[0] & 0x80 ? "" : " …");
}

static WEFT_ASYNC(visit)
{
    WEFT_BEGIN;
    printf("%s:\n", self->path);
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    ask_for_socket(self->stream, self->path);
    WEFT_AWAIT_INTO(self->head, weft_read_until(self->stream, "\r\n\r\n", 4, 0));
    if (self->text)
        send_frame(self->stream, 0x81, self->text, strlen(self->text));
    do {
        WEFT_AWAIT(weft_read_exactly(self->stream, self->first, 2));
        WEFT_AWAIT(weft_read_exactly(self->stream, self->payload, self->first[1]));
        show_frame(self);
    } while (self->first[0] != 0x88 && --self->frames != 0);
    send_frame(self->stream, 0x88, "\x03\xe8", 2);
    WEFT_FINALLY;
    weft_bytes_free(self->head);
    weft_stream_free(self->stream);
    WEFT_END;
}

struct follow {
    WEFT_FRAME;
    const char *address;
    const char *last_id; /* NULL: it comes for the first time */
    int lines;
    weft_stream *stream;
    weft_bytes *line;
};

static void ask_for_news(weft_stream *stream, const char *last_id)
{
    char request[128];
    int len =
        snprintf(request, sizeof(request), "GET /news HTTP/1.0\r\n%s%s%s\r\n",
                 last_id ? "Last-Event-ID: " : "", last_id ? last_id : "", last_id ? "\r\n" : "");
    weft_write(stream, request, (size_t)len);
}

static WEFT_ASYNC(follow)
{
    WEFT_BEGIN;
    printf("/news, %s:\n", self->last_id ? "again" : "for the first time");
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    ask_for_news(self->stream, self->last_id);
    WEFT_AWAIT_INTO(self->line, weft_read_until(self->stream, "\r\n\r\n", 4, 0));
    while (self->lines--) {
        weft_bytes_free(self->line);
        self->line = NULL;
        WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
        if (self->line->len > 1)
            printf("  %s", self->line->data);
    }
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    weft_stream_free(self->stream);
    WEFT_END;
}

/* ---- The program ---- */

struct main_task {
    WEFT_FRAME;
    weft_http_server *server;
    const char *address;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->server = weft_http_server_new(NULL);
    if (!self->server)
        WEFT_FAIL(-errno);
    weft_http_route(self->server, "GET /shout", shout);
    weft_http_route(self->server, "GET /ticker", ticker);
    weft_http_route(self->server, "GET /report", report);
    weft_http_route(self->server, "GET /news", news);
    if (weft_http_server_listen(self->server, "127.0.0.1:0") < 0)
        WEFT_FAIL(-EADDRINUSE, "cannot listen");
    self->address = weft_http_server_address(self->server);

    WEFT_AWAIT(
        weft_call(visit, .address = self->address, .path = "/shout", .text = "hello", .frames = 1));
    WEFT_AWAIT(weft_call(visit, .address = self->address, .path = "/ticker", .frames = 3));
    WEFT_AWAIT(weft_call(visit, .address = self->address, .path = "/report"));
    WEFT_AWAIT(weft_call(follow, .address = self->address, .lines = 6));
    WEFT_AWAIT(weft_call(follow, .address = self->address, .lines = 6, .last_id = "7"));
    WEFT_AWAIT(weft_http_server_shutdown(self->server, WEFT_S(10)));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
