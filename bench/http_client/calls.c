/* SPDX-License-Identifier: MIT */
/*
 * How long libcurl's calls hold the loop, with many requests started at once: calls [URL [COUNT]].
 * Without a URL the server is weft's own, in a process beside. Every call is measured by the
 * thread's CPU time, so that what others use does not count; the functions are wrapped by the
 * linker. Also: the worst lag of a task that only sleeps for a millisecond, which others do lengthen.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <weft/http_client.h>
#include <weft/http_server.h>
#include <weft/weft.h>

#include "../common/bench.h"

/* ---- The calls ---- */

enum { MOST_CALLS = 1 << 20 };

static uint32_t calls[MOST_CALLS]; /* ns */
static size_t call_count;

static uint64_t cpu_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void note(uint64_t begin)
{
    if (call_count < MOST_CALLS)
        calls[call_count++] = (uint32_t)(cpu_now() - begin);
}

CURLMcode __real_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int what, int *running);
CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int what, int *running);
CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int what, int *running)
{
    uint64_t begin = cpu_now();
    CURLMcode code = __real_curl_multi_socket_action(multi, fd, what, running);
    note(begin);
    return code;
}

CURLMcode __real_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    uint64_t begin = cpu_now();
    CURLMcode code = __real_curl_multi_add_handle(multi, easy);
    note(begin);
    return code;
}

CURLMcode __real_curl_multi_remove_handle(CURLM *multi, CURL *easy);
CURLMcode __wrap_curl_multi_remove_handle(CURLM *multi, CURL *easy);
CURLMcode __wrap_curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    uint64_t begin = cpu_now();
    CURLMcode code = __real_curl_multi_remove_handle(multi, easy);
    note(begin);
    return code;
}

void __real_curl_easy_cleanup(CURL *easy);
void __wrap_curl_easy_cleanup(CURL *easy);
void __wrap_curl_easy_cleanup(CURL *easy)
{
    uint64_t begin = cpu_now();
    __real_curl_easy_cleanup(easy);
    note(begin);
}

static int compare(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return (one > other) - (one < other);
}

/* ---- The server beside ---- */

struct hello {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(hello)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", "Hello, World!", 13));
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    int out;
    weft_http_server *server;
    int port;
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    static const struct weft_http_server_options options = {.max_connections = WEFT_HTTP_NO_LIMIT};
    self->server = weft_http_serve_with(&options, "127.0.0.1:0", hello);
    self->port = self->server ? weft_http_server_port(self->server) : 0;
    if (write(self->out, &self->port, sizeof(self->port)) < 0 || !self->server)
        WEFT_FAIL(-EIO, "cannot serve");
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_END;
}

/* Its port; 0: there is none. */
static int start_server(void)
{
    int ends[2], port = 0;
    if (pipe(ends) < 0)
        return 0;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(weft_run(serve, .out = ends[1]));
    }
    close(ends[1]);
    if (child > 0 && read(ends[0], &port, sizeof(port)) < 0)
        port = 0;
    close(ends[0]);
    return port;
}

/* ---- The client ---- */

struct lag {
    WEFT_FRAME;
    weft_ns worst, begin;
    weft_ns *ret;
};

static WEFT_ASYNC(lag)
{
    WEFT_BEGIN;
    for (;;) {
        self->begin = weft_now();
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
        if (weft_now() - self->begin - WEFT_MS(1) > *self->ret)
            *self->ret = weft_now() - self->begin - WEFT_MS(1);
    }
    WEFT_END;
}

struct ask {
    WEFT_FRAME;
    const char *url;
    size_t count, i;
    weft_http_session *session;
    weft_future **requests; /* owned */
    weft_future *lagging;
    weft_ns lag;
};

static void report(const struct ask *self)
{
    struct weft_http_session_stats stats = weft_http_session_get_stats(self->session);
    double sum = 0;
    qsort(calls, call_count, sizeof(calls[0]), compare);
    for (size_t i = 0; i < call_count; i++)
        sum += calls[i];
    emit("calls", "weft", "requests", (double)stats.requests, "requests");
    emit("calls", "weft", "connections", (double)stats.connections, "connections");
    emit("calls", "weft", "calls", (double)call_count, "calls");
    emit("calls", "weft", "mean", sum / (double)call_count / 1000, "us");
    emit("calls", "weft", "p99", calls[call_count * 99 / 100] / 1000.0, "us");
    emit("calls", "weft", "longest", calls[call_count - 1] / 1000.0, "us");
    emit("calls", "weft", "lag", (double)self->lag / 1e6, "ms");
}

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    self->requests = calloc(self->count, sizeof(*self->requests));
    self->session = weft_http_session_new(&(struct weft_http_session_options){
        .max_requests = self->count, .flags = WEFT_HTTP_INSECURE});
    if (!self->session || !self->requests)
        WEFT_FAIL(-ENOMEM);
    self->lagging = weft_spawn(lag, .ret = &self->lag);
    for (self->i = 0; self->i < self->count; self->i++)
        self->requests[self->i] = weft_http_get(self->session, self->url);
    for (self->i = 0; self->i < self->count; self->i++) {
        WEFT_AWAIT(weft_ref(self->requests[self->i]));
        weft_unref(self->requests[self->i]);
        self->requests[self->i] = NULL;
    }
    report(self);

    WEFT_FINALLY;
    weft_cancel(self->lagging);
    weft_unref(self->lagging);
    for (self->i = 0; self->requests && self->i < self->count; self->i++)
        weft_unref(self->requests[self->i]);
    free(self->requests);
    weft_http_session_free(self->session);
    WEFT_END;
}

int main(int argc, char **argv)
{
    char url[64];
    int count = argc > 2 ? atoi(argv[2]) : 1000;
    if (argc < 2)
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/", start_server());
    if (count < 1) {
        fprintf(stderr, "usage: calls [URL [COUNT]]\n");
        return 2;
    }
    return weft_run(ask, .url = argc > 1 ? argv[1] : url, .count = (size_t)count);
}
