/* SPDX-License-Identifier: MIT */
/*
 * What a service manager says by the environment, and what it is told.
 *
 *     LISTEN_PID, LISTEN_FDS    the descriptors from 3 on are for this process, and how many
 *     LISTEN_FDNAMES            their names, separated by colons
 *     NOTIFY_SOCKET             where to send datagrams to
 *
 * Nothing is kept: the environment is read each time, so that nobody has to know who asked first.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/notify.h>

#include "core/sys.h"

enum { FIRST_PASSED = 3 };

/* ---- Passed sockets ---- */

/* A number in decimal digits alone, or -EINVAL. */
static int parse(const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    bool digits = text[0] >= '0' && text[0] <= '9' && !*end;
    return digits && !errno && number <= INT_MAX - FIRST_PASSED ? (int)number : -EINVAL;
}

static int count_passed(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (!pid || !count)
        return 0;
    int process = parse(pid), fds = parse(count);
    if (process < 0 || fds < 0)
        return -EINVAL;
    return process == getpid() ? fds : 0;
}

/* Is this the name at the head of the list? */
static bool is_named(const char *names, const char *name)
{
    return strcspn(names, ":") == strlen(name) && !strncmp(names, name, strlen(name));
}

static const char *next_name(const char *names)
{
    names += strcspn(names, ":");
    return *names ? names + 1 : names;
}

/* The place of the wanted one among those passed, or -ENOENT. */
static int find(int count, const char *name, int index)
{
    const char *names = getenv("LISTEN_FDNAMES");
    names = names ? names : "";
    for (int i = 0; i < count; i++, names = next_name(names)) {
        if ((!name || is_named(names, name)) && index-- == 0)
            return i;
    }
    return -ENOENT;
}

int weft_listen_fd(const char *name, int index)
{
    int count = count_passed();
    if (count < 0 || index < 0)
        return -EINVAL;
    int place = find(count, name, index);
    if (place < 0)
        return place;
    return fcntl(FIRST_PASSED + place, F_SETFD, FD_CLOEXEC) < 0 ? -errno : FIRST_PASSED + place;
}

/* ---- Telling ---- */

static int set_address(struct sockaddr_un *to, const char *name, socklen_t *ret_len)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2)
        return -EAFNOSUPPORT;
    if (len >= sizeof(to->sun_path))
        return -ENAMETOOLONG;
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(to->sun_path, name, len);
    if (name[0] == '@')
        to->sun_path[0] = 0;
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return 0;
}

static int send_to(const struct sockaddr_un *to, socklen_t len, const char *text)
{
    int fd = weft__sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    struct sockaddr_un name = *to;
    struct iovec piece = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct msghdr message = {
        .msg_name = &name, .msg_namelen = len, .msg_iov = &piece, .msg_iovlen = 1};
    int status = weft__sys.sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 1;
    close(fd);
    return status;
}

int weft_notify(const char *state)
{
    struct sockaddr_un to;
    socklen_t len;
    const char *name = getenv("NOTIFY_SOCKET");
    if (!state || !*state)
        return -EINVAL;
    if (!name || !*name)
        return 0;
    int status = set_address(&to, name, &len);
    return status < 0 ? status : send_to(&to, len, state);
}
