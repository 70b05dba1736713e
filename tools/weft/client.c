/* SPDX-License-Identifier: MIT */
/*
 * The command's end of the control socket; the protocol is in core/inspect/control.h.
 *
 * Where a process has its socket depends on its environment, and not on ours. So all places are tried in which
 * it can be: our XDG_RUNTIME_DIR, the one that the process was started with, the one of its user, /tmp. Who has
 * put a socket there does not matter: the kernel says which process it is that answers, and it must be
 * the one that is asked.
 *
 * Nothing is waited for without a limit of time: a process that is stopped accepts connections all the same.
 */
#include "tools/weft/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/weft/places.h"
#include "tools/weft/text.h"

enum { CONNECT_SECONDS = 5, ANSWER_SECONDS = 15, FIRST_ROOM = 1 << 16, MOST = 1 << 27 };

static void say(char *error, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(char *error, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, size, format, args);
    va_end(args);
}

/* ---- Why there is no connection ---- */

/* 0: there is no such process. */
static char state_of(int pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' ? end[2] : 0;
}

static const char *user_name(uid_t uid)
{
    static char number[32];
    const struct passwd *user = getpwuid(uid);
    snprintf(number, sizeof(number), "%u", (unsigned)uid);
    return user ? user->pw_name : number;
}

static void say_why(int pid, char *error, size_t size)
{
    struct stat process;
    char path[64], state = state_of(pid);
    snprintf(path, sizeof(path), "/proc/%d", pid);
    if (!state || state == 'Z' || stat(path, &process) < 0)
        say(error, size, "there is no process %d", pid);
    else if (geteuid() != 0 && process.st_uid != geteuid())
        say(error, size, "process %d belongs to %s: only that user and root may look into it", pid,
            user_name(process.st_uid));
    else
        say(error, size,
            "process %d has no control socket: start it with WEFT_CONTROL=1 in its environment,"
            " or set .control = WEFT_CONTROL_ON in the options of its loop",
            pid);
}

/* ---- The connection ---- */

/* A folder by which its sockets are reached, whatever becomes of its path; -1 and errno. */
static int open_folder(const char *folder)
{
    return open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Whatever the folder's path is, it fits into an address. -1 and errno. */
static int connect_at(int folder, int pid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = CONNECT_SECONDS}, patience = {.tv_sec = ANSWER_SECONDS};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%d.sock", folder, pid);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static int connect_in(const char *folder, int pid)
{
    int at = open_folder(folder);
    int fd = at < 0 ? -1 : connect_at(at, pid), reason = errno;
    if (at >= 0)
        close(at);
    errno = reason;
    return fd;
}

/* It is the process that was asked for, and no other that has its name in there. */
static bool is_it(int fd, int pid)
{
    struct ucred who;
    socklen_t size = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.pid == pid;
}

static int connect_to(int pid, char *error, size_t size)
{
    struct places places;
    places_of_process(&places, pid);
    for (size_t i = 0; i < places.count; i++) {
        int fd = connect_in(places.folders[i], pid);
        if (fd >= 0 && is_it(fd, pid))
            return fd;
        if (fd >= 0)
            close(fd);
        if (fd < 0 && errno == EAGAIN) {
            say(error, size, "process %d does not take connections", pid);
            return -1;
        }
    }
    say_why(pid, error, size);
    return -1;
}

/* ---- Asking ---- */

static bool send_request(int fd, const char *request)
{
    struct iovec pieces[] = {{(void *)(uintptr_t)request, strlen(request)},
                             {(void *)(uintptr_t) "\n", 1}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)(pieces[0].iov_len + 1);
}

/* All that comes, with a NUL behind it; NULL and errno. A process says no more than half of MOST. */
static char *receive(int fd, size_t *ret_len)
{
    size_t len = 0, room = 0;
    char *text = NULL;
    for (;;) {
        if (len + 1 >= room) {
            errno = EMSGSIZE;
            if (room >= MOST)
                break;
            room = room ? 2 * room : FIRST_ROOM;
            char *more = realloc(text, room);
            if (!more)
                break;
            text = more;
        }
        ssize_t got = recv(fd, text + len, room - 1 - len, 0);
        if (got > 0) {
            len += (size_t)got;
        } else if (got == 0 || (errno != EINTR && len > 0 && text[len - 1] == '\n')) {
            text[len] = '\0';
            *ret_len = len;
            return text;
        } else if (errno != EINTR) {
            break;
        }
    }
    free(text);
    return NULL;
}

char *weft_client_ask_raw(int pid, const char *request, size_t *ret_len, char *error, size_t size)
{
    char state = state_of(pid);
    if (state == 'T' || state == 't') {
        say(error, size, "process %d is stopped, by a signal or a debugger: it cannot answer", pid);
        return NULL;
    }
    int fd = connect_to(pid, error, size);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (send_request(fd, request) || errno == EPIPE) /* which may have an answer all the same */
        text = receive(fd, ret_len);
    int reason = errno;
    close(fd);
    if (!text && reason == EAGAIN)
        say(error, size, "process %d did not answer within %d seconds", pid, ANSWER_SECONDS);
    else if (!text)
        say(error, size, "process %d did not answer: %s", pid, strerror(reason));
    else if (*ret_len == 0 || text[*ret_len - 1] != '\n')
        say(error, size, "the answer of process %d was cut off: it has ended, or is about to", pid);
    else
        return text;
    free(text);
    return NULL;
}

/* Jansson refuses a NUL in a text; nothing of ours has one. */
json_t *weft_client_ask(int pid, const char *request, char *error, size_t size)
{
    size_t len;
    json_error_t wrong;
    char why[sizeof(wrong.text)]; /* with a piece of what cannot be read */
    char *text = weft_client_ask_raw(pid, request, &len, error, size);
    if (!text)
        return NULL;
    json_t *answer = json_loadb(text, len, 0, &wrong);
    free(text);
    const char *refusal = text_of(answer, "error");
    if (answer && !*refusal)
        return answer;
    text_clean(why, sizeof(why), wrong.text);
    if (*refusal)
        say(error, size, "process %d: %s", pid, refusal);
    else
        say(error, size, "the answer of process %d cannot be read: %s", pid, why);
    json_decref(answer);
    return NULL;
}

/* ---- Who can be asked ---- */

struct list {
    struct weft_client_process *processes;
    size_t count, room;
    bool failed;
};

static bool is_listed(const struct list *list, int pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->processes[i].pid == pid)
            return true;
    return false;
}

/* Nobody listens at the file: it was left by a process that was killed. If that number is nobody's now it is
 * removed, where it was looked at, whatever stands at the folder's path now: that is another user's, if root looks. */
static bool is_left(const char *folder, int pid)
{
    char name[32];
    int at = open_folder(folder);
    if (at < 0)
        return true;
    int fd = connect_at(at, pid), reason = errno;
    snprintf(name, sizeof(name), "%d.sock", pid);
    if (fd >= 0)
        close(fd);
    else if (reason == ECONNREFUSED && !state_of(pid))
        unlinkat(at, name, 0);
    close(at);
    return fd < 0 && reason == ECONNREFUSED;
}

static void add_to_list(void *arg, const char *folder, int pid)
{
    struct list *list = arg;
    if (is_listed(list, pid) || is_left(folder, pid) || !state_of(pid))
        return;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 16;
        struct weft_client_process *more = realloc(list->processes, room * sizeof(*more));
        list->failed |= !more;
        if (!more)
            return;
        list->processes = more;
        list->room = room;
    }
    struct weft_client_process *process = &list->processes[list->count++];
    *process = (struct weft_client_process){.pid = pid};
    process->hello = weft_client_ask(pid, "hello", process->error, sizeof(process->error));
}

static int by_number(const void *a, const void *b)
{
    const struct weft_client_process *first = a, *second = b;
    return (first->pid > second->pid) - (first->pid < second->pid);
}

struct weft_client_process *weft_client_list(size_t *ret_count)
{
    struct list list = {.processes = calloc(1, sizeof(*list.processes)), .room = 1};
    list.failed = !list.processes;
    if (!list.failed)
        places_each_socket(add_to_list, &list);
    if (list.failed) {
        weft_client_free_list(list.processes, list.count);
        return NULL;
    }
    qsort(list.processes, list.count, sizeof(*list.processes), by_number);
    *ret_count = list.count;
    return list.processes;
}

void weft_client_free_list(struct weft_client_process *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        json_decref(list[i].hello);
    free(list);
}

/* ---- Who is meant ---- */

static bool speaks_our_protocol(const json_t *hello, int pid, char *error, size_t size)
{
    json_int_t protocol = json_integer_value(json_object_get(hello, "protocol"));
    const char *version = text_of(hello, "weft");
    if (protocol == WEFT_CLIENT_PROTOCOL)
        return true;
    say(error, size, "process %d has weft %s with protocol %d, this command knows %d only", pid,
        *version ? version : "?", (int)protocol, WEFT_CLIENT_PROTOCOL);
    return false;
}

static int find_by_number(int pid, char *error, size_t size)
{
    json_t *hello = weft_client_ask(pid, "hello", error, size);
    bool can_talk = hello && speaks_our_protocol(hello, pid, error, size);
    json_decref(hello);
    return can_talk ? pid : -1;
}

static int find_by_name(const char *name, char *error, size_t size)
{
    size_t count = 0, found = 0;
    int pids[2] = {-1, -1};
    struct weft_client_process *list = weft_client_list(&count);
    for (size_t i = 0; i < count; i++) {
        const char *program = json_string_value(json_object_get(list[i].hello, "program"));
        if (program && strcmp(program, name) == 0 && found++ < 2)
            pids[found - 1] = list[i].pid;
    }
    weft_client_free_list(list, count);
    if (found == 1)
        return find_by_number(pids[0], error, size);
    if (found == 0)
        say(error, size, "no process with a control socket is called %s (see: weft list)", name);
    else
        say(error, size, "%zu processes are called %s: %d, %d%s; say which by its number", found,
            name, pids[0], pids[1], found > 2 ? " …" : "");
    return -1;
}

int weft_client_find(const char *who, char *error, size_t size)
{
    char *end;
    errno = 0;
    long pid = strtol(who, &end, 10);
    if (*who < '0' || *who > '9' || *end)
        return find_by_name(who, error, size);
    if (errno == 0 && pid > 0 && pid < INT32_MAX)
        return find_by_number((int)pid, error, size);
    say(error, size, "there is no process %s", who);
    return -1;
}
