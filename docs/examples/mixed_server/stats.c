/* SPDX-License-Identifier: MIT */
/*
 * What goes on: /stats tells the numbers once, /metrics tells them to Prometheus. /events is for the page: the
 * numbers five times a second, all tasks once a second ("tasks"), and the watchdog's reports when there is a new
 * one ("blocked").
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/http_events.h>
#include <weft/inspect.h>

#include "reports.h"
#include "site.h"

enum { MAX_STATS = 16 * 1024, TICKS_PER_LIST = 5 };

/* A text of bounded length. What does not fit is left out as a whole, but for its end. */
struct text {
    size_t len;
    char data[MAX_STATS + 8];
};

static void WEFT_PRINTF(2, 3) append(struct text *text, const char *format, ...)
{
    size_t room = MAX_STATS - text->len;
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text->data + text->len, room, format, arguments);
    va_end(arguments);
    if (len > 0 && (size_t)len < room)
        text->len += (size_t)len;
    text->data[text->len] = '\0';
}

static double ms(weft_ns ns)
{
    return (double)ns / 1e6;
}

/* In place: what a string of JSON must not contain as it is. */
static void make_plain(char *name)
{
    for (; *name; name++)
        if (*name == '"' || *name == '\\' || (unsigned char)*name < ' ')
            *name = '?';
}

static void append_lane(void *to, const struct weft_lane_stats *stats)
{
    struct text *text = to;
    char name[sizeof(stats->name)];
    memcpy(name, stats->name, sizeof(name));
    make_plain(name);
    append(text,
           "%s{\"name\":\"%s\",\"running\":%zu,\"queued\":%zu,\"waiting\":%zu,\"completed\":%llu,"
           "\"rejected\":%llu,\"expired\":%llu,\"abandoned\":%zu,"
           "\"wait_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},"
           "\"run_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}}",
           text->data[text->len - 1] == '[' ? "" : ",", name, stats->running, stats->queued,
           stats->waiting, (unsigned long long)stats->completed,
           (unsigned long long)stats->rejected, (unsigned long long)stats->expired,
           stats->abandoned_running, ms(stats->queue_wait.p50), ms(stats->queue_wait.p99),
           ms(stats->queue_wait.max), ms(stats->run_time.p50), ms(stats->run_time.p99),
           ms(stats->run_time.max));
}

/* A line of JSON. */
static void write_stats(const struct site *site, size_t since, struct text *text)
{
    struct weft_loop_stats loop;
    struct weft_pool_stats pool;
    struct percentiles lag = lag_percentiles(&site->lag);
    weft_loop_get_stats(weft_loop_current(), &loop);
    weft_pool_get_stats(site->pool, &pool);
    append(text,
           "{\"pid\":%d,\"lag_ms\":{\"now\":%.3f,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},"
           "\"tasks\":%zu,\"jobs\":{\"queued\":%zu,\"running\":%zu},"
           "\"threads\":%zu,\"requests\":%llu,\"lanes\":[",
           (int)getpid(), ms(lag_worst(&site->lag, since)), lag.p50, lag.p99, lag.max, loop.tasks,
           pool.queued, pool.running, pool.threads,
           (unsigned long long)weft_http_server_stats(site->server).requests);
    weft_pool_each_lane(site->pool, append_lane, text);
    memcpy(text->data + text->len, "]}\n", 4);
    text->len += 3;
}

struct stats {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    struct text text;
};

static WEFT_ASYNC(stats)
{
    WEFT_BEGIN;
    write_stats(self->site, self->site->lag.count ? self->site->lag.count - 1 : 0, &self->text);
    weft_http_add_header(self->request, "Cache-Control", "no-store");
    WEFT_AWAIT(
        weft_http_respond(self->request, 200, "application/json", self->text.data, self->text.len));
    WEFT_END;
}

struct events {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    size_t seen;      /* samples of the lag that were told */
    uint64_t reports; /* of the watchdog that were told */
    unsigned ticks;
    struct text text;
};

/* False: the client is gone. */
static bool send_numbers(struct events *events)
{
    events->text.len = 0;
    write_stats(events->site, events->seen, &events->text);
    events->seen = events->site->lag.count;
    events->text.data[events->text.len - 1] = '\0'; /* the newline */
    struct weft_http_event event = {.data = events->text.data};
    return weft_http_event_send(events->request, &event) == 0;
}

/* A list that is freed; NULL is left out. */
static bool send_list(weft_http_request *request, const char *name, char *list)
{
    struct weft_http_event event = {.event = name, .data = list};
    bool is_there = !list || weft_http_event_send(request, &event) == 0;
    free(list);
    return is_there;
}

static bool send_tasks(struct events *events)
{
    char *list;
    int status = weft_inspect_tasks(&(struct weft_inspect_options){.most_tasks = 200}, &list);
    return send_list(events->request, "tasks", status < 0 ? NULL : list);
}

static bool send_all(struct events *events)
{
    uint64_t reports = reports_count();
    bool has_news = reports != events->reports;
    events->reports = reports;
    return send_numbers(events) && (events->ticks++ % TICKS_PER_LIST != 0 || send_tasks(events)) &&
           (!has_news || send_list(events->request, "blocked", reports_list()));
}

static WEFT_ASYNC(events)
{
    WEFT_BEGIN;
    self->seen = self->site->lag.count;
    weft_http_events_start(self->request);
    if (is_head(self->request))
        WEFT_RETURN(0);
    while (!weft_http_request_is_stopping(self->request) && send_all(self)) {
        WEFT_AWAIT(weft_http_drain(self->request));
        WEFT_AWAIT(weft_sleep(WEFT_MS(200)));
    }
    WEFT_END;
}

struct metrics {
    WEFT_FRAME;
    weft_http_request *request;
    char *text; /* owned */
    size_t size, len;
    int status;
};

static WEFT_ASYNC(metrics)
{
    WEFT_BEGIN;
    while ((self->status = weft_metrics_write(self->text, self->size, &self->len)) == -ENOSPC) {
        free(self->text);
        self->size = self->len + 4096; /* the numbers grow meanwhile */
        self->text = malloc(self->size);
        if (!self->text)
            WEFT_FAIL(-ENOMEM);
    }
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_AWAIT(weft_http_respond(self->request, 200, WEFT_METRICS_TYPE, self->text, self->len));
    WEFT_FINALLY;
    free(self->text);
    WEFT_END;
}

void add_stats_routes(struct site *site)
{
    weft_http_route(site->server, "GET /stats", stats, .site = site);
    weft_http_route(site->server, "GET /metrics", metrics);
    weft_http_route(site->server, "GET /events", events, .site = site);
}
