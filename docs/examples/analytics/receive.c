/* SPDX-License-Identifier: MIT */
/*
 * Events come in. Of a request all lines count, or none: they are read twice, first to see that all are
 * good. A datagram has no answer, so its good lines count, and the others are counted as bad.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "analytics.h"

enum { TURN = 500 }; /* lines until others may run */

/* ---- HTTP ---- */

struct post_events {
    WEFT_FRAME;
    weft_http_request *request;
    struct app *app;
    weft_bytes *body;
    int64_t now;
    size_t at, lines, accepted, refused;
    const char *wrong;
    int status;
};

/* Look at some lines, or count them. False: there are no more, or one is wrong. */
static bool go_on(struct post_events *self, bool counts)
{
    const char *line;
    struct event event;
    size_t len;
    for (int i = 0; i < TURN; i++) {
        if (!next_line(self->body->data, self->body->len, &self->at, &line, &len))
            return false;
        self->lines++;
        if (!len)
            continue;
        self->wrong = event_parse(line, len, &event);
        if (!self->wrong)
            self->wrong = table_refuses(&self->app->table, &event, self->now);
        if (self->wrong)
            return false;
        if (counts && table_count(&self->app->table, &event, self->now))
            self->accepted++;
        else if (counts)
            self->refused++;
    }
    return true;
}

static weft_future *complain(const struct post_events *self)
{
    struct text text = {0};
    text_addf(&text, "{\"line\":%zu,\"error\":", self->lines);
    text_add_string(&text, self->wrong);
    text_addf(&text, "}\n");
    weft_future *sent = weft_http_respond(self->request, 400, "application/json", text.data,
                                          text.failed ? 0 : text.len);
    text_fini(&text);
    return sent;
}

/* 202: counted. With ?sync it is on the disk as well: 200. 507: there was no room for a new series. */
static weft_future *confirm(const struct post_events *self, bool stored)
{
    int status = self->refused ? 507 : stored ? 200 : 202;
    return weft_http_respondf(self->request, status, "application/json",
                              "{\"accepted\":%zu,\"refused\":%zu,\"stored\":%s}\n", self->accepted,
                              self->refused, stored ? "true" : "false");
}

static WEFT_ASYNC(post_events)
{
    struct app *app = self->app;
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    self->now = clock_now();
    while (go_on(self, false))
        WEFT_YIELD;
    if (self->wrong) {
        WEFT_AWAIT(complain(self));
        WEFT_RETURN(0);
    }
    self->at = self->lines = 0;
    while (go_on(self, true))
        WEFT_YIELD;
    app->by_http += self->accepted;
    if (!weft_http_request_query(self->request, "sync")) {
        WEFT_AWAIT(confirm(self, false));
        WEFT_RETURN(0);
    }
    WEFT_CATCH(self->status, store_wait(app->store, app->table.events));
    if (self->status == -ECANCELED)
        WEFT_FAIL(self->status);
    if (self->status < 0)
        WEFT_AWAIT(weft_http_respondf(self->request, 503, "application/json",
                                      "{\"accepted\":%zu,\"refused\":%zu,\"stored\":false,"
                                      "\"error\":\"cannot be written now; it is tried again\"}\n",
                                      self->accepted, self->refused));
    else
        WEFT_AWAIT(confirm(self, true));

    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

void add_receive_routes(struct app *app)
{
    weft_http_route(app->server, "POST /events", post_events, .app = app);
}

/* ---- UDP ---- */

static void count_datagram(struct app *app, const weft_datagram *datagram)
{
    int64_t now = clock_now();
    const char *line;
    struct event event;
    size_t at = 0, len;
    while (next_line(datagram->data, datagram->len, &at, &line, &len)) {
        if (!len)
            continue;
        const char *wrong = event_parse(line, len, &event);
        if (!wrong)
            wrong = table_refuses(&app->table, &event, now);
        if (wrong) {
            app->bad_lines++;
            snprintf(app->last_bad, sizeof(app->last_bad), "%s", wrong);
        } else if (table_count(&app->table, &event, now)) {
            app->by_udp++;
        }
    }
}

WEFT_ASYNC(receive_udp)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->got, weft_udp_receive(self->app->udp));
        count_datagram(self->app, self->got);
        weft_datagram_free(self->got);
        self->got = NULL;
    }
    WEFT_FINALLY;
    weft_datagram_free(self->got);
    WEFT_END;
}
