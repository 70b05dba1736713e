/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: whether a call on one will wait, and what it is. All by system calls, as the functions are
 * those that are looked at.
 *
 * What blocks and is not ready will wait. What is ready may take long all the same, when it is a file
 * (readiness says nothing there), or when there is less than the call wants: these are timed, and
 * reported if they were slow. What does not block is of no interest, but for files, to which O_NONBLOCK
 * means nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "tools/guard/guard.h"

long guard__sys_poll(struct pollfd *fds, unsigned long count, int timeout)
{
    struct timespec limit = {timeout / 1000, (long)(timeout % 1000) * 1000000};
    return syscall(SYS_ppoll, fds, count, timeout < 0 ? NULL : &limit, NULL, 0L);
}

static bool is_file(int fd)
{
    struct stat status;
    long failed = syscall(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH);
    return failed == 0 &&
           (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode));
}

static bool is_ready(int fd, short events)
{
    struct pollfd look = {.fd = fd, .events = events};
    return guard__sys_poll(&look, 1, 0) != 0; /* errors are for the call itself */
}

enum guard__fd guard__fd_is(int fd, short events)
{
    int error = errno;
    long flags = syscall(SYS_fcntl, fd, F_GETFL);
    enum guard__fd how = GUARD_FD_NEVER;
    if (flags >= 0 && (flags & O_NONBLOCK))
        how = is_file(fd) ? GUARD_FD_SLOW : GUARD_FD_NEVER;
    else if (flags >= 0)
        how = is_ready(fd, events) ? GUARD_FD_SLOW : GUARD_FD_WAITS;
    errno = error;
    return how;
}

bool guard__fd_waits(int fd, short events)
{
    return guard__fd_is(fd, events) == GUARD_FD_WAITS;
}

/* ---- What it is ---- */

static bool add_address(char text[GUARD_TEXT], int fd, long call, const char *how)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } address;
    char host[INET6_ADDRSTRLEN];
    socklen_t size = sizeof(address);
    memset(&address, 0, sizeof(address));
    if (syscall(call, fd, &address, &size) != 0)
        return false;
    if (address.any.sa_family == AF_INET)
        snprintf(text, GUARD_TEXT, "fd %d: socket %s %s:%u", fd, how,
                 inet_ntop(AF_INET, &address.in.sin_addr, host, sizeof(host)),
                 ntohs(address.in.sin_port));
    else if (address.any.sa_family == AF_INET6)
        snprintf(text, GUARD_TEXT, "fd %d: socket %s [%s]:%u", fd, how,
                 inet_ntop(AF_INET6, &address.in6.sin6_addr, host, sizeof(host)),
                 ntohs(address.in6.sin6_port));
    else if (address.any.sa_family == AF_UNIX && address.un.sun_path[0])
        snprintf(text, GUARD_TEXT, "fd %d: socket %s %.108s", fd, how, address.un.sun_path);
    else
        return false;
    return true;
}

const char *guard__fd_text(char text[GUARD_TEXT], int fd)
{
    char link[40], path[128];
    if (add_address(text, fd, SYS_getpeername, "to") ||
        add_address(text, fd, SYS_getsockname, "at"))
        return text;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlink, link, path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    snprintf(text, GUARD_TEXT, length > 0 ? "fd %d: %s" : "fd %d%s", fd, path);
    return text;
}

/* ---- File systems on other machines ---- */

static bool is_on_another_machine(const struct statfs *system)
{
    static const unsigned magic[] = {
        0x6969,     /* NFS */
        0x517b,     /* SMB */
        0xff534d42, /* CIFS */
        0xfe534d42, /* SMB 2 */
        0x65735546, /* FUSE: sshfs and its like */
        0x01021997, /* 9P */
        0x00c36400, /* Ceph */
        0x5346414f, /* AFS */
        0x73757245, /* Coda */
        0x0bd00bd0, /* Lustre */
        0x7461636f, /* OCFS2 */
        0x01161970, /* GFS2 */
        0x786f4256, /* VirtualBox' shared folders */
    };
    for (size_t i = 0; i < sizeof(magic) / sizeof(magic[0]); i++)
        if ((unsigned)system->f_type == magic[i])
            return true;
    return guard__is_remote((long)system->f_type);
}

/* ---- Calls ---- */

struct guard__call guard__begin_fd(enum guard__fd how, const char *name, const char *instead)
{
    return how == GUARD_FD_WAITS ? guard__begin(name, instead) : guard__begin_slow(name, instead);
}

void guard__end_fd(struct guard__call *call, enum guard__fd how, int fd)
{
    int error = errno;
    char text[GUARD_TEXT];
    if (how == GUARD_FD_WAITS)
        guard__end(call, "%s", guard__fd_text(text, fd));
    else
        guard__end_file(call, fd);
    errno = error;
}

void guard__end_file(struct guard__call *call, int fd)
{
    int error = errno;
    char text[GUARD_TEXT];
    struct statfs system;
    bool is_slow = guard__was_slow(call);
    bool is_far = !is_slow && syscall(SYS_fstatfs, fd, &system) == 0 &&
                  is_on_another_machine(&system) && is_file(fd);
    if (is_slow || is_far)
        guard__end(call, "%s%s", guard__fd_text(text, fd), is_far ? ", on another machine" : "");
    else
        guard__drop(call);
    errno = error;
}

static bool is_far_at(int folder, const char *path)
{
    struct statfs system;
    long fd = syscall(SYS_openat, folder, path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_far = syscall(SYS_fstatfs, fd, &system) == 0 && is_on_another_machine(&system);
    syscall(SYS_close, fd);
    return is_far;
}

/* What is not there, or no longer, was looked for where it would be. */
static bool is_path_far(int folder, const char *path)
{
    char parent[PATH_MAX];
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!path)
        return false;
    if (is_far_at(folder, path))
        return true;
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (errno != ENOENT || length >= sizeof(parent))
        return false;
    memcpy(parent, path, length);
    snprintf(parent + length, sizeof(parent) - length, ".");
    return is_far_at(folder, parent);
}

void guard__end_path(struct guard__call *call, int folder, const char *path)
{
    int error = errno;
    bool is_slow = guard__was_slow(call);
    errno = 0;
    bool is_far = !is_slow && is_path_far(folder, path);
    if (is_slow || is_far)
        guard__end(call, "\"%.150s\"%s", path, is_far ? ", on another machine" : "");
    else
        guard__drop(call);
    errno = error;
}
