/* SPDX-License-Identifier: MIT */
/* proxy: see docs/programs/proxy.md. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "proxy.h"

static const char help[] =
    "usage: proxy CONFIG\n"
    "  tcp     ADDRESS TARGET       pass connections on to a target\n"
    "  connect ADDRESS PATTERN...   speak HTTP's CONNECT, for targets that match: "
    "*.example.org:443\n"
    "  set     NAME VALUE           connect_timeout (10), idle_timeout (300), head_timeout (10),\n"
    "                               grace (30), in seconds; connections (10000) of each address\n"
    "SIGHUP reads the file again, SIGUSR1 says what was done, SIGINT and SIGTERM end it.\n";

struct serve_all {
    WEFT_FRAME;
    const char *path;
    struct services services;
    struct config *config;
    weft_signal *on_hup, *on_usr1, *on_int, *on_term;
    weft_future *one;
    ssize_t which;
    int status;
};

static void say_totals(const struct services *services)
{
    printf("proxy: %zu open, %" PRIu64 " connections, %" PRIu64 " failed, %" PRIu64
           " bytes up, %" PRIu64 " down\n",
           services_connections(services), services->totals.connections, services->totals.failed,
           services->totals.up, services->totals.down);
    fflush(stdout);
}

/* 0, or -errno, said. */
static int use(struct serve_all *self, struct config *config)
{
    const char *failed = "";
    int status = services_set(&self->services, config, &failed);
    if (status < 0) {
        fprintf(stderr, "proxy: %s: %s\n", failed, weft_strerror(status));
        config_unref(config);
        return status;
    }
    config_unref(self->config);
    self->config = config;
    printf("proxy: %zu rules\n", config->count);
    fflush(stdout);
    return 0;
}

static bool listen_to_signals(struct serve_all *self)
{
    self->on_hup = weft_signal_open(SIGHUP);
    self->on_usr1 = weft_signal_open(SIGUSR1);
    self->on_int = weft_signal_open(SIGINT);
    self->on_term = weft_signal_open(SIGTERM);
    return self->on_hup && self->on_usr1 && self->on_int && self->on_term;
}

static weft_future *next_signal(struct serve_all *self)
{
    return weft_race(weft_signal_next(self->on_hup), weft_signal_next(self->on_usr1),
                     weft_signal_next(self->on_int), weft_signal_next(self->on_term));
}

static WEFT_ASYNC(serve_all)
{
    struct config *config = NULL;
    WEFT_BEGIN;
    if (!listen_to_signals(self))
        WEFT_FAIL(-errno, "signals: %s", strerror(errno));
    self->services.leaving = weft_scope_open(&(struct weft_scope_options){.forgets = true});
    WEFT_AWAIT_INTO(config, config_read(self->path));
    self->status = use(self, config);
    if (self->status < 0)
        WEFT_RETURN(0);
    for (;;) {
        self->one = next_signal(self);
        WEFT_AWAIT(weft_ref(self->one));
        self->which = weft_race_winner(self->one);
        weft_unref(self->one);
        self->one = NULL;
        if (self->which > 1)
            break;
        if (self->which == 1) {
            say_totals(&self->services);
            continue;
        }
        WEFT_CATCH_INTO(self->status, config, config_read(self->path));
        if (self->status < 0)
            fprintf(stderr, "proxy: %s; the old rules stay\n", WEFT_CAUGHT_MESSAGE);
        else
            use(self, config);
    }
    self->status = 0;
    services_stop(&self->services, self->config->grace);
    WEFT_AWAIT(weft_scope_close(self->services.leaving, 0));
    say_totals(&self->services);

    WEFT_FINALLY;
    weft_unref(self->one);
    WEFT_SCOPE_CLOSE(self->services.leaving);
    services_free(&self->services);
    config_unref(self->config);
    weft_signal_close(self->on_hup);
    weft_signal_close(self->on_usr1);
    weft_signal_close(self->on_int);
    weft_signal_close(self->on_term);
    if (WEFT_OUTCOME == 0 && self->status < 0)
        WEFT_RETURN(1);
    WEFT_END;
}

int main(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-') {
        fputs(help, stderr);
        return 2;
    }
    /* a descriptor for each side of a connection */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return weft_run(serve_all, .path = argv[1]);
}
