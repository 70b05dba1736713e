/* SPDX-License-Identifier: MIT */
/*
 * Replacing a file as a whole: whoever looks, at any moment, sees the old content or the new one, and
 * so does who looks after a crash.
 *
 *     open the folder -> create .NAME.XXXXXX.weft in it -> write -> mode, owner -> fsync -> close
 *       -> [the point of no return] -> rename over NAME -> fsync the folder
 *
 * The order is what makes it safe. The content is on the disk (fsync) before the name leads to it
 * (rename), or a crash could leave the new name with no content; the folder is on the disk before
 * success is reported, or the old content could come back. Everything is relative to the folder that
 * was opened, so that one that is moved meanwhile does no harm.
 *
 * Failure modes: before the rename: the temporary file is removed, the old one untouched. A cancel is
 * seen between pieces and for the last time just before the rename. The folder's fsync fails: the file
 * has been replaced, but may not be after a crash; that is said. A process that is killed before the
 * rename leaves its temporary file behind, under a name that says whose it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/file.h>

#include "core/sys.h"
#include "core/thread.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"

enum { ATTEMPTS = 100, TEMPORARY_NAME = 256, KEPT_OF_NAME = 200 };

/* [worker] What is being replaced. */
struct replacing {
    const char *path; /* for messages */
    const char *name; /* in its folder */
    const char *what; /* the step that failed */
    int folder;
    int fd; /* of the temporary file; -1: none is open */
    size_t done;
    bool exists; /* the old one does, and is a regular file */
    struct stat old;
    char temporary[TEMPORARY_NAME]; /* its name in the folder; "": there is none */
};

/* ---- The folder ---- */

/* The path is cut behind the folder. 0 or an errno. */
static int open_folder(struct replacing *now, char *path)
{
    char *slash = strrchr(path, '/');
    now->name = slash ? slash + 1 : path;
    if (!*path) {
        now->what = "open";
        return ENOENT;
    }
    now->what = "open the folder of";
    if (!*now->name || strcmp(now->name, ".") == 0 || strcmp(now->name, "..") == 0)
        return EISDIR;
    char kept = 0;
    if (slash) {
        kept = slash[1];
        slash[1] = 0;
    }
    now->folder = weft__path_open(slash ? path : ".", O_RDONLY | O_DIRECTORY, 0);
    if (slash)
        slash[1] = kept;
    return now->folder < 0 ? -now->folder : 0;
}

/* A link, a folder, a device: the rename will replace the link, and say what it thinks of a folder. */
static void look_at_old(struct replacing *now)
{
    now->exists = fstatat(now->folder, now->name, &now->old, AT_SYMLINK_NOFOLLOW) == 0 &&
                  S_ISREG(now->old.st_mode);
}

/* ---- The temporary file ---- */

/* It need not be secret: O_EXCL says whether a name is free. */
static uint32_t random_number(void)
{
    static atomic_uint count;
    uint32_t number = 0;
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
        number = (uint32_t)getpid() << 16;
    return number + atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

/* One that replaces a file is the owner's alone until it has that file's mode. */
static int create(struct replacing *now, mode_t mode)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    now->what = "create a temporary file beside";
    for (int i = 0; i < ATTEMPTS; i++) {
        snprintf(now->temporary, sizeof(now->temporary), ".%.*s.%08x.weft", KEPT_OF_NAME, now->name,
                 (unsigned)random_number());
        now->fd = weft__sys.openat(now->folder, now->temporary, flags, now->exists ? 0600 : mode);
        if (now->fd >= 0)
            return 0;
        int error = errno;
        now->temporary[0] = 0;
        if (error != EEXIST && !(error == EINTR && !weft__file_cancelled()))
            return error;
    }
    return EEXIST;
}

/* As the old one; without the right to give it away it stays ours, and then runs as nobody else. */
static int set_mode(struct replacing *now)
{
    mode_t mode = now->old.st_mode & 07777;
    struct stat own;
    now->what = "set the mode of what replaces";
    if (!now->exists)
        return 0;
    if (weft__sys.fstat(now->fd, &own) < 0)
        return errno;
    bool is_theirs = own.st_uid != now->old.st_uid || own.st_gid != now->old.st_gid;
    if (is_theirs && fchown(now->fd, now->old.st_uid, now->old.st_gid) < 0) {
        mode &= 0777;
        bool kept = fchown(now->fd, (uid_t)-1, now->old.st_gid) == 0; /* a group of ours, perhaps */
        (void)kept;
    }
    return fchmod(now->fd, mode) < 0 ? errno : 0;
}

static int close_temporary(struct replacing *now)
{
    int fd = now->fd;
    now->fd = -1;
    now->what = "close what replaces";
    return weft__sys.close(fd) < 0 && errno != EINTR ? errno : 0;
}

/* ---- Step by step; each is 0 or an errno ---- */

static int fill(struct replacing *now, const struct weft__path_call *call)
{
    int error = create(now, call->mode);
    if (error)
        return error;
    now->what = "write";
    error = weft__io_write_all(now->fd, call->data, call->size, &now->done);
    if (error)
        return error;
    error = set_mode(now);
    if (error)
        return error;
    now->what = "fsync";
    if (weft__sys.fsync(now->fd) < 0)
        return errno;
    return close_temporary(now);
}

static int replace(struct replacing *now)
{
    now->what = "replace";
    if (weft__file_commit() < 0)
        return ECANCELED;
    if (weft__sys.renameat(now->folder, now->temporary, now->name) < 0)
        return errno;
    now->temporary[0] = 0;
    now->what = "replaced, but could not fsync the folder of";
    return weft__sys.fsync(now->folder) < 0 ? errno : 0;
}

static void clean_up(struct replacing *now)
{
    if (now->fd >= 0)
        weft__sys.close(now->fd);
    if (now->temporary[0])
        weft__sys.unlinkat(now->folder, now->temporary, 0);
    if (now->folder >= 0)
        weft__sys.close(now->folder);
}

static weft_result run(void *args)
{
    struct weft__path_call *call = args;
    struct replacing now = {.path = call->text, .folder = -1, .fd = -1};
    int error = open_folder(&now, call->text);
    if (!error) {
        look_at_old(&now);
        error = fill(&now, call);
    }
    if (!error)
        error = replace(&now);
    clean_up(&now);
    if (error)
        return weft__io_error(now.what, now.path, error, now.done < call->size ? now.done : 0,
                              call->size, "written");
    return weft_ok(call->size);
}

weft_future *weft_path_write_atomic(const char *path, const void *data, size_t size, mode_t mode)
{
    struct weft__path_call call = {.what = "write", .data = data, .size = size, .mode = mode};
    struct weft_job_options options = weft__file_options_in_pieces();
    if (!data && size && weft__here())
        return weft_future_failed(-EINVAL, "%s: no data", __func__);
    return weft__path_submit(&options, __func__, run, &call, path, NULL);
}
