/* SPDX-License-Identifier: MIT */
/*
 * A server that mixes blocking and non-blocking work on one thread, and shows what happens when it
 * is done wrong.
 *
 *     mixed_server [--port N] [--root DIR] [--data DIR]
 *
 * Everything that blocks (a sleep, a slow hash, a file, a database) runs on a worker thread: waits.c,
 * files.c, words.c. Everything else is a coroutine on the loop. Only what is there to cause trouble does
 * otherwise: /block sleeps on the loop, and trouble.c floods, leaks and deadlocks. The page at / (page.c) shows
 * what comes of it: stats.c tells it how late the loop is, what the lanes are doing and which tasks there
 * are, reports.c what the watchdog has found, trace.c what happened when.
 */
#define _GNU_SOURCE /* the C library beyond C11 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "reports.h"
#include "site.h"

enum { MAX_THREADS = 64, MAX_HASHES_QUEUED = 64 };

bool is_head(const weft_http_request *request)
{
    return strcmp(weft_http_request_method(request), "HEAD") == 0;
}

/* ---- What the handlers share ---- */

/* Threads for all: sleeps may have most of them. Hashing, which takes a CPU each, may have as many
 * as there are CPUs, and files have some that nobody else can take. */
static int open_pool(struct site *site)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    site->pool = weft_pool_new(&(struct weft_pool_options){.max_threads = MAX_THREADS});
    if (!site->pool)
        return -errno;
    site->files = weft_pool_lane(site->pool, "files");
    site->hashing = weft_lane_new(
        site->pool, &(struct weft_lane_options){.name = "hash",
                                                .max_running = cpus > 0 ? (unsigned)cpus : 1,
                                                .max_queued = MAX_HASHES_QUEUED});
    if (!site->hashing)
        return -errno;
    site->trouble = trouble_new(site->pool);
    if (!site->trouble)
        return -ENOMEM;
    return weft_loop_set_pool(weft_loop_current(), site->pool);
}

static void site_close(struct site *site)
{
    weft_http_server_free(site->server);
    words_free(site->words);
    trouble_free(site->trouble);
    trace_free(site);
    weft_lane_unref(site->hashing);
    weft_pool_unref(site->pool);
    if (site->root >= 0)
        close(site->root);
}

/* ---- The program ---- */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    if (weft_is_done(arg)) /* the second one: enough of waiting */
        _exit(128 + (int)number);
    printf("\n%s: finishing what runs (the next one ends it at once)\n", strsignal((int)number));
    fflush(stdout);
    weft_future_resolve(arg, weft_value_i64(number), NULL);
}

struct serve {
    WEFT_FRAME;
    int port;
    const char *folder, *data; /* `data` may be NULL */
    struct site site;
    weft_future *stop; /* done when a signal asks for the end */
    struct event *on_term, *on_int;
    weft_future *lag_task;
    char address[32];
    int status;
};

static void add_routes(struct site *site)
{
    add_page_routes(site);
    add_wait_routes(site);
    add_file_routes(site);
    add_word_routes(site);
    add_stats_routes(site);
    add_trouble_routes(site);
    add_trace_routes(site);
}

static struct event *watch_signal(int number, weft_future *stop)
{
    struct event_base *base = weft_loop_base(weft_loop_current());
    struct event *event = evsignal_new(base, number, on_signal, stop);
    if (event)
        event_add(event, NULL);
    return event;
}

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    reports_begin();
    self->site.root = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->site.root < 0)
        WEFT_FAIL(-errno, "--root must be a folder, and %s is none", self->folder);
    self->site.server = weft_http_server_new(NULL);
    self->status = self->site.server ? open_pool(&self->site) : -errno;
    if (self->status < 0)
        WEFT_FAIL(self->status);
    if (self->data) {
        WEFT_CATCH_INTO(self->status, self->site.words, words_open(self->data));
        if (self->status < 0)
            WEFT_FAIL(self->status, "no database in --data %s: %s", self->data,
                      WEFT_CAUGHT_MESSAGE ? WEFT_CAUGHT_MESSAGE : weft_strerror(self->status));
    }

    add_routes(&self->site);
    snprintf(self->address, sizeof(self->address), "127.0.0.1:%d", self->port);
    self->status = weft_http_server_listen(self->site.server, self->address);
    if (self->status < 0)
        WEFT_FAIL(self->status, "cannot listen on %s; --port N takes another port", self->address);
    printf("listening on http://%s (Ctrl-C ends it)\n",
           weft_http_server_address(self->site.server));
    fflush(stdout);

    self->stop = weft_future_new();
    self->on_term = watch_signal(SIGTERM, self->stop);
    self->on_int = watch_signal(SIGINT, self->stop);
    self->lag_task = weft_spawn(measure_lag, .lag = &self->site.lag);
    WEFT_AWAIT(weft_ref(self->stop));
    WEFT_CATCH(self->status,
               weft_wait_for(weft_http_server_shutdown(self->site.server, WEFT_S(5)), WEFT_S(12)));
    puts(self->status < 0 ? "stopped; some requests had to be cut off" : "stopped");

    WEFT_FINALLY;
    if (self->on_term)
        event_free(self->on_term);
    if (self->on_int)
        event_free(self->on_int);
    if (self->lag_task)
        weft_cancel(self->lag_task);
    weft_unref(self->lag_task);
    weft_unref(self->stop);
    if (self->site.trouble)
        WEFT_CATCH(self->status, trouble_end(self->site.trouble));
    site_close(&self->site);
    reports_end();
    WEFT_END;
}

static const char help[] = "usage: mixed_server [--port N] [--root DIR] [--data DIR]\n"
                           "  --port N    listen on 127.0.0.1:N (8080; 0: any that is free)\n"
                           "  --root DIR  the folder that /files/ and /wc/ serve (.)\n"
                           "  --data DIR  the folder for the database of /words and /visits, made\n"
                           "              if it is not there (none: these two answer 503)\n";

static int misuse(const char *complaint, const char *what)
{
    fprintf(stderr, "mixed_server: %s: %s\n%s", complaint, what, help);
    return 2;
}

/* A descriptor for each connection: as many as the system allows, where a shell allows 1024. */
static void allow_many_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Seen from outside, unless the environment says otherwise: a block of 100 ms is reported, and the command
 * `weft` is answered. */
static void be_seen(void)
{
    setenv("WEFT_WATCHDOG", "100", 0);
    setenv("WEFT_CONTROL", "1", 0);
}

struct arguments {
    long port;
    const char *folder, *data;
};

/* 0, or the exit status. */
static int parse(char **argv, struct arguments *ret)
{
    for (; *argv; argv += 2) {
        char *end = NULL;
        bool is_port = strcmp(argv[0], "--port") == 0, is_root = strcmp(argv[0], "--root") == 0;
        if (!is_port && !is_root && strcmp(argv[0], "--data") != 0)
            return misuse("no such option", argv[0]);
        if (!argv[1])
            return misuse("a value is missing after", argv[0]);
        if (!is_port)
            *(is_root ? &ret->folder : &ret->data) = argv[1];
        else if ((ret->port = strtol(argv[1], &end, 10)) < 0 || ret->port > 65535 || *end ||
                 end == argv[1])
            return misuse("not a port", argv[1]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.port = 8080, .folder = "."};
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return fputs(help, stdout) < 0;
    int status = parse(argv + 1, &arguments);
    if (status)
        return status;
    allow_many_files();
    be_seen();
    return weft_run(serve, .port = (int)arguments.port, .folder = arguments.folder,
                    .data = arguments.data);
}
