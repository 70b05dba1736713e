/* SPDX-License-Identifier: MIT */
/* Guide: HTTP servers. A server that keeps notes, and clients that ask it, in one loop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/http_middleware.h>
#include <weft/weft.h>

/* ---- What handlers share: one thread, so no lock ---- */

struct notes {
    char texts[8][80];
    size_t count;
};

static const char *find(const struct notes *notes, const char *id)
{
    char *end;
    unsigned long number = strtoul(id, &end, 10);
    return *end || number < 1 || number > notes->count ? NULL : notes->texts[number - 1];
}

static int keep(struct notes *notes, const weft_bytes *text)
{
    if (notes->count == 8)
        return -ENOSPC;
    snprintf(notes->texts[notes->count++], sizeof(notes->texts[0]), "%s", text->data);
    return 0;
}

/* ---- Handlers ---- */

struct show_note {
    WEFT_FRAME;
    weft_http_request *request;
    const struct notes *notes;
    const char *text;
};

static WEFT_ASYNC(show_note)
{
    WEFT_BEGIN;
    self->text = find(self->notes, weft_http_request_param(self->request, "id"));
    if (self->text)
        WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%s\n", self->text));
    else
        WEFT_AWAIT(weft_http_respond_status(self->request, 404));
    WEFT_END;
}

struct add_note {
    WEFT_FRAME;
    weft_http_request *request;
    struct notes *notes;
    weft_bytes *body;
    char path[32];
};

static WEFT_ASYNC(add_note)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    if (keep(self->notes, self->body) < 0) {
        WEFT_AWAIT(weft_http_respond_status(self->request, 507));
        WEFT_RETURN(0);
    }
    snprintf(self->path, sizeof(self->path), "/notes/%zu", self->notes->count);
    weft_http_add_header(self->request, "Location", self->path);
    WEFT_AWAIT(weft_http_respondf(self->request, 201, "application/json", "{\"id\": %zu}\n",
                                  self->notes->count));

    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

struct list_notes {
    WEFT_FRAME;
    weft_http_request *request;
    const struct notes *notes;
    size_t i;
};

static WEFT_ASYNC(list_notes)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    for (self->i = 0; self->i < self->notes->count; self->i++) {
        weft_http_write(self->request, self->notes->texts[self->i],
                        strlen(self->notes->texts[self->i]));
        weft_http_write(self->request, "\n", 1);
        WEFT_AWAIT(weft_http_drain(self->request)); /* while the client is slow, this waits */
    }
    WEFT_END; /* the handler's end is the answer's */
}

static void add_notes(weft_http_router *router, struct notes *notes)
{
    weft_http_route(router, "GET ", list_notes, .notes = notes);
    weft_http_route(router, "POST ", add_note, .notes = notes);
    weft_http_route(router, "GET /{id}", show_note, .notes = notes);
}

struct wait_for_gate {
    WEFT_FRAME;
    weft_http_request *request;
    weft_event *gate;
};

static WEFT_ASYNC(wait_for_gate) /* slow: it takes until the gate opens */
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_event_wait(self->gate));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "at last\n"));
    WEFT_END;
}

/* ---- Middleware ---- */

struct guard {
    WEFT_FRAME;
    weft_http_request *request;
    const char *token;
};

static bool is_allowed(const weft_http_request *request, const char *token)
{
    const char *given = weft_http_request_header(request, "X-Token");
    return given && strcmp(given, token) == 0;
}

static WEFT_ASYNC(guard)
{
    WEFT_BEGIN;
    if (!is_allowed(self->request, self->token)) {
        WEFT_AWAIT(weft_http_respond_status(self->request, 403));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT(weft_http_next(self->request)); /* what is inside, at last the handler */
    WEFT_END;
}

struct say_id {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(say_id)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "you are %s\n",
                                  weft_context_get(weft_http_id)));
    WEFT_END;
}

static void log_access(const struct weft_http_access *access, void *arg)
{
    char *log = arg;
    size_t len = strlen(log);
    snprintf(log + len, 1000 - len, "  %s %s %d%s\n", access->method, access->target,
             access->status, access->complete ? "" : ", broken off");
}

/* ---- A client: it speaks HTTP/1.0, so that the answer ends with the connection ---- */

struct ask {
    WEFT_FRAME;
    const char *address, *request;
    weft_stream *stream;
    const weft_bytes *line; /* lent by the stream */
};

static bool is_worth_showing(const char *line)
{
    static const char *const dull[] = {"Date", "Content-", "Connection", "Vary", "X-Request-Id"};
    for (size_t i = 0; i < sizeof(dull) / sizeof(dull[0]); i++)
        if (strncmp(line, dull[i], strlen(dull[i])) == 0)
            return false;
    return *line;
}

static WEFT_ASYNC(ask)
{
    static const struct weft_lines_options by_crlf = {.ends = WEFT_LINES_CRLF};
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    weft_write(self->stream, self->request, strlen(self->request));
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_next_line(self->stream, &by_crlf));
        if (!self->line)
            break;
        if (is_worth_showing(self->line->data))
            printf("  %s\n", self->line->data);
    }
    WEFT_FINALLY;
    weft_stream_free(self->stream);
    WEFT_END;
}

/* ---- Routes, middleware, the end ---- */

struct serve {
    WEFT_FRAME;
    weft_http_server *server;
    const char *address;
    weft_event *gate;
    weft_future *slow, *end;
    struct notes notes;
    char log[1000];
};

static void set_up(struct serve *self)
{
    weft_http_use(self->server, weft_http_request_id);
    weft_http_on_access(self->server, log_access, self->log);

    weft_http_router *notes = weft_http_mount(self->server, "/notes");
    weft_http_use(notes, weft_http_cors, .origins = "https://app.example", .methods = "GET, POST");
    add_notes(notes, &self->notes);

    weft_http_router *admin = weft_http_mount(self->server, "/admin");
    weft_http_use(admin, guard, .token = "s3cret");
    weft_http_route(admin, "GET /whoami", say_id);

    weft_http_router *patient = weft_http_mount(self->server, "/patient");
    weft_http_route(patient, "GET /gate", wait_for_gate, .gate = self->gate);
    weft_http_router *impatient = weft_http_mount(self->server, "/impatient");
    weft_http_use(impatient, weft_http_deadline, .limit = WEFT_MS(20));
    weft_http_route(impatient, "GET /gate", wait_for_gate, .gate = self->gate);
}

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    self->gate = weft_event_new();
    self->server = weft_http_server_new(NULL);
    if (!self->gate || !self->server)
        WEFT_FAIL(-errno);
    set_up(self);
    if (weft_http_server_listen(self->server, "127.0.0.1:0") < 0)
        WEFT_FAIL(-errno, "cannot listen");

    self->address = weft_http_server_address(self->server);

    printf("routes:\n");
    WEFT_AWAIT(weft_call(ask, .address = self->address,
                         .request = "POST /notes HTTP/1.0\r\nContent-Length: 9\r\n\r\nbuy bread"));
    WEFT_AWAIT(
        weft_call(ask, .address = self->address, .request = "GET /notes/1 HTTP/1.0\r\n\r\n"));
    WEFT_AWAIT(
        weft_call(ask, .address = self->address, .request = "GET /notes/2 HTTP/1.0\r\n\r\n"));
    WEFT_AWAIT(
        weft_call(ask, .address = self->address, .request = "DELETE /notes HTTP/1.0\r\n\r\n"));
    WEFT_AWAIT(
        weft_call(ask, .address = self->address, .request = "GET /nothing HTTP/1.0\r\n\r\n"));
    WEFT_AWAIT(weft_call(ask, .address = self->address, .request = "GET /notes HTTP/1.0\r\n\r\n"));

    printf("middleware:\n");
    WEFT_AWAIT(
        weft_call(ask, .address = self->address, .request = "GET /admin/whoami HTTP/1.0\r\n\r\n"));
    WEFT_AWAIT(weft_call(
        ask, .address = self->address,
        .request = "GET /admin/whoami HTTP/1.0\r\nX-Token: s3cret\r\nX-Request-Id: 4711\r\n\r\n"));
    WEFT_AWAIT(weft_call(ask, .address = self->address,
                         .request = "OPTIONS /notes HTTP/1.0\r\nOrigin: https://app.example\r\n"
                                    "Access-Control-Request-Method: POST\r\n\r\n"));
    WEFT_AWAIT(weft_call(ask, .address = self->address,
                         .request = "GET /impatient/gate HTTP/1.0\r\n\r\n"));

    printf("the end:\n");
    self->slow =
        weft_spawn(ask, .address = self->address, .request = "GET /patient/gate HTTP/1.0\r\n\r\n");
    while (weft_http_server_stats(self->server).active == 0)
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    self->end = weft_http_server_shutdown(self->server, WEFT_S(10));
    weft_event_set(self->gate);
    WEFT_AWAIT(weft_gather(weft_ref(self->slow), weft_ref(self->end)));
    printf("the log:\n%s", self->log);

    WEFT_FINALLY;
    weft_unref(self->slow);
    weft_unref(self->end);
    weft_http_server_free(self->server);
    weft_event_free(self->gate);
    WEFT_END;
}

/* ---- Behind a proxy ---- */

struct say_peer {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(say_peer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "you are %s\n",
                                  weft_http_request_peer(self->request)));
    WEFT_END;
}

struct behind_proxy {
    WEFT_FRAME;
    weft_http_server *server;
};

static WEFT_ASYNC(behind_proxy)
{
    static const struct weft_http_server_options options = {.flags = WEFT_LISTEN_PROXY};
    WEFT_BEGIN;
    self->server = weft_http_serve_with(&options, "unix:@http-behind-proxy", say_peer);
    if (!self->server)
        WEFT_FAIL(-errno, "cannot listen");
    WEFT_AWAIT(weft_call(ask, .address = "unix:@http-behind-proxy",
                         .request = "PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"
                                    "GET / HTTP/1.0\r\n\r\n"));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(void)
{
    int status = weft_run(serve);
    printf("behind a proxy:\n");
    return status ? status : weft_run(behind_proxy);
}
