/* SPDX-License-Identifier: MIT */
/*
 * The control socket's thread.
 *
 *     OFF --the first loop that wants it--> ON --the last one goes--> ENDING --thread joined--> OFF
 *
 * The thread sleeps in poll() with no limit of time until somebody connects, or until it is to end, which
 * an eventfd says. (For some seconds behind a `stats` it takes samples of the loops as well.) It serves one client after the other. A client has two seconds to send its line and
 * ten to take the answer, so that none holds the thread for ever; only this user and root
 * can connect, so that more is not needed. Where there are no descriptors for a client, the thread waits
 * for a moment and tries again: poll() alone would spin.
 *
 * Locks: `mu` guards the state, and is held while a client is accepted or closed, so that a fork finds
 * either none or one that is written down. It is not held while a request is answered, nor while the
 * thread is joined: who ends it has set ENDING, and who would begin anew waits for OFF. The thread takes
 * no lock that a loop holds while it ends; how it asks a loop is in core/inspect/ask.c.
 *
 * Fork: the thread is not in the child. The handler closes what the child has of it, and does not remove the
 * file, which is the parent's. The answer to a client ends by shutdown(), which is felt by the client even if
 * a child has the connection, too. weft_after_fork_child() opens a socket of the child's own.
 *
 * What fails is told to the loop's error handler, when the loop runs: it is set only after the loop is made.
 */
#include "core/inspect/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/control.h>

#include "core/cond.h"
#include "core/inspect/control_socket.h"
#include "core/inspect/json.h"
#include "core/inspect/sample.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "core/thread.h"

#define PAUSE WEFT_MS(100)

enum { STACK_SIZE = 1 << 20 };

struct weft__ctl_limits weft__ctl_limits = {
    .request = WEFT_S(2), .answer = WEFT_S(10), .longest = (size_t)64 << 20};

static struct {
    struct weft__mutex mu;
    pthread_cond_t is_off;
    enum { OFF, ON, ENDING } state; /* [mu] */
    unsigned loops;                 /* [mu] that want it */
    struct weft__ctl_socket socket; /* [mu]; [const] while it is ON */
    int stop;                       /* [mu]; an eventfd; [const] while it is ON */
    int client;                     /* [mu] -1: none */
    pthread_t thread;               /* [mu] */
} server = {.mu = {PTHREAD_MUTEX_INITIALIZER},
            .is_off = PTHREAD_COND_INITIALIZER,
            .socket = {.folder = -1, .fd = -1},
            .stop = -1,
            .client = -1};

/* ---- A client ---- */

/* Wait for what poll() calls `events`. False: it did not come in time, or the thread is to end. */
static bool wait_for(int fd, short events, weft_ns deadline)
{
    struct pollfd both[] = {{.fd = server.stop, .events = POLLIN}, {.fd = fd, .events = events}};
    for (;;) {
        weft_ns left = deadline - weft__real_after(0);
        if (left < 0)
            return false;
        int found = poll(both, 2, (int)(left / WEFT_MS(1)) + 1);
        if (found > 0)
            return !both[0].revents;
        if (found < 0 && errno != EINTR)
            return false;
    }
}

/* The next client, which is written down; -1: none. */
static int accept_client(void)
{
    weft__mutex_lock(&server.mu);
    int fd = weft__sys.accept4(server.socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = errno;
    server.client = fd;
    weft__mutex_unlock(&server.mu);
    if (fd < 0 && error != EAGAIN && error != EINTR && error != ECONNABORTED)
        wait_for(-1, 0, weft__real_after(PAUSE));
    return fd;
}

static void close_client(int fd)
{
    weft__mutex_lock(&server.mu);
    server.client = -1;
    shutdown(fd, SHUT_RDWR);
    close(fd);
    weft__mutex_unlock(&server.mu);
}

/* What was wrong with the request; NULL: nothing, and it is in `line` without its end. "": nobody is there
 * to be told. */
static const char *read_request(int fd, char line[WEFT__CTL_LINE])
{
    weft_ns deadline = weft__real_after(weft__ctl_limits.request);
    size_t len = 0;
    for (;;) {
        char *end = memchr(line, '\n', len);
        if (end) {
            *end = '\0';
            return strlen(line) == (size_t)(end - line) ? NULL : "a request has no NUL in it";
        }
        if (len == WEFT__CTL_LINE)
            return "the request is too long";
        if (!wait_for(fd, POLLIN, deadline))
            return "no request came in time";
        ssize_t got = recv(fd, line + len, WEFT__CTL_LINE - len, 0);
        if (got == 0)
            return len ? "the request does not end with a newline" : "";
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return "";
        len += got > 0 ? (size_t)got : 0;
    }
}

static void send_answer(int fd, const struct weft__text *answer)
{
    weft_ns deadline = weft__real_after(weft__ctl_limits.answer);
    size_t sent = 0;
    while (sent < answer->len) {
        ssize_t took = send(fd, answer->data + sent, answer->len - sent, MSG_NOSIGNAL);
        if (took > 0)
            sent += (size_t)took;
        else if (errno != EINTR && (errno != EAGAIN || !wait_for(fd, POLLOUT, deadline)))
            return;
    }
}

static void send_error(int fd, const char *what)
{
    struct weft__text text = {0};
    weft__json_open(&text, NULL, '{');
    weft__json_string(&text, "error", what);
    weft__json_close(&text, '}');
    weft__text_add(&text, "\n");
    if (text.status == 0)
        send_answer(fd, &text);
    weft__text_fini(&text);
}

static void answer(int fd, char *request)
{
    struct weft__text text = {.most = weft__ctl_limits.longest};
    weft__ctl_answer(request, &text);
    weft__text_add(&text, "\n");
    if (text.status == 0)
        send_answer(fd, &text);
    else
        send_error(fd, text.status == -ENOMEM ? "the process has no memory for the answer"
                                              : "the answer is too long");
    weft__text_fini(&text);
}

static void serve_client(int fd)
{
    char line[WEFT__CTL_LINE];
    const char *wrong =
        weft__ctl_may_ask(fd) ? read_request(fd, line) : "this process is another user's";
    if (!wrong)
        answer(fd, line);
    else if (*wrong)
        send_error(fd, wrong);
}

/* Somebody has connected. False: the thread is to end. Meanwhile samples are taken if somebody wants them,
 * and with no limit of time if not. */
static bool await_client(void)
{
    struct pollfd both[] = {{.fd = server.stop, .events = POLLIN},
                            {.fd = server.socket.fd, .events = POLLIN}};
    int found;
    while ((found = poll(both, 2, weft__sample_due_ms())) <= 0)
        if (found == 0)
            weft__sample_take();
    return !both[0].revents;
}

static void *serve(void *unused)
{
    pthread_setname_np(pthread_self(), "weft-control");
    while (await_client()) {
        int fd = accept_client();
        if (fd < 0)
            continue;
        serve_client(fd);
        close_client(fd);
    }
    return unused;
}

/* ---- Beginning and ending ---- */

static void close_all(bool remove)
{
    weft__ctl_unlisten(&server.socket, remove);
    if (server.stop >= 0)
        close(server.stop);
    server.stop = -1;
    server.state = OFF;
}

static int start_thread(void)
{
    pthread_attr_t attributes;
    sigset_t old;
    int error = pthread_attr_init(&attributes);
    if (error)
        return -error;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    weft__thread_begin_own(); /* from the moment on at which it can be seen */
    weft__block_signals(&old);
    error = weft__sys.pthread_create(&server.thread, &attributes, serve, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (error)
        weft__thread_end_own();
    return -error;
}

static int start_locked(const char **ret_why) WEFT_REQUIRES(server.mu)
{
    int status = weft__ctl_listen(&server.socket, ret_why);
    if (status < 0)
        return status;
    *ret_why = "its thread cannot be started";
    server.stop = weft__sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    status = server.stop < 0 ? -errno : start_thread();
    if (status < 0)
        close_all(true);
    else
        server.state = ON;
    return status;
}

/* ---- Fork ---- */

static void before_fork(void) WEFT_ACQUIRE(server.mu)
{
    weft__mutex_lock(&server.mu);
}

static void in_parent(void) WEFT_RELEASE(server.mu)
{
    weft__mutex_unlock(&server.mu);
}

static void in_child(void) WEFT_RELEASE(server.mu)
{
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    if (server.client >= 0)
        close(server.client);
    server.client = -1;
    server.loops = 0;
    server.is_off = fresh;
    close_all(false);
    weft__mutex_unlock(&server.mu);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, in_parent, in_child);
}

/* ---- Loops ---- */

struct failure {
    weft__item item;
    int status;
    char message[WEFT__CTL_PATH + 64];
};

static void tell(weft_loop *loop, const struct failure *failure)
{
    struct weft_error_report report = {.what = "there is no control socket",
                                       .status = failure->status,
                                       .message = failure->message};
    weft__report(loop, &report);
}

static void run_failure(weft__item *item)
{
    struct failure *failure = WEFT__CONTAINER(item, struct failure, item);
    tell(weft__loop, failure);
    weft__free(failure);
}

static void report(weft_loop *loop, int status, const char *path, const char *why)
{
    struct failure failure = {.item.run = run_failure, .status = status};
    snprintf(failure.message, sizeof(failure.message), "%s%s%s", path, *path ? ": " : "", why);
    struct failure *sent = weft__malloc(sizeof(*sent));
    if (sent)
        *sent = failure;
    if (!sent || !weft__mailbox_put(loop->mailbox, &sent->item)) {
        weft__free(sent);
        tell(loop, &failure);
    }
}

bool weft__ctl_is_wanted(const struct weft_loop_options *options)
{
    if (options && options->control != WEFT_CONTROL_AS_ENVIRONMENT)
        return options->control == WEFT_CONTROL_ON;
    const char *text = secure_getenv("WEFT_CONTROL");
    return text && *text && strcmp(text, "0") != 0;
}

void weft__ctl_open(weft_loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int status = 0;
    const char *why = NULL;
    char path[WEFT__CTL_PATH] = "";
    if (!loop->wants_control)
        return;
    pthread_once(&once, watch_forks);
    weft__mutex_lock(&server.mu);
    while (server.state == ENDING)
        pthread_cond_wait(&server.is_off, &server.mu.mutex);
    server.loops++;
    if (server.state == OFF && (status = start_locked(&why)) < 0)
        snprintf(path, sizeof(path), "%s", server.socket.path);
    weft__mutex_unlock(&server.mu);
    if (status < 0)
        report(loop, status, path, why);
}

void weft__ctl_close(weft_loop *loop)
{
    if (!loop->wants_control)
        return;
    weft__mutex_lock(&server.mu);
    bool is_last = --server.loops == 0 && server.state == ON;
    if (is_last) {
        server.state = ENDING;
        eventfd_write(server.stop, 1);
    }
    pthread_t thread = server.thread;
    weft__mutex_unlock(&server.mu);
    if (!is_last)
        return;
    pthread_join(thread, NULL);
    weft__thread_end_own();
    weft__mutex_lock(&server.mu);
    close_all(true);
    pthread_cond_broadcast(&server.is_off);
    weft__mutex_unlock(&server.mu);
}

int weft_control_path(char *buffer, size_t size)
{
    weft__mutex_lock(&server.mu);
    int status = server.state == ON ? 0 : -ENOENT;
    size_t len = strlen(server.socket.path);
    if (status == 0 && len >= size)
        status = -ENAMETOOLONG;
    if (status == 0)
        memcpy(buffer, server.socket.path, len + 1);
    weft__mutex_unlock(&server.mu);
    return status;
}
