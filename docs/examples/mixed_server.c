/* SPDX-License-Identifier: MIT */
/*
 * A server that mixes blocking and non-blocking work on one thread, and shows what happens when it
 * is done wrong.
 *
 *     mixed_server [--port N] [--root DIR]
 *
 * Everything that blocks (a sleep, a slow hash, a file) is a WEFT_BLOCKING function, run on a worker
 * by weft_to_thread(). Everything else is a coroutine on the loop. /block alone sleeps on the loop,
 * on purpose: the page at / draws how long everybody else has to wait meanwhile.
 */
#define _GNU_SOURCE /* the C library beyond C11 */
#include <crypt.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <weft/http_server.h>
#include <weft/weft.h>

#include "mixed_server.html.h"

enum {
    MAX_SLEEP_MS = 10000,
    LAG_PERIOD_MS = 10,
    LAG_SAMPLES = 1000, /* of one period each: ten seconds */
    CHUNK = 64 * 1024,
    PORTION = 64 << 20, /* of a file that is counted by one job */
    MAX_PASSWORD = CRYPT_MAX_PASSPHRASE_SIZE - 1,
    HASH_ROUNDS = 50000,
    MAX_THREADS = 64
};

/* ---- How late the loop is ---- */

/* The last ten seconds. `count` goes on counting; the sample n stands at n % LAG_SAMPLES. */
struct lag {
    weft_ns samples[LAG_SAMPLES];
    size_t count;
};

static void lag_add(struct lag *lag, weft_ns late)
{
    lag->samples[lag->count++ % LAG_SAMPLES] = late;
}

/* The worst since the sample number `since`. */
static weft_ns lag_worst(const struct lag *lag, size_t since)
{
    weft_ns worst = 0;
    if (since + LAG_SAMPLES < lag->count)
        since = lag->count - LAG_SAMPLES;
    for (size_t i = since; i < lag->count; i++)
        if (lag->samples[i % LAG_SAMPLES] > worst)
            worst = lag->samples[i % LAG_SAMPLES];
    return worst;
}

static int compare_ns(const void *a, const void *b)
{
    weft_ns x = *(const weft_ns *)a, y = *(const weft_ns *)b;
    return (x > y) - (x < y);
}

struct percentiles {
    double p50, p99, max; /* milliseconds */
};

static struct percentiles lag_percentiles(const struct lag *lag)
{
    weft_ns sorted[LAG_SAMPLES];
    size_t count = lag->count < LAG_SAMPLES ? lag->count : LAG_SAMPLES;
    if (count == 0)
        return (struct percentiles){0, 0, 0};
    memcpy(sorted, lag->samples, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_ns);
    return (struct percentiles){
        .p50 = (double)sorted[count / 2] / 1e6,
        .p99 = (double)sorted[count * 99 / 100] / 1e6,
        .max = (double)sorted[count - 1] / 1e6,
    };
}

struct measure_lag {
    WEFT_FRAME;
    struct lag *lag;
    weft_ns due;
};

static WEFT_ASYNC(measure_lag)
{
    WEFT_BEGIN;
    for (;;) {
        self->due = weft_now() + WEFT_MS(LAG_PERIOD_MS);
        WEFT_AWAIT(weft_sleep(WEFT_MS(LAG_PERIOD_MS)));
        lag_add(self->lag, weft_now() - self->due);
    }
    WEFT_END;
}

/* ---- What the handlers share; lives in main's frame ---- */

struct site {
    weft_http_server *server;
    weft_pool *pool;
    weft_future *stop; /* done when a signal asks for the end */
    struct lag lag;
    int root; /* the folder that is served */
};

/* The number of milliseconds that ?ms= asks for; -1: none, or none that is allowed. */
static long wanted_ms(const weft_http_request *request)
{
    const char *text = weft_http_request_query(request, "ms");
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    long ms = strtol(text, &end, 10);
    return *end || errno || ms > MAX_SLEEP_MS ? -1 : ms;
}

static bool is_head(const weft_http_request *request)
{
    return strcmp(weft_http_request_method(request), "HEAD") == 0;
}

static void sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

/* ---- Blocking functions: they run on workers, and know only their arguments ---- */

struct sleep_on_worker {
    long ms;
};

static WEFT_BLOCKING(sleep_on_worker)
{
    sleep_ms(self->ms);
    return weft_ok(0);
}

struct hash_password {
    const char *password;
};

static WEFT_BLOCKING(hash_password)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn("$6$", HASH_ROUNDS, NULL, 0, setting, sizeof(setting)))
        return weft_err(-errno);
    struct crypt_data *work = calloc(1, sizeof(*work));
    if (!work)
        return weft_err(-ENOMEM);
    const char *hash = crypt_r(self->password, setting, work);
    char *copy = hash && *hash != '*' ? strdup(hash) : NULL;
    int error = errno;
    explicit_bzero(work, sizeof(*work));
    free(work);
    return copy ? weft_ok(copy, free) : weft_err(-error);
}

struct file {
    int fd;
    int64_t size;
};

static void close_file(void *file)
{
    if (file)
        close(((struct file *)file)->fd);
    free(file);
}

/* Open a path below the folder, a name at a time: a symbolic link, "." or ".." is no name. */
static int open_below(int folder, const char *path)
{
    char name[256];
    int at = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    while (at >= 0) {
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        if (len == 0 || len >= sizeof(name) ||
            (path[0] == '.' && len <= 2 && path[len - 1] == '.')) {
            close(at);
            errno = ENOENT;
            return -1;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY);
        int next = openat(at, name, flags);
        close(at);
        if (last)
            return next;
        at = next;
        path += len + 1;
    }
    return -1;
}

struct open_file {
    int root;
    const char *path;
};

static WEFT_BLOCKING(open_file)
{
    struct stat about;
    int fd = open_below(self->root, self->path);
    if (fd < 0)
        return weft_err(-errno);
    bool good = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    struct file *file = good ? malloc(sizeof(*file)) : NULL;
    if (!file) {
        close(fd);
        return weft_err(good ? -ENOMEM : -ENOENT);
    }
    *file = (struct file){fd, about.st_size};
    return weft_ok(file, close_file);
}

struct read_file {
    int fd;
    char *buffer;
    size_t size;
};

static WEFT_BLOCKING(read_file)
{
    ssize_t got = read(self->fd, self->buffer, self->size);
    return got < 0 ? weft_err(-errno) : weft_ok(got);
}

struct counts {
    long long lines, words, bytes;
    bool in_word;
};

struct count_words {
    int fd;
    struct counts *counts;
};

static void count_chunk(struct counts *counts, const char *text, size_t len)
{
    counts->bytes += (long long)len;
    for (size_t i = 0; i < len; i++) {
        bool space = text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r');
        counts->lines += text[i] == '\n';
        counts->words += !counts->in_word && !space;
        counts->in_word = !space;
    }
}

/* Not more than a portion: a job that runs is not interrupted, and its client may go away. */
static WEFT_BLOCKING(count_words)
{
    char *buffer = malloc(CHUNK);
    ssize_t got = buffer ? 1 : -1;
    int64_t total = 0;
    while (got > 0 && total < PORTION && (got = read(self->fd, buffer, CHUNK)) > 0) {
        count_chunk(self->counts, buffer, (size_t)got);
        total += got;
    }
    int error = errno;
    free(buffer);
    return got < 0 ? weft_err(-error) : weft_ok(total);
}

/* ---- Handlers ---- */

struct front_page {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(front_page)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/html; charset=utf-8", mixed_server_html,
                                 sizeof(mixed_server_html)));
    WEFT_END;
}

struct tell_time {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(tell_time)
{
    WEFT_BEGIN;
    {
        char text[64];
        time_t now = time(NULL);
        struct tm utc;
        size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ\n", gmtime_r(&now, &utc));
        weft_unref(weft_http_respond(self->request, 200, "text/plain", text, len));
    }
    WEFT_END;
}

/* The wrong way: nobody else gets an answer meanwhile. */
struct block {
    WEFT_FRAME;
    weft_http_request *request;
    long ms;
};

static WEFT_ASYNC(block)
{
    WEFT_BEGIN;
    self->ms = wanted_ms(self->request);
    if (self->ms < 0) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "?ms=0 to 10000\n"));
        WEFT_RETURN(0);
    }
    sleep_ms(self->ms);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "slept %ld ms on the loop\n",
                                  self->ms));
    WEFT_END;
}

/* The right way: the same sleep, on a worker. */
struct sleep_well {
    WEFT_FRAME;
    weft_http_request *request;
    long ms;
};

static WEFT_ASYNC(sleep_well)
{
    WEFT_BEGIN;
    self->ms = wanted_ms(self->request);
    if (self->ms < 0) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "?ms=0 to 10000\n"));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT(weft_to_thread(sleep_on_worker, .ms = self->ms));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "slept %ld ms on a worker\n",
                                  self->ms));
    WEFT_END;
}

struct hash {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *password;
    char *hash;
};

static WEFT_ASYNC(hash)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->password, weft_http_read_body(self->request));
    if (self->password->len == 0 || strlen(self->password->data) != self->password->len) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "no password\n"));
        WEFT_RETURN(0);
    }
    if (self->password->len > MAX_PASSWORD) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "too long a password\n"));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT_INTO(self->hash, weft_to_thread(hash_password, .password = self->password->data));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%s\n", self->hash));
    WEFT_FINALLY;
    weft_bytes_free(self->password);
    free(self->hash);
    WEFT_END;
}

static int http_status_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ELOOP:
    case -ENXIO:
        return 404;
    case -EACCES:
    case -EPERM:
        return 403;
    default:
        return 500;
    }
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"}, {".css", "text/css"},   {".js", "text/javascript"},
        {".txt", "text/plain; charset=utf-8"}, {".png", "image/png"},  {".md", "text/markdown"},
        {".json", "application/json"},         {".jpg", "image/jpeg"}, {".svg", "image/svg+xml"},
    };
    const char *end = strrchr(path, '.');
    for (size_t i = 0; end && i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(end, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

/* A file of any size goes through one buffer: the next piece is read when the client took this one. */
struct send_file {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    struct file *file;
    char *buffer;
    int64_t got, left;
    int status;
};

static size_t next_piece(int64_t left)
{
    return left < CHUNK ? (size_t)left : CHUNK;
}

static WEFT_ASYNC(send_file)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->file,
                    weft_to_thread(open_file, .root = self->site->root,
                                   .path = weft_http_request_tail(self->request)));
    if (self->status < 0) {
        WEFT_AWAIT(weft_http_respond_status(self->request, http_status_of(self->status)));
        WEFT_RETURN(0);
    }
    self->buffer = malloc(CHUNK);
    if (!self->buffer)
        WEFT_FAIL(-ENOMEM);
    weft_http_start(self->request, 200, type_of(weft_http_request_tail(self->request)),
                    self->file->size);
    /* The length was promised: what is appended meanwhile is left out. */
    self->left = is_head(self->request) ? 0 : self->file->size;
    while (self->left > 0) {
        WEFT_AWAIT_INTO(self->got,
                        weft_to_thread(read_file, .fd = self->file->fd, .buffer = self->buffer,
                                       .size = next_piece(self->left)));
        if (self->got == 0)
            break; /* it was cut off meanwhile: weft_http_end() says so */
        self->status = weft_http_write(self->request, self->buffer, (size_t)self->got);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        self->left -= self->got;
        WEFT_AWAIT(weft_http_drain(self->request));
    }
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_FINALLY;
    free(self->buffer);
    close_file(self->file);
    WEFT_END;
}

struct word_count {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    struct file *file;
    struct counts counts;
    int64_t got;
    int status;
};

static WEFT_ASYNC(word_count)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->file,
                    weft_to_thread(open_file, .root = self->site->root,
                                   .path = weft_http_request_tail(self->request)));
    if (self->status < 0) {
        WEFT_AWAIT(weft_http_respond_status(self->request, http_status_of(self->status)));
        WEFT_RETURN(0);
    }
    do
        WEFT_AWAIT_INTO(self->got,
                        weft_to_thread(count_words, .fd = self->file->fd, .counts = &self->counts));
    while (self->got > 0);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "application/json",
                                  "{\"lines\":%lld,\"words\":%lld,\"bytes\":%lld}\n",
                                  self->counts.lines, self->counts.words, self->counts.bytes));
    WEFT_FINALLY;
    close_file(self->file);
    WEFT_END;
}

/* ---- Statistics ---- */

static size_t write_stats(const struct site *site, size_t since, char *text, size_t size)
{
    struct weft_loop_stats loop;
    struct weft_pool_stats pool;
    struct percentiles lag = lag_percentiles(&site->lag);
    weft_loop_get_stats(weft_loop_current(), &loop);
    weft_pool_get_stats(site->pool, &pool);
    int len = snprintf(text, size,
                       "{\"lag_ms\":{\"now\":%.3f,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},"
                       "\"tasks\":%zu,\"jobs\":{\"queued\":%zu,\"running\":%zu},"
                       "\"threads\":%zu,\"requests\":%llu}",
                       (double)lag_worst(&site->lag, since) / 1e6, lag.p50, lag.p99, lag.max,
                       loop.tasks, pool.queued, pool.running, pool.threads,
                       (unsigned long long)weft_http_server_stats(site->server).requests);
    return len < 0 ? 0 : (size_t)len;
}

struct stats {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
};

static WEFT_ASYNC(stats)
{
    WEFT_BEGIN;
    {
        char text[512];
        size_t last = self->site->lag.count ? self->site->lag.count - 1 : 0;
        write_stats(self->site, last, text, sizeof(text));
        weft_http_add_header(self->request, "Cache-Control", "no-store");
        weft_unref(weft_http_respondf(self->request, 200, "application/json", "%s\n", text));
    }
    WEFT_END;
}

struct events {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    size_t seen; /* samples of the lag that were told */
};

static WEFT_ASYNC(events)
{
    WEFT_BEGIN;
    self->seen = self->site->lag.count;
    weft_http_add_header(self->request, "Cache-Control", "no-store");
    weft_http_start(self->request, 200, "text/event-stream", WEFT_HTTP_UNKNOWN_LENGTH);
    if (is_head(self->request))
        WEFT_RETURN(0);
    while (!weft_http_request_is_stopping(self->request)) {
        {
            char text[512], event[600];
            write_stats(self->site, self->seen, text, sizeof(text));
            int len = snprintf(event, sizeof(event), "data: %s\n\n", text);
            self->seen = self->site->lag.count;
            if (weft_http_write(self->request, event, (size_t)len) < 0)
                WEFT_RETURN(0); /* the client is gone */
        }
        WEFT_AWAIT(weft_http_drain(self->request));
        WEFT_AWAIT(weft_sleep(WEFT_MS(200)));
    }
    WEFT_END;
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
    const char *folder;
    struct site site;
    struct event *on_term, *on_int;
    weft_future *lag_task;
    char address[32];
    int status;
};

static void add_routes(weft_http_server *server, struct site *site)
{
    weft_http_route(server, "GET /", front_page);
    weft_http_route(server, "GET /time", tell_time);
    weft_http_route(server, "GET /sleep", sleep_well);
    weft_http_route(server, "GET /block", block);
    weft_http_route(server, "POST /hash", hash);
    weft_http_route(server, "GET /files/...", send_file, .site = site);
    weft_http_route(server, "GET /wc/...", word_count, .site = site);
    weft_http_route(server, "GET /stats", stats, .site = site);
    weft_http_route(server, "GET /events", events, .site = site);
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
    self->site.root = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->site.root < 0)
        WEFT_FAIL(-errno, "--root must be a folder, and %s is none", self->folder);
    self->site.pool = weft_pool_new(&(struct weft_pool_options){.max_threads = MAX_THREADS});
    self->site.server = weft_http_server_new(NULL);
    if (!self->site.pool || !self->site.server)
        WEFT_FAIL(-errno);
    self->status = weft_loop_set_pool(weft_loop_current(), self->site.pool);
    if (self->status < 0)
        WEFT_FAIL(self->status);

    add_routes(self->site.server, &self->site);
    snprintf(self->address, sizeof(self->address), "127.0.0.1:%d", self->port);
    self->status = weft_http_server_listen(self->site.server, self->address);
    if (self->status < 0)
        WEFT_FAIL(self->status, "cannot listen on %s; --port N takes another port", self->address);
    printf("listening on http://%s (Ctrl-C ends it)\n",
           weft_http_server_address(self->site.server));
    fflush(stdout);

    self->site.stop = weft_future_new();
    self->on_term = watch_signal(SIGTERM, self->site.stop);
    self->on_int = watch_signal(SIGINT, self->site.stop);
    self->lag_task = weft_spawn(measure_lag, .lag = &self->site.lag);
    WEFT_AWAIT(weft_ref(self->site.stop));
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
    weft_unref(self->site.stop);
    weft_http_server_free(self->site.server);
    weft_pool_unref(self->site.pool);
    if (self->site.root >= 0)
        close(self->site.root);
    WEFT_END;
}

static const char help[] = "usage: mixed_server [--port N] [--root DIR]\n"
                           "  --port N    listen on 127.0.0.1:N (8080; 0: any that is free)\n"
                           "  --root DIR  the folder that /files/ and /wc/ serve (.)\n";

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

int main(int argc, char **argv)
{
    long port = 8080;
    const char *folder = ".";
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        bool is_root = strcmp(argv[i], "--root") == 0;
        if (strcmp(argv[i], "--help") == 0)
            return fputs(help, stdout) < 0;
        if (!is_root && strcmp(argv[i], "--port") != 0)
            return misuse("no such option", argv[i]);
        if (i + 1 == argc)
            return misuse("a value is missing after", argv[i]);
        if (is_root)
            folder = argv[i + 1];
        else if ((port = strtol(argv[i + 1], &end, 10)) < 0 || port > 65535 || *end ||
                 end == argv[i + 1])
            return misuse("not a port", argv[i + 1]);
    }
    allow_many_files();
    return weft_run(serve, .port = (int)port, .folder = folder);
}
