/* SPDX-License-Identifier: MIT */
/* What others ask for: /series, /query, /stats. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analytics.h"

enum { MOST_POINTS = 2000, USUAL_POINTS = 60, USUAL_TIME = 3600 };

static weft_future *answer(weft_http_request *request, struct text *text)
{
    weft_http_add_header(request, "Cache-Control", "no-store");
    weft_future *sent =
        text->failed ? weft_http_respond_status(request, 500)
                     : weft_http_respond(request, 200, "application/json", text->data, text->len);
    text_fini(text);
    return sent;
}

static weft_future *refuse(weft_http_request *request, int status, const char *why)
{
    return weft_http_respondf(request, status, "application/json", "{\"error\":\"%s\"}\n", why);
}

static void add_names(struct text *text, const struct series *series)
{
    text_addf(text, "\"name\":");
    text_add_string(text, series->name);
    text_addf(text, ",\"tag\":");
    text_add_string(text, series->tag);
}

/* The parameter of the query as a whole number, or `usual` if there is none. */
static bool read_whole(weft_http_request *request, const char *name, int64_t usual, int64_t *ret)
{
    const char *text = weft_http_request_query(request, name);
    char *end;
    if (!text) {
        *ret = usual;
        return true;
    }
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return !errno && *text && !*end && *ret > -100000000000 && *ret < 100000000000;
}

/* ---- /series ---- */

struct list_series {
    WEFT_FRAME;
    weft_http_request *request;
    struct app *app;
    int64_t at;
};

static void add_windows(struct text *text, const struct series *series, int64_t end)
{
    static const int windows[] = {1, 10, 60};
    text_addf(text, ",\"last\":%lld,\"windows\":{", (long long)series->last);
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        struct summary summary = {0};
        series_window(series, end, windows[i], &summary);
        text_addf(text, "%s\"%d\":{", i ? "," : "", windows[i]);
        summary_write(&summary, text);
        text_addf(text, "}");
        summary_fini(&summary);
    }
    text_addf(text, "}");
}

/* The series, or those of ?name=, with their windows that end before ?at= (the second that runs now). */
static WEFT_ASYNC(list_series)
{
    const char *name = weft_http_request_query(self->request, "name");
    struct text text = {0};
    bool first = true;
    WEFT_BEGIN;
    if (!read_whole(self->request, "at", clock_now(), &self->at)) {
        WEFT_AWAIT(refuse(self->request, 400, "at is in seconds since 1970"));
        WEFT_RETURN(0);
    }
    text_addf(&text, "{\"now\":%lld,\"at\":%lld,\"series\":[", (long long)clock_now(),
              (long long)self->at);
    for (const struct series *series = self->app->table.first; series; series = series->following) {
        if (name && strcmp(series->name, name) != 0)
            continue;
        text_addf(&text, "%s\n{", first ? "" : ",");
        add_names(&text, series);
        add_windows(&text, series, self->at);
        text_addf(&text, "}");
        first = false;
    }
    text_addf(&text, "]}\n");
    WEFT_AWAIT(answer(self->request, &text));
    WEFT_END;
}

/* ---- /query ---- */

struct ask_points {
    WEFT_FRAME;
    weft_http_request *request;
    struct app *app;
    struct points points;
    int64_t to;
    const char *wrong;
    int status;
};

static int64_t round_up(int64_t number, int64_t step)
{
    return (number + step - 1) / step * step;
}

/* NULL, or what is wrong. Times below 0 are before now. */
static const char *read_range(struct ask_points *self)
{
    struct points *points = &self->points;
    int64_t now = clock_now(), roll_up = self->app->table.roll_up, from, to, step;
    if (!read_whole(self->request, "to", now + 1, &to) ||
        !read_whole(self->request, "from", (to < 0 ? now + to : to) - USUAL_TIME, &from))
        return "from and to are in seconds since 1970, or below 0: before now";
    from = from < 0 ? now + from : from;
    to = to < 0 ? now + to : to;
    if (from < 0 || from >= to)
        return "from must be before to";
    if (!read_whole(self->request, "step", round_up((to - from) / USUAL_POINTS + 1, roll_up),
                    &step) ||
        step <= 0 || step % roll_up)
        return "step must be a multiple of --roll-up";
    points->from = from - from % step;
    points->step = step;
    self->to = round_up(to, step);
    if ((self->to - points->from) / step > MOST_POINTS)
        return "more than 2000 points; step makes them fewer";
    points->count = (size_t)((self->to - points->from) / step);
    return NULL;
}

static void write_points(const struct ask_points *self, const char *name, const char *tag,
                         struct text *text)
{
    const struct points *points = &self->points;
    text_addf(text, "{\"name\":");
    text_add_string(text, name);
    text_addf(text, ",\"tag\":");
    text_add_string(text, tag);
    text_addf(text, ",\"from\":%lld,\"to\":%lld,\"step\":%lld,\"merged\":%s,\"points\":[",
              (long long)points->from, (long long)self->to, (long long)points->step,
              points->merged ? "true" : "false");
    bool first = true;
    for (size_t i = 0; i < points->count; i++) {
        if (!points->list[i].count)
            continue;
        text_addf(text, "%s\n{\"time\":%lld,", first ? "" : ",",
                  (long long)(points->from + points->step * (int64_t)i));
        summary_write(&points->list[i], text);
        text_addf(text, "}");
        first = false;
    }
    text_addf(text, "]}\n");
}

/* The points at which something came, of ?name= and ?tag=. */
static WEFT_ASYNC(ask_points)
{
    const char *name = weft_http_request_query(self->request, "name");
    const char *tag = weft_http_request_query(self->request, "tag");
    struct text text = {0};
    const struct series *series = name ? table_find(&self->app->table, name, tag ? tag : "") : NULL;
    WEFT_BEGIN;
    self->wrong = name ? read_range(self) : "name is missing";
    if (self->wrong) {
        WEFT_AWAIT(refuse(self->request, 400, self->wrong));
        WEFT_RETURN(0);
    }
    if (!series) {
        WEFT_AWAIT(refuse(self->request, 404, "there is no such series"));
        WEFT_RETURN(0);
    }
    self->points.list = calloc(self->points.count, sizeof(*self->points.list));
    if (!self->points.list)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT(store_query(self->app->store, series, &self->points));
    write_points(self, name, tag ? tag : "", &text);
    WEFT_AWAIT(answer(self->request, &text));

    WEFT_FINALLY;
    for (size_t i = 0; self->points.list && i < self->points.count; i++)
        summary_fini(&self->points.list[i]);
    free(self->points.list);
    WEFT_END;
}

/* ---- /stats ---- */

struct tell_stats {
    WEFT_FRAME;
    weft_http_request *request;
    struct app *app;
};

static void write_stats(const struct app *app, struct text *text)
{
    const struct table *table = &app->table;
    struct weft_udp_stats udp = {0};
    struct store_stats store;
    if (app->udp)
        weft_udp_get_stats(app->udp, &udp);
    store_get_stats(app->store, &store);
    text_addf(text,
              "{\"events\":{\"accepted\":%llu,\"by_http\":%llu,\"by_udp\":%llu,\"stored\":%llu},\n",
              (unsigned long long)table->events, (unsigned long long)app->by_http,
              (unsigned long long)app->by_udp, (unsigned long long)store.stored);
    text_addf(text, "\"series\":{\"count\":%zu,\"limit\":%zu,\"refused\":%llu},\n", table->count,
              table->limit, (unsigned long long)table->refused);
    text_addf(text,
              "\"udp\":{\"datagrams\":%llu,\"dropped\":%llu,\"dropped_by_kernel\":%llu,"
              "\"waiting\":%zu,\"bad_lines\":%llu,\"last_bad\":",
              (unsigned long long)udp.received, (unsigned long long)udp.dropped,
              (unsigned long long)udp.dropped_by_kernel, udp.to_receive,
              (unsigned long long)app->bad_lines);
    text_add_string(text, app->last_bad);
    text_addf(text,
              "},\n\"store\":{\"roll_up\":%lld,\"waiting\":%zu,\"limit\":%zu,\"writing\":%zu,"
              "\"merged\":%llu,\"groups\":%llu,\"rows\":%llu,\"failures\":%llu,\"expired\":%llu,"
              "\"last_ms\":%.3f,\"error\":",
              (long long)table->roll_up, table->part_count, table->most_parts, store.writing,
              (unsigned long long)table->merged, (unsigned long long)store.groups,
              (unsigned long long)store.rows, (unsigned long long)store.failures,
              (unsigned long long)store.expired, store.last_ms);
    text_add_string(text, store.error);
    text_addf(text, "},\n\"viewers\":%zu}\n", app->viewers);
}

static WEFT_ASYNC(tell_stats)
{
    struct text text = {0};
    WEFT_BEGIN;
    write_stats(self->app, &text);
    WEFT_AWAIT(answer(self->request, &text));
    WEFT_END;
}

void add_ask_routes(struct app *app)
{
    weft_http_route(app->server, "GET /series", list_series, .app = app);
    weft_http_route(app->server, "GET /query", ask_points, .app = app);
    weft_http_route(app->server, "GET /stats", tell_stats, .app = app);
}
