/* SPDX-License-Identifier: MIT */
/*
 * Which system call a thread waits in, in words.
 *
 * One table says for the calls that wait, and for those that work on a descriptor, what their arguments
 * are: a letter for each, as below. All others are told by their name. What an argument points to is read by
 * weft__peek(): the thread is parked in the call, so it is still there, but for a descriptor or an object
 * that somebody else closes or frees meanwhile; then the number or the address is told alone.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <weft/macros.h>

#include "core/inspect/peek.h"
#include "core/inspect/syscall_names.h"
#include "core/inspect/thread_state.h"

enum { PATH_ROOM = 256, MOST_POLLED = 4 };

/* ---- Names ---- */

const char *weft__syscall_name(int nr)
{
    switch (nr) {
#define WEFT__SYSCALL_CASE(number, name) \
    case number:                         \
        return #name;
        WEFT__SYSCALLS(WEFT__SYSCALL_CASE)
#undef WEFT__SYSCALL_CASE
    default:
        return NULL;
    }
}

/* ---- Text of a bounded length ---- */

struct line {
    char *at, *end; /* `end`: of the NUL */
};

static void add(struct line *line, const char *format, ...) WEFT_PRINTF(2, 3);

static void add(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line->at, (size_t)(line->end - line->at) + 1, format, args);
    va_end(args);
    if (len > line->end - line->at)
        line->at = line->end;
    else if (len > 0)
        line->at += len;
}

/* ---- Descriptors ---- */

static void add_address(struct line *line, const struct sockaddr_storage *address, socklen_t len)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        add(line, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        add(line, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else if (address->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)address;
        size_t begin = offsetof(struct sockaddr_un, sun_path), size = len > begin ? len - begin : 0;
        bool is_abstract = size > 0 && !un->sun_path[0];
        if (size > 0)
            add(line, "%s%.*s", is_abstract ? "@" : "", (int)size - is_abstract,
                un->sun_path + is_abstract);
    }
}

static const char *kind_of_socket(int family, int type)
{
    if (family == AF_UNIX)
        return "unix socket";
    if (family == AF_INET || family == AF_INET6)
        return type == SOCK_STREAM ? "TCP" : type == SOCK_DGRAM ? "UDP" : "raw socket";
    return "socket";
}

static void add_socket(struct line *line, int fd)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_len = sizeof(own), peer_len = sizeof(peer), size = sizeof(int);
    int type = 0, is_listening = 0;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
        add(line, "socket");
        return;
    }
    bool has_peer = getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size);
    add(line, "%s%s", kind_of_socket(own.ss_family, type), is_listening ? " listening at" : "");
    if (own.ss_family != AF_UNIX || own_len > sizeof(sa_family_t)) {
        add(line, " ");
        add_address(line, &own, own_len);
    }
    if (has_peer && (own.ss_family != AF_UNIX || peer_len > sizeof(sa_family_t))) {
        add(line, " -> ");
        add_address(line, &peer, peer_len);
    }
}

/* "fd 7: pipe", "fd 7: /srv/file", "fd 7: TCP …" */
static void add_fd(struct line *line, int fd)
{
    char path[64], target[PATH_ROOM];
    if (fd == AT_FDCWD) {
        add(line, "AT_FDCWD");
        return;
    }
    add(line, "fd %d", fd);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t len = fd < 0 ? -1 : readlink(path, target, sizeof(target) - 1);
    if (len < 0)
        return;
    target[len] = '\0';
    char *bracket = strchr(target, ':');
    add(line, ": ");
    if (strncmp(target, "socket:", 7) == 0)
        add_socket(line, fd);
    else if (strncmp(target, "anon_inode:", 11) == 0)
        add(line, "%s", target + 11);
    else if (bracket && target[0] != '/') /* "pipe:[4711]" */
        add(line, "%.*s", (int)(bracket - target), target);
    else
        add(line, "%s", target);
}

void weft__fd_describe(int fd, char *to, size_t size)
{
    struct line line = {to, to + size - 1};
    *to = '\0';
    add_fd(&line, fd);
}

static const struct {
    short bit;
    const char *name;
} polled[] = {{POLLIN, "IN"}, {POLLOUT, "OUT"}, {POLLPRI, "PRI"}, {POLLRDHUP, "RDHUP"}};

static void add_pollfds(struct line *line, uint64_t address, uint64_t count)
{
    struct pollfd fds[MOST_POLLED];
    uint64_t shown = count < MOST_POLLED ? count : MOST_POLLED;
    add(line, "[");
    if (!weft__peek(fds, weft__address(address), shown * sizeof(fds[0])))
        shown = 0;
    for (uint64_t i = 0; i < shown; i++) {
        add(line, "%s", i ? "; " : "");
        add_fd(line, fds[i].fd);
        const char *before = " for ";
        for (size_t k = 0; k < sizeof(polled) / sizeof(polled[0]); k++)
            if (fds[i].events & polled[k].bit) {
                add(line, "%s%s", before, polled[k].name);
                before = "|";
            }
    }
    if (count > shown)
        add(line, "%s%llu more", shown ? "; " : "", (unsigned long long)(count - shown));
    add(line, "]");
}

/* ---- Times ---- */

static void add_duration(struct line *line, weft_ns time)
{
    if (time >= WEFT_S(1))
        add(line, "%.6g s", (double)time / 1e9);
    else if (time >= WEFT_MS(1))
        add(line, "%.6g ms", (double)time / 1e6);
    else
        add(line, "%lld ns", (long long)time);
}

static bool add_timespec(struct line *line, uint64_t address, bool is_deadline)
{
    struct timespec time;
    if (!weft__peek(&time, weft__address(address), sizeof(time)))
        return false;
    add(line, "%s", is_deadline ? "until " : "");
    add_duration(line, (weft_ns)time.tv_sec * WEFT_S(1) + time.tv_nsec);
    return true;
}

static void add_timeout(struct line *line, uint64_t address)
{
    if (!address || !add_timespec(line, address, false))
        add(line, "no timeout");
}

static void add_milliseconds(struct line *line, int timeout)
{
    if (timeout < 0)
        add(line, "no timeout");
    else
        add_duration(line, WEFT_MS(timeout));
}

static void add_clock(struct line *line, int clock)
{
    static const char *const names[] = {"CLOCK_REALTIME", "CLOCK_MONOTONIC",
                                        "CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID",
                                        "CLOCK_MONOTONIC_RAW"};
    if (clock >= 0 && (size_t)clock < sizeof(names) / sizeof(names[0]))
        add(line, "%s", names[clock]);
    else
        add(line, "clock %d", clock);
}

/* ---- Locks ---- */

/*
 * The C library's mutexes have the owner's thread two words behind the one that is waited for, which is 2
 * while somebody waits. That is no promise of anybody's: so it is told only if it is a thread of ours.
 */
static void add_mutex(struct line *line, uint64_t address, int value)
{
    struct {
        int lock;
        unsigned count;
        int owner;
    } mutex;
    char name[32];
    if (value != 2 || !weft__peek(&mutex, weft__address(address), sizeof(mutex)) ||
        mutex.owner <= 0)
        return;
    weft__thread_name(mutex.owner, name, sizeof(name));
    if (name[0])
        add(line, ": mutex held by thread %d \"%s\"", mutex.owner, name);
}

static void add_futex(struct line *line, const uint64_t args[6])
{
    static const char *const names[] = {"WAIT",           "WAKE",    "FD",      "REQUEUE",
                                        "CMP_REQUEUE",    "WAKE_OP", "LOCK_PI", "UNLOCK_PI",
                                        "TRYLOCK_PI",     "WAIT",    "WAKE",    "WAIT_REQUEUE_PI",
                                        "CMP_REQUEUE_PI", "LOCK_PI2"};
    int operation = (int)args[1] & FUTEX_CMD_MASK;
    if (operation >= 0 && (size_t)operation < sizeof(names) / sizeof(names[0]))
        add(line, "FUTEX_%s, ", names[operation]);
    add(line, "%#llx", (unsigned long long)args[0]);
    if (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET)
        add_mutex(line, args[0], (int)args[2]);
    bool has_deadline = operation == FUTEX_WAIT_BITSET || operation == FUTEX_LOCK_PI ||
                        operation == FUTEX_LOCK_PI2 || operation == FUTEX_WAIT_REQUEUE_PI;
    if (!has_deadline && operation != FUTEX_WAIT)
        return;
    add(line, ", ");
    if (!args[3] || !add_timespec(line, args[3], has_deadline))
        add(line, "no timeout");
}

static void add_flock(struct line *line, int operation)
{
    int kind = operation & ~LOCK_NB;
    add(line, "%s",
        kind == LOCK_EX   ? "LOCK_EX"
        : kind == LOCK_SH ? "LOCK_SH"
        : kind == LOCK_UN ? "LOCK_UN"
                          : "?");
}

static void add_process(struct line *line, int pid)
{
    if (pid == -1)
        add(line, "any child");
    else
        add(line, "pid %d", pid);
}

/* ---- Arguments ---- */

/*
 * A letter for each argument:
 *
 *     f descriptor       c clock             b number of bytes      F all of a futex
 *     p path             d timespec: time    w process              P pollfds, with the next argument
 *     l lock of flock()  t timespec or NULL  n number               - not worth telling
 *     m milliseconds     u timespec: time, or deadline if the argument before it is TIMER_ABSTIME
 */
static const struct {
    const char *name, *args;
} known[] = {
    {"accept", "f"},
    {"accept4", "f"},
    {"clock_nanosleep", "c-u"},
    {"close", "f"},
    {"connect", "f"},
    {"copy_file_range", "f-f-b"},
    {"epoll_pwait", "f--m"},
    {"epoll_pwait2", "f--t"},
    {"epoll_wait", "f--m"},
    {"fallocate", "f"},
    {"fchmod", "f"},
    {"fcntl", "fn"},
    {"fdatasync", "f"},
    {"flock", "fl"},
    {"fstat", "f"},
    {"fsync", "f"},
    {"ftruncate", "fb"},
    {"futex", "F"},
    {"getdents64", "f"},
    {"io_uring_enter", "f"},
    {"ioctl", "fn"},
    {"lseek", "f"},
    {"mq_timedreceive", "f---t"},
    {"mq_timedsend", "f---t"},
    {"nanosleep", "d"},
    {"newfstatat", "fp"},
    {"open", "p"},
    {"openat", "fp"},
    {"openat2", "fp"},
    {"poll", "P-m"},
    {"ppoll", "P-t"},
    {"pread64", "f-b"},
    {"preadv", "f"},
    {"preadv2", "f"},
    {"pselect6", "n---t"},
    {"pwrite64", "f-b"},
    {"pwritev", "f"},
    {"pwritev2", "f"},
    {"read", "f-b"},
    {"readv", "f"},
    {"recvfrom", "f-b"},
    {"recvmmsg", "f"},
    {"recvmsg", "f"},
    {"rename", "pp"},
    {"renameat", "fpfp"},
    {"renameat2", "fpfp"},
    {"rmdir", "p"},
    {"rt_sigtimedwait", "--t"},
    {"select", "n"},
    {"sendfile", "ff-b"},
    {"sendmmsg", "f"},
    {"sendmsg", "f"},
    {"sendto", "f-b"},
    {"splice", "f-f-b"},
    {"stat", "p"},
    {"statx", "fp"},
    {"sync_file_range", "f"},
    {"syncfs", "f"},
    {"tee", "ffb"},
    {"truncate", "p"},
    {"unlink", "p"},
    {"unlinkat", "fp"},
    {"wait4", "w"},
    {"waitid", "-w"},
    {"write", "f-b"},
    {"writev", "f"},
};

static const char *arguments_of(const char *name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].args;
    return "";
}

static void add_path(struct line *line, uint64_t address)
{
    char path[PATH_ROOM];
    weft__peek_text(path, sizeof(path), weft__address(address));
    add(line, "\"%s\"", path);
}

static void add_argument(struct line *line, char kind, const uint64_t args[6], int i)
{
    switch (kind) {
    case 'f':
        add_fd(line, (int)args[i]);
        break;
    case 'p':
        add_path(line, args[i]);
        break;
    case 'l':
        add_flock(line, (int)args[i]);
        break;
    case 'm':
        add_milliseconds(line, (int)args[i]);
        break;
    case 'c':
        add_clock(line, (int)args[i]);
        break;
    case 'd':
        add_timespec(line, args[i], false);
        break;
    case 'u':
        add_timespec(line, args[i], args[i - 1] & TIMER_ABSTIME);
        break;
    case 't':
        add_timeout(line, args[i]);
        break;
    case 'b':
        add(line, "%llu bytes", (unsigned long long)args[i]);
        break;
    case 'w':
        add_process(line, (int)args[i]);
        break;
    case 'F':
        add_futex(line, args);
        break;
    case 'P':
        add_pollfds(line, args[i], args[i + 1]);
        break;
    default:
        add(line, "%llu", (unsigned long long)args[i]);
    }
}

void weft__syscall_describe(const struct weft__thread_state *state, char *to, size_t size)
{
    if (size == 0)
        return;
    struct line line = {to, to + size - 1};
    to[0] = '\0';
    if (state->syscall_nr < 0)
        return;
    const char *name = weft__syscall_name(state->syscall_nr);
    if (!name) {
        add(&line, "syscall %d", state->syscall_nr);
        return;
    }
    add(&line, "%s(", name);
    const char *args = arguments_of(name), *before = "";
    for (int i = 0; args[i]; i++)
        if (args[i] != '-') {
            add(&line, "%s", before);
            add_argument(&line, args[i], state->args, i);
            before = ", ";
        }
    add(&line, ")");
}
