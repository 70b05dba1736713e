/* SPDX-License-Identifier: MIT */
/* chat: see docs/programs/chat.md. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "chat.h"
#include "page.html.h"
#ifdef CHAT_TLS
#include <weft/tls.h>
#endif

static const char help[] =
    "usage: chat [OPTION VALUE]...\n"
    "  --listen ADDRESS    127.0.0.1:8080; *:8080: from everywhere; port 0: any that is free\n"
    "  --cert FILE         a certificate and those behind it: https instead of http\n"
    "  --key FILE          its key, unless it is in the same file\n"
    "  --origins LIST      pages that may connect, as \"https://a.example https://b.example\" "
    "(any)\n"
    "  --history N         messages that are kept of each room (50)\n"
    "  --outbox N          messages that may wait for each member (256)\n"
    "  --slow close|skip   who has more waiting has to go, or misses the oldest and is told "
    "(close)\n"
    "  --rate N            messages of a member in a second (5); one that says more is read "
    "slower\n"
    "  --burst N           … that may come at once before that (10)\n"
    "  --max-message N     bytes of a message (4096)\n"
    "  --rooms N           at the same time (1000)\n"
    "  --connections N     at the same time (10000); more have to wait\n"
    "  --help              this page\n"
    "Ctrl-C ends it: members are told. A second one ends it at once.\n";

/* ---- The page ---- */

struct page {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(page)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "Cache-Control", "no-cache");
    weft_http_add_header(self->request, "Content-Security-Policy",
                         "default-src 'none'; script-src 'unsafe-inline'; style-src "
                         "'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
                         "form-action 'none'; frame-ancestors 'none'");
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/html; charset=utf-8", page_html,
                                 sizeof(page_html)));
    WEFT_END;
}

/* ---- TLS ---- */

#ifdef CHAT_TLS
static weft_future *load_certificate(const struct options *options)
{
    struct weft_tls_certificate certificate = {.chain = options->certificate, .key = options->key};
    return weft_tls_server_new(&(struct weft_tls_options){.certificates = &certificate});
}

static void forget_certificate(struct weft_tls_context *tls)
{
    weft_tls_context_unref(tls);
}
#else
static weft_future *load_certificate(const struct options *options)
{
    (void)options;
    return weft_future_failed(-ENOSYS, "this chat was built without OpenSSL");
}

static void forget_certificate(struct weft_tls_context *tls)
{
    (void)tls;
}
#endif

/* ---- The server ---- */

struct serve {
    WEFT_FRAME;
    const struct options *options;
    struct chat chat;
    weft_http_server *server;
    weft_signal *on_int, *on_term;
    struct weft_tls_context *tls;
    int64_t done;
    int status;
};

static int set_up(struct serve *self)
{
    const struct options *options = self->options;
    self->chat.options = options;
    self->chat.changes = weft_broadcast_new(1);
    self->on_int = weft_signal_open(SIGINT);
    self->on_term = weft_signal_open(SIGTERM);
    self->server = weft_http_server_new(&(struct weft_http_server_options){
        .max_connections = options->connections, .server_name = "weft-chat"});
    if (!self->chat.changes || !self->on_int || !self->on_term || !self->server)
        return -errno;
    weft_http_route(self->server, "GET /", page);
    weft_http_route(self->server, "GET /rooms", list, .chat = &self->chat);
    weft_http_route(self->server, "GET /socket", member, .chat = &self->chat);
    return self->tls ? weft_http_server_listen_tls(self->server, options->address, self->tls)
                     : weft_http_server_listen(self->server, options->address);
}

static weft_future *wait_for_signal(const struct serve *self)
{
    return weft_race(weft_signal_next(self->on_int), weft_signal_next(self->on_term));
}

static WEFT_ASYNC(serve)
{
    struct chat *chat = &self->chat;
    WEFT_BEGIN;
    if (self->options->certificate)
        WEFT_AWAIT_INTO(self->tls, load_certificate(self->options));
    self->status = set_up(self);
    if (self->status < 0)
        WEFT_FAIL(self->status, "%s: %s", self->options->address, weft_strerror(self->status));
    printf("chat: %s://%s (Ctrl-C ends it)\n", self->tls ? "https" : "http",
           weft_http_server_address(self->server));
    fflush(stdout);
    WEFT_AWAIT_INTO(self->done, wait_for_signal(self));
    chat->stopping = true;
    WEFT_CATCH_INTO(
        self->status, self->done,
        weft_race(weft_http_server_shutdown(self->server, WEFT_S(5)), wait_for_signal(self)));
    printf("chat: %" PRIu64 " messages, %" PRIu64 " skipped, %" PRIu64 " members did not keep up\n",
           chat->said, chat->skipped, chat->too_slow);

    WEFT_FINALLY;
    chat->stopping = true;
    if (self->server) { /* members end before what they use */
        weft_http_server_abort(self->server);
        WEFT_CATCH(self->status, weft_http_server_drain(self->server));
    }
    weft_http_server_free(self->server);
    weft_signal_close(self->on_int);
    weft_signal_close(self->on_term);
    weft_broadcast_free(chat->changes);
    forget_certificate(self->tls);
    rooms_free(chat);
    WEFT_END;
}

/* ---- Options ---- */

static bool read_number(const char *text, size_t most, size_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *ret = (size_t)number;
    return *text >= '0' && *text <= '9' && !*end && !errno && number >= 1 && number <= most;
}

/* False: there is no such option, or this is no value for it. */
static bool read_option(struct options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        size_t *number, most;
    } numbers[] = {{"--history", &options->history, 10000},
                   {"--outbox", &options->outbox, 1000000},
                   {"--rate", &options->rate, 1000000},
                   {"--burst", &options->burst, 1000000},
                   {"--max-message", &options->most_bytes, 1 << 20},
                   {"--rooms", &options->rooms, 1000000},
                   {"--connections", &options->connections, 1000000}};
    const struct {
        const char *name, **text;
    } texts[] = {{"--listen", &options->address},
                 {"--cert", &options->certificate},
                 {"--key", &options->key},
                 {"--origins", &options->origins}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(name, numbers[i].name) == 0)
            return read_number(value, numbers[i].most, numbers[i].number);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].text = value;
            return true;
        }
    }
    bool closes = strcmp(value, "close") == 0;
    options->slow = closes ? SLOW_CLOSE : SLOW_SKIP;
    return strcmp(name, "--slow") == 0 && (closes || strcmp(value, "skip") == 0);
}

static int misuse(const char *what, const char *value)
{
    fprintf(stderr, "chat: cannot use %s%s%s\n%s", what, value ? " " : "", value ? value : "",
            help);
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
    struct options options = {.address = "127.0.0.1:8080",
                              .history = 50,
                              .outbox = 256,
                              .rate = 5,
                              .burst = 10,
                              .most_bytes = 4096,
                              .rooms = 1000,
                              .connections = 10000};
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return 0;
        }
        if (!argv[i + 1] || !read_option(&options, argv[i], argv[i + 1]))
            return misuse(argv[i], argv[i + 1]);
    }
    if (options.key && !options.certificate)
        return misuse("--key without --cert", NULL);
    allow_many_files();
    return weft_run(serve, .options = &options);
}
