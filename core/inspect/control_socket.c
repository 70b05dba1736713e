/* SPDX-License-Identifier: MIT */
/*
 * The socket's file: in a folder that belongs to this user and is open to nobody else, so that no other
 * user can put something else in its place.
 *
 * The folder is opened once, without following a symbolic link, and looked at through its descriptor; what
 * is done then is done in what was looked at. bind() knows no folder by descriptor, but takes a path through
 * /proc/self/fd, which is short as well, whatever XDG_RUNTIME_DIR is.
 *
 * A file of that name is there already if a process with this number was killed: nobody listens, and it is
 * removed. If somebody does, he is another process with the same number (in another namespace), or another
 * weft in this one.
 *
 * In a program that runs with more rights than who started it the environment says nothing.
 */
#include "core/inspect/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/sys.h"

enum { BACKLOG = 16 };

static bool is_ours(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

/* False: the path is too long. */
static bool choose_folder(char *to, size_t size)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int len = runtime && *runtime == '/' && is_ours(runtime)
                  ? snprintf(to, size, "%s/weft", runtime)
                  : snprintf(to, size, "/tmp/weft-%u", (unsigned)geteuid());
    return len >= 0 && (size_t)len < size;
}

static int open_folder(const char *path, const char **ret_why)
{
    struct stat status;
    *ret_why = "the folder cannot be made";
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    *ret_why = "the folder cannot be opened, or is none";
    int folder = weft__sys.open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (folder < 0)
        return -errno;
    *ret_why = "the folder is not this user's alone";
    if (fstat(folder, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & 077))
        return folder;
    close(folder);
    return -EPERM;
}

static struct sockaddr_un address_of(const struct weft__ctl_socket *socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", socket->folder,
             socket->name);
    return address;
}

/* Nobody listens at the file. */
static bool is_stale(const struct sockaddr_un *address)
{
    int fd = weft__sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int status = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    bool is_refused = status < 0 && (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    return is_refused;
}

/* The mode of a socket is that of the file which it is bound to, but for the umask: there is no moment at
 * which it is open to others. */
static int bind_in_folder(struct weft__ctl_socket *socket)
{
    struct sockaddr_un address = address_of(socket);
    const struct sockaddr *any = (const struct sockaddr *)&address;
    if (fchmod(socket->fd, 0600) < 0)
        return -errno;
    if (weft__sys.bind(socket->fd, any, sizeof(address)) == 0)
        return 0;
    int error = errno;
    if (error != EADDRINUSE || !is_stale(&address))
        return -error;
    unlinkat(socket->folder, socket->name, 0);
    return weft__sys.bind(socket->fd, any, sizeof(address)) < 0 ? -errno : 0;
}

static int listen_in_folder(struct weft__ctl_socket *socket)
{
    struct stat status;
    int bound = bind_in_folder(socket);
    if (bound < 0)
        return bound;
    if (fstatat(socket->folder, socket->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    socket->device = status.st_dev;
    socket->inode = status.st_ino;
    return weft__sys.listen(socket->fd, BACKLOG) < 0 ? -errno : 0;
}

static int try_to_listen(struct weft__ctl_socket *socket, const char **ret_why)
{
    char folder[WEFT__CTL_PATH - sizeof(socket->name)];
    *ret_why = "XDG_RUNTIME_DIR is too long";
    if (!choose_folder(folder, sizeof(folder)))
        return -ENAMETOOLONG;
    snprintf(socket->name, sizeof(socket->name), "%d.sock", (int)getpid());
    snprintf(socket->path, sizeof(socket->path), "%s/%s", folder, socket->name);
    socket->folder = open_folder(folder, ret_why);
    if (socket->folder < 0)
        return socket->folder;
    *ret_why = "no socket";
    socket->fd = weft__sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket->fd < 0)
        return -errno;
    *ret_why = "it cannot be bound";
    return listen_in_folder(socket);
}

int weft__ctl_listen(struct weft__ctl_socket *ret, const char **ret_why)
{
    *ret = (struct weft__ctl_socket){.folder = -1, .fd = -1};
    int status = try_to_listen(ret, ret_why);
    if (status < 0)
        weft__ctl_unlisten(ret, true);
    return status;
}

static bool is_still_there(const struct weft__ctl_socket *socket)
{
    struct stat status;
    return socket->inode &&
           fstatat(socket->folder, socket->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_dev == socket->device && status.st_ino == socket->inode;
}

void weft__ctl_unlisten(struct weft__ctl_socket *socket, bool remove)
{
    if (remove && is_still_there(socket))
        unlinkat(socket->folder, socket->name, 0);
    if (socket->fd >= 0)
        close(socket->fd);
    if (socket->folder >= 0)
        close(socket->folder);
    socket->fd = socket->folder = -1;
}

bool weft__ctl_may_ask(int fd)
{
    struct ucred who;
    socklen_t size = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}
