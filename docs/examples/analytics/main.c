/* SPDX-License-Identifier: MIT */
/* analytics: see docs/programs/analytics.md. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analytics.h"

static const char help[] =
    "usage: analytics [--http ADDRESS] [--udp ADDRESS] [--data FILE] [--series N] [--roll-up "
    "SECONDS]\n"
    "                 [--keep HOURS] [--backlog N]\n"
    "  --http ADDRESS     the page, and POST /events (127.0.0.1:8080); port 0: any that is free\n"
    "  --udp ADDRESS      lines as of statsd (127.0.0.1:8125); \"off\": none\n"
    "  --data FILE        the database (analytics.db)\n"
    "  --series N         of a name, or a name and a tag, at most; others are refused (1000)\n"
    "  --roll-up SECONDS  what a row of the database sums up (10)\n"
    "  --keep HOURS       how long events are kept (168)\n"
    "  --backlog N        roll-ups that wait while the database is slow, then they get longer "
    "(20000)\n"
    "Try: echo 'latency:12.5|ms|#host:web1' | curl --data-binary @- http://127.0.0.1:8080/events\n";

struct options {
    const char *http, *udp, *data;
    double series, roll_up, keep, backlog;
};

struct serve {
    WEFT_FRAME;
    const struct options *options;
    struct app app;
    weft_signal *on_int, *on_term;
    weft_future *udp_task;
    int status;
};

static weft_future *wait_for_end(struct serve *self)
{
    return weft_race(weft_signal_next(self->on_int), weft_signal_next(self->on_term),
                     weft_shield(weft_ref(store_task(self->app.store))));
}

static int set_up(struct serve *self)
{
    const struct options *options = self->options;
    self->app.table.limit = (size_t)options->series;
    self->app.table.roll_up = (int64_t)options->roll_up;
    self->app.table.keep = (int64_t)(options->keep * 3600);
    self->app.table.most_parts = (size_t)options->backlog;
    self->app.server = weft_http_server_new(NULL);
    self->on_int = weft_signal_open(SIGINT);
    self->on_term = weft_signal_open(SIGTERM);
    if (!self->app.server || !self->on_int || !self->on_term)
        return -errno;
    return table_init(&self->app.table) < 0 ? -ENOMEM : 0;
}

/* Each of them is 0, or why its address cannot be had. */
static int listen_http(struct app *app, const char *address)
{
    add_receive_routes(app);
    add_ask_routes(app);
    add_live_routes(app);
    return weft_http_server_listen(app->server, address);
}

static int listen_udp(struct app *app, const char *address)
{
    if (strcmp(address, "off") == 0)
        return 0;
    app->udp = weft_udp_open(&(struct weft_udp_options){
        .bind = address, .receive_limit = 4096, .receive_buffer = 4 << 20});
    return app->udp ? 0 : -errno;
}

static void greet(const struct app *app)
{
    weft_address address;
    char udp[WEFT_ADDRESS_TEXT] = "off";
    if (app->udp && weft_udp_local(app->udp, &address) == 0)
        weft_address_format(&address, udp, sizeof(udp));
    printf("analytics: http://%s/ udp %s, %zu series (Ctrl-C ends it)\n",
           weft_http_server_address(app->server), udp, app->table.count);
    fflush(stdout);
}

/* Datagrams that have come are counted; but others may come without an end. */
#define END_UDP WEFT_S(1)

struct end_udp {
    WEFT_FRAME;
    struct app *app;
    struct weft_udp_stats stats;
};

static WEFT_ASYNC(end_udp)
{
    WEFT_BEGIN;
    do {
        WEFT_YIELD;
        weft_udp_get_stats(self->app->udp, &self->stats);
    } while (self->stats.to_receive);
    WEFT_END;
}

static WEFT_ASYNC(serve)
{
    struct app *app = &self->app;
    WEFT_BEGIN;
    self->status = set_up(self);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_AWAIT_INTO(app->store, store_open(&app->table, self->options->data));
    self->status = listen_http(app, self->options->http);
    if (self->status < 0)
        WEFT_FAIL(self->status, "--http %s: %s", self->options->http, weft_strerror(self->status));
    self->status = listen_udp(app, self->options->udp);
    if (self->status < 0)
        WEFT_FAIL(self->status, "--udp %s: %s", self->options->udp, weft_strerror(self->status));
    if (app->udp)
        self->udp_task = weft_spawn(receive_udp, .app = app);
    greet(app);
    WEFT_AWAIT(wait_for_end(self));
    WEFT_CATCH(self->status, weft_http_server_shutdown(app->server, WEFT_S(5)));
    if (app->udp)
        WEFT_CATCH(self->status, weft_wait_for(weft_spawn(end_udp, .app = app), END_UDP));
    if (self->udp_task) { /* what comes from now on would have to be written, too */
        weft_cancel(self->udp_task);
        WEFT_CATCH(self->status, self->udp_task);
        self->udp_task = NULL;
    }
    WEFT_AWAIT(store_close(app->store));
    printf("analytics: all is written, %llu events\n", (unsigned long long)app->table.events);

    WEFT_FINALLY;
    if (self->udp_task) {
        weft_cancel(self->udp_task);
        WEFT_CATCH(self->status, self->udp_task);
    }
    weft_http_server_free(app->server);
    weft_udp_free(app->udp);
    if (app->store)
        WEFT_CATCH(self->status, store_close(app->store)); /* its task ends before it does */
    store_free(app->store);
    if (app->table.buckets)
        table_fini(&app->table);
    weft_signal_close(self->on_int);
    weft_signal_close(self->on_term);
    WEFT_END;
}

/* ---- Options ---- */

static bool read_number(const char *text, double least, double most, bool whole, double *ret)
{
    char *end;
    *ret = strtod(text, &end);
    return *text && !*end && *ret >= least && *ret <= most && (!whole || *ret == floor(*ret));
}

/* NULL, or what is wrong. */
static const char *read_option(const char *name, const char *value, struct options *ret)
{
    const char **text = strcmp(name, "--http") == 0   ? &ret->http
                        : strcmp(name, "--udp") == 0  ? &ret->udp
                        : strcmp(name, "--data") == 0 ? &ret->data
                                                      : NULL;
    if (text) {
        *text = value;
        return value ? NULL : "a value is missing";
    }
    bool ok;
    const char *number = value ? value : "";
    if (strcmp(name, "--series") == 0)
        ok = read_number(number, 1, 1e6, true, &ret->series);
    else if (strcmp(name, "--roll-up") == 0)
        ok = read_number(number, 1, 3600, true, &ret->roll_up);
    else if (strcmp(name, "--keep") == 0)
        ok = read_number(number, 0.02, 1e6, false, &ret->keep);
    else if (strcmp(name, "--backlog") == 0)
        ok = read_number(number, 1, 1e7, true, &ret->backlog);
    else
        return "there is no such option";
    return ok ? NULL : value ? "not such a number" : "a value is missing";
}

/* 0, or the exit status. */
static int read_options(char **args, struct options *ret)
{
    *ret = (struct options){.http = "127.0.0.1:8080",
                            .udp = "127.0.0.1:8125",
                            .data = "analytics.db",
                            .series = 1000,
                            .roll_up = 10,
                            .keep = 168,
                            .backlog = 20000};
    for (; *args; args += 2) {
        const char *wrong = read_option(args[0], args[1], ret);
        if (wrong) {
            fprintf(stderr, "analytics: %s: %s\n%s", args[0], wrong, help);
            return 2;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options options;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(help, stdout) < 0;
    int status = read_options(argv + 1, &options);
    return status ? status : weft_run(serve, .options = &options);
}
