/* SPDX-License-Identifier: MIT */
/*
 * The page, and what it draws: an event for each second that is over, with what came in it. Its id is the
 * second, so that a page that was cut off gets those that it has missed, as far as they are known; a new one
 * gets the last minute.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analytics.h"
#include "page.html.h"
#include <weft/http_events.h>

enum { MOST_SHOWN = 200 }; /* series in an event */

struct front_page {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(front_page)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "Cache-Control", "no-cache");
    weft_http_add_header(self->request, "Content-Security-Policy",
                         "default-src 'self'; style-src 'unsafe-inline'; script-src "
                         "'unsafe-inline'; img-src data:");
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/html; charset=utf-8", page_html,
                                 sizeof(page_html)));
    WEFT_END;
}

struct live {
    WEFT_FRAME;
    weft_http_request *request;
    struct app *app;
    int64_t next; /* the second to be told */
    int status;
};

/* What came in a second. */
static void write_second(const struct app *app, int64_t time, struct text *text)
{
    struct weft_udp_stats udp = {0};
    int shown = 0;
    if (app->udp)
        weft_udp_get_stats(app->udp, &udp);
    text_addf(text,
              "{\"time\":%lld,\"dropped\":%llu,\"bad\":%llu,\"refused\":%llu,\"merged\":%llu,",
              (long long)time, (unsigned long long)(udp.dropped + udp.dropped_by_kernel),
              (unsigned long long)app->bad_lines, (unsigned long long)app->table.refused,
              (unsigned long long)app->table.merged);
    text_addf(text, "\"series\":[");
    for (const struct series *series = app->table.first; series; series = series->following) {
        const struct summary *summary = series_second(series, time);
        if (!summary || shown == MOST_SHOWN)
            continue;
        text_addf(text, "%s{\"name\":", shown++ ? "," : "");
        text_add_string(text, series->name);
        text_addf(text, ",\"tag\":");
        text_add_string(text, series->tag);
        text_addf(text, ",");
        summary_write(summary, text);
        text_addf(text, "}");
    }
    text_addf(text, "]}");
}

static int send_second(struct live *self)
{
    char id[24];
    struct text text = {0};
    write_second(self->app, self->next, &text);
    snprintf(id, sizeof(id), "%lld", (long long)self->next);
    int status = text.failed
                     ? -ENOMEM
                     : weft_http_event_send(self->request,
                                            &(struct weft_http_event){.id = id, .data = text.data});
    text_fini(&text);
    self->next++;
    return status;
}

static int64_t first_second(weft_http_request *request)
{
    const char *seen = weft_http_events_last_id(request);
    int64_t now = clock_now(), oldest = now - WINDOW;
    int64_t last = seen ? strtoll(seen, NULL, 10) : -1; /* whatever a client may say */
    return last < oldest - 1 || last >= now ? oldest : last + 1;
}

/* Until the next second begins. */
static weft_ns time_left(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return WEFT_S(1) - now.tv_nsec;
}

static WEFT_ASYNC(live)
{
    WEFT_BEGIN;
    self->app->viewers++;
    self->next = first_second(self->request);
    weft_http_events_start_with(self->request,
                                &(struct weft_http_events_options){.retry = WEFT_S(1)});
    while (!weft_http_request_is_stopping(self->request)) {
        while (self->next < clock_now()) {
            self->status = send_second(self);
            if (self->status < 0)
                WEFT_FAIL(self->status);
            WEFT_AWAIT(weft_http_drain(self->request));
        }
        WEFT_CATCH(self->status,
                   weft_wait_for(weft_http_request_stopping(self->request), time_left()));
        if (self->status == -ECANCELED)
            WEFT_FAIL(self->status);
    }
    WEFT_FINALLY;
    self->app->viewers--;
    WEFT_END;
}

void add_live_routes(struct app *app)
{
    weft_http_route(app->server, "GET /", front_page);
    weft_http_route(app->server, "GET /live", live, .app = app);
}
