/* SPDX-License-Identifier: MIT */
/*
 * Opening a file below a folder, and nothing that is not there: a job.
 *
 * openat2() with RESOLVE_BENEATH: the kernel refuses each step that would leave the folder, ".." and links
 * included, while it walks; there is no moment between a look and an open in which somebody could put a
 * link in between. Where it is missing (before Linux 5.6, or forbidden by a filter of system calls) the
 * path is walked segment by segment, each opened by itself and never through a link. That is
 * stricter: links within the folder are not followed then.
 *
 * A FIFO or a device is opened without waiting, seen to be none of our business, and closed.
 *
 * A file that is small is read by the same job and closed: one trip to a worker for most requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/memory.h"
#include "net/http/files/static.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"

enum {
    TRIES = 8, /* while folders are moved about under the walk */
    FRESH = 2  /* seconds in which another change may leave the same time and size */
};

/* ---- The walk ---- */

static const int open_flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

static int open_by_kernel(int folder, const char *path, enum weft_http_file_flags flags)
{
    struct open_how how = {
        .flags = (unsigned)open_flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
                   (flags & WEFT_HTTP_FILE_NO_LINKS ? RESOLVE_NO_SYMLINKS : 0u),
    };
    long fd = -1;
    for (int i = 0; i < TRIES; i++) {
        fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd < 0 ? -errno : (int)fd;
}

/* Takes over `folder`. */
static int open_step(int folder, const char *name, bool last)
{
    if (strcmp(name, "..") == 0)
        errno = EXDEV;
    int fd = strcmp(name, "..") == 0 ? -1
                                     : openat(folder, name,
                                              last ? open_flags | O_NOFOLLOW
                                                   : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = errno;
    close(folder);
    return fd < 0 ? -error : fd;
}

static int open_by_hand(int folder, const char *path)
{
    int at = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    if (at < 0)
        return -errno;
    for (;;) {
        char name[NAME_MAX + 1];
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if (len > NAME_MAX) {
            close(at);
            return -ENAMETOOLONG;
        }
        memcpy(name, path, len);
        name[len] = 0;
        path += len;
        bool last = !path[strspn(path, "/")];
        at = open_step(at, len ? name : ".", last);
        if (at < 0 || last)
            return at;
    }
}

int weft__http_open_at(int folder, const char *path, enum weft_http_file_flags flags, bool by_hand)
{
    path += strspn(path, "/");
    int fd = by_hand ? -ENOSYS : open_by_kernel(folder, *path ? path : ".", flags);
    return fd == -ENOSYS || fd == -EPERM ? open_by_hand(folder, path) : fd;
}

/* ---- What is known of it ---- */

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec;
}

/* A tag that is strong says that no byte has changed. One who writes twice within the kernel's tick leaves
 * the same time: so a file is weak until that is past. */
static void tag(struct weft__http_file *file, const struct stat *status)
{
    bool fresh = status->st_mtim.tv_sec > now() - FRESH;
    snprintf(file->etag, sizeof(file->etag), "%s\"%llx-%llx-%llx%08lx\"", fresh ? "W/" : "",
             (unsigned long long)status->st_ino, (unsigned long long)status->st_size,
             (unsigned long long)status->st_mtim.tv_sec, (unsigned long)status->st_mtim.tv_nsec);
}

static void close_file(struct weft__http_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

static int read_all(struct weft__http_file *file)
{
    int64_t have = 0;
    while (have < file->size) {
        ssize_t got = pread(file->fd, file->data + have, (size_t)(file->size - have), have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EIO; /* it has got shorter meanwhile */
        have += got;
    }
    file->is_read = true;
    return 0;
}

void weft__http_file_free(void *value)
{
    struct weft__http_file *file = value;
    if (!file)
        return;
    close_file(file);
    weft__free(file);
}

/* Takes over `fd`. */
static int examine(int fd, bool wanted, struct weft__http_file **ret)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) {
        close(fd);
        return -ENOENT;
    }
    wanted = wanted && S_ISREG(status.st_mode);
    bool small = wanted && status.st_size <= WEFT__HTTP_SMALL_FILE;
    struct weft__http_file *file =
        weft__malloc(sizeof(*file) + (small ? (size_t)status.st_size : 0));
    if (!file) {
        close(fd);
        return -ENOMEM;
    }
    *file = (struct weft__http_file){
        .fd = fd,
        .is_folder = S_ISDIR(status.st_mode),
        .size = status.st_size,
        .modified = status.st_mtim.tv_sec,
    };
    tag(file, &status);
    int failure = small ? read_all(file) : 0;
    if (small || !wanted)
        close_file(file);
    if (failure < 0)
        weft__http_file_free(file);
    else
        *ret = file;
    return failure;
}

/* What leads nowhere, or out: the client learns no difference. */
static int as_missing(int error)
{
    switch (error) {
    case -ENOTDIR:
    case -ELOOP:
    case -EXDEV:
    case -ENAMETOOLONG:
    case -EINVAL:
    case -ENXIO:
        return -ENOENT;
    default:
        return error;
    }
}

static weft_result run_open(void *args)
{
    const struct weft__path_call *call = args;
    const char *path = weft__path_second(call);
    struct weft__http_file *file = NULL;
    int folder = weft__path_open(call->text, O_PATH | O_DIRECTORY, 0);
    if (folder < 0)
        return weft_errf(-ENOTDIR, "%s below %s: %s", call->what, call->text,
                         weft_strerror(folder));
    int fd = weft__http_open_at(folder, path, (enum weft_http_file_flags)call->flags, false);
    close(folder);
    int status = as_missing(fd < 0 ? fd : examine(fd, call->number != 0, &file));
    return status < 0 ? weft__file_error(call->what, path, -status)
                      : weft_ok(file, weft__http_file_free);
}

weft_future *weft__http_open_beneath(const char *root, const char *path,
                                     enum weft_http_file_flags flags, bool wanted)
{
    struct weft_job_options options = weft__file_options();
    struct weft__path_call call = {.what = "send", .flags = (int)flags, .number = wanted};
    return weft__path_submit(&options, "weft_http_send_file", run_open, &call, root, path);
}
