/* SPDX-License-Identifier: MIT */
#include "tests/faults/served.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/listen.h>
#include <weft/tls.h>

#include "tests/faults/scene.h"
#include "tests/support/child.h"
#ifdef WEFT_TEST_TLS
#include "tests/support/tls.h"
#endif

enum { PIECE = 65536 };

/* ---- In the child ---- */

static weft_http_server *server;
static weft_listener *listener;

struct hello {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(hello)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", "hello", 5));
    WEFT_END;
}

struct much {
    WEFT_FRAME;
    weft_http_request *request;
    int status;
};

static int write_much(struct much *self)
{
    static const char piece[PIECE];
    return weft_http_write(self->request, piece, sizeof(piece));
}

static WEFT_ASYNC(much)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    while (self->status == 0) {
        self->status = write_much(self);
        if (self->status == 0)
            WEFT_CATCH(self->status, weft_http_drain(self->request));
    }
    WEFT_FAIL(self->status);
    WEFT_END;
}

struct count {
    WEFT_FRAME;
    weft_http_request *request;
    size_t got, all;
    char buffer[4096];
};

static WEFT_ASYNC(count)
{
    WEFT_BEGIN;
    do {
        WEFT_AWAIT_INTO(self->got,
                        weft_http_read(self->request, self->buffer, sizeof(self->buffer)));
        self->all += self->got;
    } while (self->got);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%zu", self->all));
    WEFT_END;
}

/* Without a buffer of its own: an idle one holds none. A reset is an end as any other. */
struct echo {
    WEFT_FRAME;
    weft_stream *stream;
    size_t len;
    int status;
};

static void send_back(struct echo *self)
{
    const char *data = weft_peek(self->stream, &self->len);
    weft_write(self->stream, data, self->len);
    weft_consume(self->stream, self->len);
}

static WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->len, weft_fill(self->stream, 0));
        if (self->status < 0 || !self->len)
            break;
        send_back(self);
        WEFT_CATCH(self->status, weft_drain(self->stream));
    }
    WEFT_END;
}

static size_t reports;
static int last_report;

static void note_report(weft_loop *loop, const struct weft_error_report *what, void *arg)
{
    (void)loop;
    (void)arg;
    reports++;
    last_report = what->status;
}

static struct served_stats stats_now(void)
{
    struct weft_http_stats http = weft_http_server_stats(server);
    struct weft_listener_stats plain;
    weft_listener_get_stats(listener, &plain);
    return (struct served_stats){
        .http = http.connections,
        .echo = plain.connections,
        .requests = http.requests,
        .refused = http.refused,
        .dropped = plain.dropped,
        .reports = reports,
        .last_report = last_report,
    };
}

/* Answers each byte with the numbers, until the end; 'w' once there is no connection. */
struct be_controlled {
    WEFT_FRAME;
    weft_stream *stream;
    char byte;
    size_t got;
};

static void report(struct be_controlled *self)
{
    struct served_stats stats = stats_now();
    weft_write(self->stream, &stats, sizeof(stats));
}

static WEFT_ASYNC(be_controlled)
{
    WEFT_BEGIN;
    do {
        report(self);
        WEFT_AWAIT_INTO(self->got, weft_read(self->stream, &self->byte, 1));
        while (self->byte == 'w' && (stats_now().http || stats_now().echo))
            WEFT_AWAIT(weft_sleep(WEFT_MS(5)));
        if (self->byte == 'w')
            malloc_trim(0);
    } while (self->got);
    WEFT_END;
}

static void listen_all(const struct served_options *options)
{
    server = weft_http_server_new(&options->http);
    CHILD_EXPECT(server);
    CHILD_EXPECT(weft_http_route(server, "GET /hello", hello) == 0);
    CHILD_EXPECT(weft_http_route(server, "GET /much", much) == 0);
    CHILD_EXPECT(weft_http_route(server, "POST /count", count) == 0);
    CHILD_EXPECT(weft_http_server_listen(server, WIRE_FAR_4 ":80") == 0);
    listener = weft_listen(WIRE_FAR_4 ":7", echo);
    CHILD_EXPECT(listener);
}

static void stop_listening(void)
{
    weft_http_server_abort(server);
    weft_listener_abort(listener);
    CHILD_EXPECT(weft_test_run(weft_http_server_drain(server)) == 0);
    CHILD_EXPECT(weft_test_run(weft_listener_drain(listener)) == 0);
    weft_http_server_free(server);
    weft_listener_free(listener);
}

static void limit_files(unsigned most)
{
    struct rlimit limit;
    CHILD_EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = most ? most : limit.rlim_max;
    CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* weft's own allocator and slabs, as users have them; counted where memory says nothing. */
static struct weft_test_census begin_loop(void)
{
    if (!served_tells_memory())
        weft_test_heap_install();
    struct weft_test_census before = weft_test_take_census();
    test_loop = weft_loop_new(&(struct weft_loop_options){.clock = WEFT_CLOCK_MONOTONIC});
    CHILD_EXPECT(test_loop);
    weft_loop_set_error_handler(test_loop, note_report, NULL);
    return before;
}

static void end_loop(struct weft_test_census before)
{
    weft_loop_free(test_loop);
    CHILD_EXPECT(weft_test_heap_live() == 0);
    CHILD_EXPECT(weft_test_fd_count() == before.fds);
}

#ifdef WEFT_TEST_TLS
static weft_tls_context *context;

static const struct test_cert *make_certificate(void)
{
    return test_make(&(struct test_make){.subject = "a server", .names = "DNS:example.org"});
}

static void begin_tls(const struct test_cert *certificate)
{
    struct weft_tls_options options = test_serving(certificate);
    context = test_server_context(&options);
    CHILD_EXPECT(weft_http_server_listen_tls(server, WIRE_FAR_4 ":443", context) == 0);
}

static void end_tls(void)
{
    weft_tls_context_unref(context);
}
#else
struct test_cert;

static const struct test_cert *make_certificate(void)
{
    return NULL;
}

static void begin_tls(const struct test_cert *certificate)
{
    (void)certificate;
}

static void end_tls(void)
{
}
#endif

static void be_server(const struct served_options *options, int control)
{
    const struct test_cert *certificate = make_certificate(); /* OpenSSL may open files it keeps */
    struct weft_test_census before = begin_loop();
    wire_be_at(WIRE_FAR);
    listen_all(options);
    begin_tls(certificate);
    weft_stream *stream = weft_stream_new(dup(control));
    CHILD_EXPECT(stream);
    limit_files(options->most_files);
    CHILD_EXPECT(weft_test_run(weft_spawn(be_controlled, .stream = stream)) == 0);
    stop_listening();
    weft_stream_free(stream);
    end_tls();
    end_loop(before);
}

/* ---- In the test ---- */

static struct served_stats next_stats(const struct served *served)
{
    struct served_stats stats;
    cr_assert_eq(recv(served->control, &stats, sizeof(stats), MSG_WAITALL), (ssize_t)sizeof(stats),
                 "the server is gone");
    return stats;
}

struct served served_start(const struct served_options *options)
{
    int control[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), 0);
    struct served served = {.pid = fork(), .control = control[0]};
    cr_assert_geq(served.pid, 0);
    if (served.pid == 0) {
        close(control[0]);
        be_server(options, control[1]);
        weft_test_child_exit(0);
    }
    close(control[1]);
    next_stats(&served); /* it listens */
    return served;
}

static struct served_stats ask(const struct served *served, char what)
{
    cr_assert_eq(send(served->control, &what, 1, MSG_NOSIGNAL), 1, "the server is gone");
    return next_stats(served);
}

struct served_stats served_stats(const struct served *served)
{
    return ask(served, '?');
}

void served_wait_for_none(const struct served *served)
{
    ask(served, 'w');
}

void served_stop(struct served *served)
{
    close(served->control);
    weft_test_reap(served->pid);
}

/* The number behind a word in one of its files in /proc; the test fails if there is none. */
static uint64_t number_in(const struct served *served, const char *file, const char *word)
{
    char path[64], line[256];
    unsigned long long number = 0;
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)served->pid, file);
    FILE *in = fopen(path, "re");
    cr_assert_not_null(in);
    while (!found && fgets(line, sizeof(line), in))
        found = strncmp(line, word, strlen(word)) == 0 &&
                sscanf(line + strlen(word), "%llu", &number) == 1;
    fclose(in);
    cr_assert(found, "%s has no %s", path, word);
    return number;
}

size_t served_memory(const struct served *served)
{
    return number_in(served, "status", "RssAnon:") * 1024;
}

bool served_tells_memory(void)
{
    const char *sanitizers = getenv("WEFT_SANITIZE");
    return !sanitizers || !sanitizers[0];
}

struct served_effort served_effort(const struct served *served)
{
    return (struct served_effort){
        .sleeps = number_in(served, "status", "voluntary_ctxt_switches:"),
        .ran = number_in(served, "schedstat", ""),
    };
}

size_t served_fds(const struct served *served)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)served->pid);
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

size_t served_allowance(size_t wanted)
{
    enum { OTHERS = 200 }; /* descriptors for all else */
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max >= wanted + OTHERS)
        return wanted;
    printf("only %zu of %zu connections: the limit of open files is %zu\n",
           (size_t)limit.rlim_max - OTHERS, wanted, (size_t)limit.rlim_max);
    return (size_t)limit.rlim_max - OTHERS;
}

/* ---- Clients ---- */

static int begin_to_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, WIRE_FAR_4, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0, "%s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        cr_assert_eq(errno, EINPROGRESS, "%s", strerror(errno));
    return fd;
}

static void finish_connecting(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    struct pollfd connected = {.fd = fd, .events = POLLOUT};
    cr_assert_eq(poll(&connected, 1, -1), 1);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    cr_assert_eq(error, 0, "%s", strerror(error));
    cr_assert_eq(fcntl(fd, F_SETFL, 0), 0);
}

void served_connect_many(int port, int *ret, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = begin_to_connect(port);
    for (size_t i = 0; i < count; i++)
        finish_connecting(ret[i]);
}

int served_connect(int port)
{
    int fd;
    served_connect_many(port, &fd, 1);
    return fd;
}

bool served_send(int fd, const char *text)
{
    size_t len = strlen(text);
    return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool served_answers_hello(int fd)
{
    char answer[512];
    size_t have = 0;
    while (have < sizeof(answer) - 1) {
        ssize_t got = recv(fd, answer + have, sizeof(answer) - 1 - have, 0);
        if (got <= 0)
            return false;
        have += (size_t)got;
        answer[have] = 0;
        if (strstr(answer, "\r\n\r\nhello"))
            return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
    }
    return false;
}

bool served_says_hello(int fd)
{
    return served_send(fd, SERVED_HELLO) && served_answers_hello(fd);
}
