/* SPDX-License-Identifier: MIT */
/*
 * Traces at the press of a button: POST /trace records all threads for three seconds, or ?ms=, and keeps
 * what it was, GET /trace tells it, and /viewer.html#/trace shows it: that is tools/trace/viewer.html.
 *
 * A trace is of the process. If one goes on already, by WEFT_TRACE or by `weft trace`, it stays whose it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <weft/trace.h>

#include "site.h"
#include "viewer.html.h"

enum { USUAL_MS = 3000 };

struct trace {
    char *json; /* NULL: none was recorded */
    size_t len;
};

/* ---- Recording ---- */

/* It takes long: in a job. */
struct write_down {
    struct trace *to;
};

static WEFT_BLOCKING(write_down)
{
    int status = weft_trace_read(&self->to->json, &self->to->len);
    return status < 0 ? weft_err(status) : weft_ok(0);
}

struct record {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    long ms;
    bool is_ours;
    struct trace *new; /* owned */
};

static void trace_unkeep(struct trace *trace)
{
    if (trace)
        free(trace->json);
    free(trace);
}

static WEFT_ASYNC(record)
{
    WEFT_BEGIN;
    self->ms = weft_http_request_query(self->request, "ms") ? wanted_ms(self->request) : USUAL_MS;
    if (self->ms < 0) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "?ms=0 to 10000\n"));
        WEFT_RETURN(0);
    }
    self->is_ours = weft_trace_start(NULL) == 0;
    if (!self->is_ours) {
        WEFT_AWAIT(weft_http_respondf(self->request, 409, "text/plain",
                                      "somebody records a trace already\n"));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->ms)));
    weft_trace_stop();
    self->new = calloc(1, sizeof(*self->new));
    if (!self->new)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT(weft_to_thread(write_down, .to = self->new));
    trace_unkeep(self->site->trace);
    self->site->trace = self->new;
    self->new = NULL;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "recorded %ld ms: %zu KB\n",
                                  self->ms, self->site->trace->len / 1000));
    WEFT_FINALLY;
    if (self->is_ours)
        weft_trace_discard();
    trace_unkeep(self->new);
    WEFT_END;
}

void trace_free(struct site *site)
{
    trace_unkeep(site->trace);
    site->trace = NULL;
}

/* ---- Showing ---- */

struct tell_trace {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
};

static WEFT_ASYNC(tell_trace)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "Cache-Control", "no-store");
    if (self->site->trace)
        WEFT_AWAIT(weft_http_respond(self->request, 200, "application/json",
                                     self->site->trace->json, self->site->trace->len));
    else
        WEFT_AWAIT(weft_http_respondf(self->request, 404, "text/plain",
                                      "no trace was recorded: POST /trace does\n"));
    WEFT_END;
}

struct show_viewer {
    WEFT_FRAME;
    weft_http_request *request;
};

/* It is one file with its script in it, and loads only from here. */
static WEFT_ASYNC(show_viewer)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "Cache-Control", "no-cache");
    weft_http_add_header(self->request, "Content-Security-Policy",
                         "default-src 'self'; style-src 'unsafe-inline'; script-src "
                         "'unsafe-inline'; img-src data:");
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/html; charset=utf-8", viewer_html,
                                 sizeof(viewer_html)));
    WEFT_END;
}

void add_trace_routes(struct site *site)
{
    weft_http_route(site->server, "POST /trace", record, .site = site);
    weft_http_route(site->server, "GET /trace", tell_trace, .site = site);
    weft_http_route(site->server, "GET /viewer.html", show_viewer);
}
