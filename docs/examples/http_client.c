/* SPDX-License-Identifier: MIT */
/* The program of docs/guides/http-client.md: a client, and the server that it asks, in one loop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/http_client.h>
#include <weft/http_server.h>
#include <weft/weft.h>

/* ---- The server ---- */

struct serve {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
    bool *is_awake;
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    if (strcmp(weft_http_request_path(self->request), "/old") == 0) {
        weft_http_add_header(self->request, "Location", "/new");
        WEFT_AWAIT(weft_http_respond_status(self->request, 301));
    } else if (strcmp(weft_http_request_path(self->request), "/sleepy") == 0 && !*self->is_awake) {
        *self->is_awake = true;
        WEFT_AWAIT(weft_http_respond_status(self->request, 503));
    } else {
        WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%s %s says %zu bytes",
                                      weft_http_request_method(self->request),
                                      weft_http_request_path(self->request), self->body->len));
    }

    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

/* ---- One request ---- */

struct show {
    WEFT_FRAME;
    weft_http_session *session;
    const char *url;
    weft_http_response *page;
};

static WEFT_ASYNC(show)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->page, weft_http_get(self->session, self->url));
    printf("%s: %d %s\n", self->url, weft_http_status(self->page),
           weft_http_body(self->page, NULL));

    WEFT_FINALLY;
    weft_http_response_free(self->page);
    WEFT_END;
}

/* ---- A body in pieces ---- */

struct count {
    WEFT_FRAME;
    weft_http_session *session;
    weft_http_response *page;
    char piece[16];
    size_t len, all;
};

static WEFT_ASYNC(count)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->page,
                    weft_http_fetch(self->session, "GET", "/stream",
                                    &(struct weft_http_fetch_options){.flags = WEFT_HTTP_STREAM}));
    for (;;) {
        WEFT_AWAIT_INTO(self->len,
                        weft_http_response_read(self->page, self->piece, sizeof(self->piece)));
        if (self->len == 0)
            break;
        self->all += self->len;
    }
    printf("streamed: %zu bytes\n", self->all);

    WEFT_FINALLY;
    weft_http_response_free(self->page);
    WEFT_END;
}

/* ---- All of it ---- */

struct client {
    WEFT_FRAME;
    weft_http_server *server;
    weft_http_session *session;
    weft_http_response *page;
    char base[64];
    bool is_awake;
    int status;
};

static WEFT_ASYNC(client)
{
    WEFT_BEGIN;
    self->server = weft_http_serve("127.0.0.1:0", serve, .is_awake = &self->is_awake);
    snprintf(self->base, sizeof(self->base), "http://%s", weft_http_server_address(self->server));
    self->session = weft_http_session_new(
        &(struct weft_http_session_options){.base_url = self->base,
                                            .max_per_host = 8,
                                            .timeouts = {.total = WEFT_S(10), .connect = WEFT_S(3)},
                                            .retry = {.attempts = 3, .first_delay = WEFT_MS(10)}});
    if (!self->session)
        WEFT_FAIL(-ENOMEM);

    WEFT_AWAIT(weft_call(show, .session = self->session, .url = "/new"));
    WEFT_AWAIT(weft_call(show, .session = self->session, .url = "/old"));
    WEFT_AWAIT(weft_call(show, .session = self->session, .url = "/sleepy"));
    WEFT_AWAIT(weft_call(count, .session = self->session));

    WEFT_AWAIT_INTO(self->page, weft_http_post(self->session, "/form", "text/plain", "hello", 5));
    printf("posted: %s\n", weft_http_body(self->page, NULL));

    WEFT_CATCH(self->status,
               weft_wait_for(weft_http_get(self->session, "http://127.0.0.1:1/"), WEFT_S(1)));
    printf("nobody there: %s\n", weft_error_name(self->status));

    WEFT_FINALLY;
    weft_http_response_free(self->page);
    weft_http_session_free(self->session);
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(void)
{
    return weft_run(client);
}
