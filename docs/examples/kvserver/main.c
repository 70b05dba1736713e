/* SPDX-License-Identifier: MIT */
/* kvserver: see docs/programs/kvserver.md. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

static const char help[] =
    "usage: kvserver [--listen ADDRESS] [--data DIR] [--clients N] [--repair]\n"
    "  --listen ADDRESS  127.0.0.1:6379; port 0: any that is free; unix:/PATH\n"
    "  --data DIR        where kv.log is kept (.)\n"
    "  --clients N       at the same time; more have to wait (10000)\n"
    "  --repair          drop what follows a damaged place of the log\n";

struct options {
    const char *address, *folder;
    size_t clients;
    bool repair;
};

/* Frees what has expired and nobody asks for. */
struct forget {
    WEFT_FRAME;
    struct store *store;
    size_t at;
};

static WEFT_ASYNC(forget)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT(weft_sleep(WEFT_MS(100)));
        store_expire(self->store, &self->at);
    }
    WEFT_END;
}

/* Clients that wait for nothing are sent away; the others get their answers first. */
static void stop_sessions(struct server *server)
{
    server->stopping = true;
    for (struct session *session = server->sessions; session; session = session->next) {
        if (session->idle)
            weft_cancel(session->task);
    }
}

struct serve {
    WEFT_FRAME;
    const struct options *options;
    struct server server;
    weft_listener *listener;
    weft_signal *on_int, *on_term;
    weft_future *forget;
    int status;
};

static weft_future *wait_for_end(struct serve *self)
{
    return weft_race(weft_signal_next(self->on_int), weft_signal_next(self->on_term),
                     weft_ref(self->server.stop),
                     weft_shield(weft_ref(log_task(self->server.log))));
}

static int set_up(struct serve *self)
{
    struct weft_listen_options options = {.max_connections = self->options->clients};
    self->server.stop = weft_future_new();
    self->on_int = weft_signal_open(SIGINT);
    self->on_term = weft_signal_open(SIGTERM);
    if (!self->server.stop || !self->on_int || !self->on_term)
        return -errno;
    self->listener =
        weft_listen_with(&options, self->options->address, session, .server = &self->server);
    if (!self->listener)
        return -errno;
    self->forget = weft_spawn(forget, .store = &self->server.store);
    return 0;
}

static WEFT_ASYNC(serve)
{
    struct server *server = &self->server;
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(server->log, log_open(server, self->options->folder, self->options->repair));
    self->status = set_up(self);
    if (self->status < 0)
        WEFT_FAIL(self->status, "%s: %s", self->options->address, weft_strerror(self->status));
    printf("kvserver: %s, %zu keys, %llu bytes of log\n", weft_listener_address(self->listener),
           server->store.count, (unsigned long long)log_size(server->log));
    fflush(stdout);
    WEFT_AWAIT(wait_for_end(self));
    weft_listener_stop(self->listener);
    stop_sessions(server);
    WEFT_CATCH(self->status, weft_wait_for(weft_listener_drain(self->listener), WEFT_S(5)));
    WEFT_AWAIT(log_close(server->log));
    puts("kvserver: all is written");

    WEFT_FINALLY;
    if (self->listener) { /* sessions end before what they use */
        weft_listener_abort(self->listener);
        WEFT_CATCH(self->status, weft_listener_drain(self->listener));
    }
    weft_listener_free(self->listener);
    if (self->forget)
        weft_cancel(self->forget);
    weft_unref(self->forget);
    weft_signal_close(self->on_int);
    weft_signal_close(self->on_term);
    weft_unref(server->stop);
    if (server->log)
        WEFT_CATCH(self->status, log_close(server->log)); /* its task ends before it does */
    log_free(server->log);
    store_clear(&server->store, 0);
    WEFT_END;
}

static bool read_options(char **args, struct options *ret)
{
    *ret = (struct options){.address = "127.0.0.1:6379", .folder = ".", .clients = 10000};
    for (; *args; args++) {
        if (strcmp(*args, "--repair") == 0) {
            ret->repair = true;
            continue;
        }
        if (!args[1])
            return false;
        if (strcmp(*args, "--listen") == 0)
            ret->address = args[1];
        else if (strcmp(*args, "--data") == 0)
            ret->folder = args[1];
        else if (strcmp(*args, "--clients") == 0)
            ret->clients = strtoul(args[1], NULL, 10);
        else
            return false;
        args++;
    }
    return ret->clients > 0 && ret->clients <= 1000000;
}

int main(int argc, char **argv)
{
    struct options options;
    (void)argc;
    if (!read_options(argv + 1, &options)) {
        fputs(help, stderr);
        return 2;
    }
    return weft_run(serve, .options = &options);
}
