/* SPDX-License-Identifier: MIT */
/*
 * The server that the world's clients and proxies talk to: server FOLDER [CERTIFICATE KEY].
 *
 * It prints the ports of three addresses: plain, one that wants a PROXY header, and, if it has a certificate,
 * the same two with TLS (else 0). SIGTERM is a graceful end: status 0 if nothing had to be aborted.
 *
 * What is compared byte by byte: tests/world/world.py makes the same text as put_text() does, and
 * zlib.crc32() is crc_of().
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/event.h>
#include <weft/http_events.h>
#include <weft/http_form.h>
#include <weft/http_server.h>
#include <weft/http_static.h>
#include <weft/http_upload.h>
#include <weft/signal.h>
#include <weft/tls.h>
#include <weft/websocket.h>
#include <weft/weft.h>

#include "crc.h"

enum { PIECE = 64 * 1024, PERIOD = 65521 /* a prime: what is shifted does not look the same */ };

/* [loop] */
static struct {
    weft_event *open;                     /* /wait waits for it */
    unsigned waiting, cancelled, resumed; /* handlers of /wait */
} gate;

/* ---- Bytes ---- */

/* The `len` bytes at `offset` of a text without end. */
static void put_text(char *data, int64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint32_t at = (uint32_t)((offset + (int64_t)i) % PERIOD);
        data[i] = (char)(at * 2654435761u >> 17);
    }
}

static int64_t number(const char *text, int64_t otherwise)
{
    return text ? strtoll(text, NULL, 10) : otherwise;
}

/* ---- What came, told or sent back ---- */

struct tell {
    WEFT_FRAME;
    weft_http_request *request;
};

static void tell_line(weft_http_request *request, const char *name, const char *between,
                      const char *value)
{
    weft_http_write(request, name, strlen(name));
    weft_http_write(request, between, strlen(between));
    weft_http_write(request, value, strlen(value));
    weft_http_write(request, "\n", 1);
}

/* The request as it was understood: what was asked for, by whom, and the fields. */
static WEFT_ASYNC(tell)
{
    const char *name, *value;
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    tell_line(self->request, weft_http_request_method(self->request), " ",
              weft_http_request_target(self->request));
    tell_line(self->request, weft_http_request_version(self->request), " from ",
              weft_http_request_peer(self->request));
    for (size_t i = 0; weft_http_request_header_at(self->request, i, &name, &value); i++)
        tell_line(self->request, name, ": ", value);
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_END;
}

struct sum {
    WEFT_FRAME;
    weft_http_request *request;
    size_t len;
    uint64_t total;
    uint32_t crc;
    char data[PIECE];
};

/* How many bytes the body has, their sum, and the trailer "Sum" if one came. */
static WEFT_ASYNC(sum)
{
    const char *trailer;
    WEFT_BEGIN;
    do {
        WEFT_AWAIT_INTO(self->len, weft_http_read(self->request, self->data, sizeof(self->data)));
        self->total += self->len;
        self->crc = crc_of(self->crc, self->data, self->len);
    } while (self->len);
    trailer = weft_http_request_trailer(self->request, "Sum");
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%" PRIu64 " %" PRIu32 "%s%s\n",
                                  self->total, self->crc, trailer ? " " : "",
                                  trailer ? trailer : ""));
    WEFT_END;
}

struct echo {
    WEFT_FRAME;
    weft_http_request *request;
    size_t len;
    char data[PIECE];
};

/* The body, while it comes; of the type that it has. */
static WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, weft_http_request_header(self->request, "Content-Type"),
                    weft_http_request_length(self->request));
    for (;;) {
        WEFT_AWAIT_INTO(self->len, weft_http_read(self->request, self->data, sizeof(self->data)));
        if (!self->len)
            break;
        weft_http_write(self->request, self->data, self->len);
        WEFT_AWAIT(weft_http_drain(self->request));
    }
    WEFT_END;
}

struct answer_text {
    WEFT_FRAME;
    weft_http_request *request;
    int64_t total, sent;
    size_t len;
    bool chunked;
    uint32_t crc;
    char data[PIECE];
};

static void make_piece(struct answer_text *self)
{
    int64_t left = self->total - self->sent;
    self->len = left < PIECE ? (size_t)left : PIECE;
    put_text(self->data, self->sent, self->len);
    self->crc = crc_of(self->crc, self->data, self->len);
    self->sent += (int64_t)self->len;
}

/* The first {n} bytes of the text. "?chunked": in chunks, with their sum as a trailer. */
static WEFT_ASYNC(answer_text)
{
    char text[16];
    WEFT_BEGIN;
    self->total = number(weft_http_request_param(self->request, "n"), 0);
    self->chunked = weft_http_request_query(self->request, "chunked") != NULL;
    weft_http_start(self->request, 200, "application/octet-stream",
                    self->chunked ? WEFT_HTTP_UNKNOWN_LENGTH : self->total);
    while (self->sent < self->total) {
        make_piece(self);
        weft_http_write(self->request, self->data, self->len);
        WEFT_AWAIT(weft_http_drain(self->request));
    }
    snprintf(text, sizeof(text), "%" PRIu32, self->crc);
    if (self->chunked)
        weft_http_add_trailer(self->request, "Sum", text);
    WEFT_END;
}

struct upload {
    WEFT_FRAME;
    weft_http_request *request;
    weft_http_upload *upload;
    const struct weft_http_part *part;
    size_t next, len;
    int64_t offset;
    uint32_t crc;
    char data[PIECE];
};

/* A line for each part: "name=value", or "name: filename, type, bytes, sum". */
static WEFT_ASYNC(upload)
{
    static const struct weft_http_upload_options options = {.max_file = UINT64_C(1) << 30,
                                                            .max_total = UINT64_C(1) << 30};
    char line[1000];
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->upload, weft_http_read_upload(self->request, &options));
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    while ((self->part = weft_http_upload_at(self->upload, self->next++))) {
        self->offset = 0;
        self->crc = 0;
        while (self->part->file) {
            WEFT_AWAIT_INTO(self->len, weft_file_pread(self->part->file, self->data,
                                                       sizeof(self->data), self->offset));
            if (!self->len)
                break;
            self->crc = crc_of(self->crc, self->data, self->len);
            self->offset += (int64_t)self->len;
        }
        if (self->part->file)
            snprintf(line, sizeof(line), "%s: %s, %s, %" PRIu64 ", %" PRIu32 "\n", self->part->name,
                     self->part->filename,
                     self->part->content_type ? self->part->content_type : "no type",
                     self->part->size, self->crc);
        else
            snprintf(line, sizeof(line), "%s=%s\n", self->part->name, self->part->value);
        weft_http_write(self->request, line, strlen(line));
    }
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_FINALLY;
    weft_http_upload_free(self->upload);
    WEFT_END;
}

struct form {
    WEFT_FRAME;
    weft_http_request *request;
    weft_http_form *form;
};

static WEFT_ASYNC(form)
{
    const char *name, *value;
    char line[1000];
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->form, weft_http_read_form(self->request));
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    for (size_t i = 0; weft_http_form_at(self->form, i, &name, &value); i++) {
        snprintf(line, sizeof(line), "%s=%s\n", name, value);
        weft_http_write(self->request, line, strlen(line));
    }
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_FINALLY;
    weft_http_form_free(self->form);
    WEFT_END;
}

/* ---- Small ones ---- */

struct redirect {
    WEFT_FRAME;
    weft_http_request *request;
};

/* To /redirect/{n - 1}, and from 0 to /tell; "?status" is 302 if it is not said. */
static WEFT_ASYNC(redirect)
{
    int64_t n = number(weft_http_request_param(self->request, "n"), 0);
    int status = (int)number(weft_http_request_query(self->request, "status"), 302);
    char to[64];
    WEFT_BEGIN;
    snprintf(to, sizeof(to), n ? "/redirect/%" PRId64 "?status=%d" : "/tell", n - 1, status);
    weft_http_add_header(self->request, "Location", to);
    WEFT_AWAIT(weft_http_respond_status(self->request, status));
    WEFT_END;
}

struct break_off {
    WEFT_FRAME;
    weft_http_request *request;
};

/* Fails in the middle of its answer: of 100,000 bytes, or "?chunked". */
static WEFT_ASYNC(break_off)
{
    static const char data[50000];
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/plain",
                    weft_http_request_query(self->request, "chunked") ? WEFT_HTTP_UNKNOWN_LENGTH
                                                                      : 100000);
    weft_http_write(self->request, data, sizeof(data));
    WEFT_AWAIT(weft_http_drain(self->request));
    WEFT_FAIL(-EIO);
    WEFT_END;
}

struct wait_here {
    WEFT_FRAME;
    weft_http_request *request;
    int status;
};

/* Answers when somebody asks for /open; until then counted in /gate. */
static WEFT_ASYNC(wait_here)
{
    WEFT_BEGIN;
    gate.waiting++;
    WEFT_CATCH(self->status, weft_event_wait(gate.open));
    gate.waiting--;
    if (self->status < 0) {
        gate.cancelled++;
        WEFT_FAIL(self->status);
    }
    gate.resumed++;
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", "opened\n", 7));
    WEFT_END;
}

struct open_gate {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(open_gate)
{
    WEFT_BEGIN;
    weft_event_set(gate.open);
    WEFT_AWAIT(weft_http_respond_status(self->request, 200));
    WEFT_END;
}

struct tell_gate {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(tell_gate)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain",
                                  "%u waiting, %u cancelled, %u resumed\n", gate.waiting,
                                  gate.cancelled, gate.resumed));
    WEFT_END;
}

/* ---- Events and WebSockets ---- */

struct events {
    WEFT_FRAME;
    weft_http_request *request;
    int64_t next, end;
};

/* Three events a connection, numbered on by Last-Event-ID; behind the sixth, the event "end". */
static WEFT_ASYNC(events)
{
    char id[32], data[64];
    WEFT_BEGIN;
    self->next = number(weft_http_events_last_id(self->request), 0);
    self->end = self->next + 3;
    weft_http_events_start(self->request);
    while (self->next < self->end && self->next < 6) {
        snprintf(id, sizeof(id), "%" PRId64, ++self->next);
        snprintf(data, sizeof(data), "event %s\nin two lines", id);
        weft_http_event_send(
            self->request, &(struct weft_http_event){.id = id, .data = data, .retry = WEFT_MS(1)});
        WEFT_AWAIT(weft_http_drain(self->request));
    }
    if (self->next == 6)
        weft_http_event_send(self->request,
                             &(struct weft_http_event){.event = "end", .data = "that is all"});
    WEFT_END;
}

struct talk {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    struct weft_websocket_message *message;
    weft_ns round_trip;
};

/* What comes goes back. "close" closes with 4000; "ping" goes back once the client's pong is here. */
static WEFT_ASYNC(talk)
{
    static const struct weft_websocket_options options = {.subprotocols = "echo.v2 echo.v1",
                                                          .max_message = 64 * 1024 * 1024};
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, &options));
    for (;;) {
        WEFT_AWAIT_INTO(self->message, weft_websocket_receive(self->socket));
        if (!self->message)
            break;
        if (strcmp(self->message->data, "ping") == 0)
            WEFT_AWAIT_INTO(self->round_trip, weft_websocket_ping(self->socket));
        if (strcmp(self->message->data, "close") == 0)
            WEFT_AWAIT(weft_websocket_close(self->socket, 4000, "as told"));
        else
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

/* ---- The whole ---- */

static weft_http_server *new_server(const char *folder, enum weft_listen_flags flags)
{
    weft_http_server *server = weft_http_server_new(
        &(struct weft_http_server_options){.flags = flags, .stop_idle_timeout = WEFT_MS(500)});
    weft_http_route(server, "/tell", tell);
    weft_http_route(server, "/tell/...", tell);
    weft_http_route(server, "/echo", echo);
    weft_http_route(server, "/sum", sum);
    weft_http_route(server, "GET /text/{n}", answer_text);
    weft_http_route(server, "POST /upload", upload);
    weft_http_route(server, "POST /form", form);
    weft_http_route(server, "/redirect/{n}", redirect);
    weft_http_route(server, "GET /broken", break_off);
    weft_http_route(server, "GET /wait", wait_here);
    weft_http_route(server, "GET /open", open_gate);
    weft_http_route(server, "GET /gate", tell_gate);
    weft_http_route(server, "GET /events", events);
    weft_http_route(server, "GET /socket", talk);
    weft_http_route(server, "GET /files/...", weft_http_files, .root = folder);
    return server;
}

struct serve {
    WEFT_FRAME;
    const char *folder, *certificate, *key;
    weft_tls_context *tls;
    weft_signal *on_term;
    weft_http_server *servers[4]; /* plain, plain behind a proxy, and both with TLS */
    size_t next;
};

static int start_listening(struct serve *self)
{
    for (int i = 0; i < (self->tls ? 4 : 2); i++) {
        weft_http_server *server =
            new_server(self->folder, i % 2 ? WEFT_LISTEN_PROXY : WEFT_LISTEN_DEFAULT);
        self->servers[i] = server;
        int status = i < 2 ? weft_http_server_listen(server, "127.0.0.1:0")
                           : weft_http_server_listen_tls(server, "127.0.0.1:0", self->tls);
        if (status < 0)
            return status;
    }
    return 0;
}

static int port_of(const weft_http_server *server)
{
    return server ? weft_http_server_port(server) : 0;
}

static WEFT_ASYNC(serve)
{
    int status;
    WEFT_BEGIN;
    gate.open = weft_event_new();
    self->on_term = weft_signal_open(SIGTERM);
    if (!gate.open || !self->on_term)
        WEFT_FAIL(-errno);
    if (self->certificate)
        WEFT_AWAIT_INTO(
            self->tls,
            weft_tls_server_new(&(struct weft_tls_options){
                .certificates =
                    &(struct weft_tls_certificate){.chain = self->certificate, .key = self->key},
                .alpn = "http/1.1,http/1.0"}));
    status = start_listening(self);
    if (status < 0)
        WEFT_FAIL(status);
    printf("%d %d %d %d\n", port_of(self->servers[0]), port_of(self->servers[1]),
           port_of(self->servers[2]), port_of(self->servers[3]));
    fflush(stdout);
    WEFT_AWAIT(weft_signal_next(self->on_term));
    for (self->next = 0; self->next < 4; self->next++)
        if (self->servers[self->next])
            weft_http_server_stop(self->servers[self->next]);
    for (self->next = 0; self->next < 4; self->next++)
        if (self->servers[self->next])
            WEFT_AWAIT(weft_http_server_shutdown(self->servers[self->next], WEFT_S(30)));
    WEFT_FINALLY;
    for (size_t i = 0; i < 4; i++)
        weft_http_server_free(self->servers[i]);
    weft_signal_close(self->on_term);
    weft_event_free(gate.open);
    weft_tls_context_unref(self->tls);
    WEFT_END;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: server FOLDER [CERTIFICATE KEY]\n");
        return 2;
    }
    return weft_run(serve, .folder = argv[1], .certificate = argc > 2 ? argv[2] : NULL,
                    .key = argc > 2 ? argv[3] : NULL);
}
