/* SPDX-License-Identifier: MIT */
/*
 * What is done to paths: each is a job of its own, with a copy of the path in its arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/file.h>

#include "core/memory.h"
#include "core/sys.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"
#include "pool/file/step.h"

/* ---- Submitting ---- */

weft_future *weft__path_submit(const struct weft_job_options *options, const char *name,
                               weft_result (*run)(void *), struct weft__path_call *call,
                               const char *path, const char *second)
{
    if (!weft__here())
        return weft__future_enoloop();
    if (!path)
        return weft_future_failed(-EINVAL, "%s: no path", name);
    size_t len = strlen(path) + 1, second_len = second ? strlen(second) + 1 : 0;
    if (len > WEFT__FILE_PATH || second_len > WEFT__FILE_PATH)
        return weft_future_failed(-ENAMETOOLONG, "%s: %s", call->what,
                                  weft_strerror(-ENAMETOOLONG));
    memcpy(call->text, path, len);
    if (second)
        memcpy(call->text + len, second, second_len);
    call->second = (unsigned)len;
    struct weft__request request = {.options = options,
                                    .run = run,
                                    .args = call,
                                    .size =
                                        offsetof(struct weft__path_call, text) + len + second_len,
                                    .name = name};
    return weft__submit(&request);
}

static weft_future *submit(const char *name, weft_result (*run)(void *),
                           struct weft__path_call *call, const char *path, const char *second)
{
    struct weft_job_options options = weft__file_options();
    return weft__path_submit(&options, name, run, call, path, second);
}

int weft__path_open(const char *path, int flags, mode_t mode)
{
    int fd;
    do
        fd = weft__sys.open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && weft__file_again());
    return fd < 0 ? -errno : fd;
}

static weft_result end_with(const struct weft__path_call *call, int status)
{
    return status < 0 ? weft__file_error(call->what, call->text, errno) : weft_ok(0);
}

/* ---- Looking ---- */

static weft_result run_stat(void *args)
{
    const struct weft__path_call *call = args;
    struct stat *status = weft__malloc(sizeof(*status));
    if (!status)
        return weft_err(-ENOMEM);
    if (fstatat(AT_FDCWD, call->text, status, call->flags) == 0)
        return weft_ok(status, weft__free);
    weft_result failure = end_with(call, -1);
    weft__free(status);
    return failure;
}

static weft_result run_exists(void *args)
{
    const struct weft__path_call *call = args;
    struct stat status;
    if (fstatat(AT_FDCWD, call->text, &status, 0) == 0)
        return weft_ok(1);
    return errno == ENOENT || errno == ENOTDIR ? weft_ok(0) : end_with(call, -1);
}

weft_future *weft_path_stat(const char *path)
{
    struct weft__path_call call = {.what = "stat"};
    return submit(__func__, run_stat, &call, path, NULL);
}

weft_future *weft_path_lstat(const char *path)
{
    struct weft__path_call call = {.what = "lstat", .flags = AT_SYMLINK_NOFOLLOW};
    return submit(__func__, run_stat, &call, path, NULL);
}

weft_future *weft_path_exists(const char *path)
{
    struct weft__path_call call = {.what = "stat"};
    return submit(__func__, run_exists, &call, path, NULL);
}

/* ---- Changing ---- */

static weft_result run_rename(void *args)
{
    const struct weft__path_call *call = args;
    const char *to = weft__path_second(call);
    if (weft__sys.renameat(AT_FDCWD, call->text, to) == 0)
        return weft_ok(0);
    return weft_errf(-errno, "rename %s to %s: %s", call->text, to, weft_strerror(-errno));
}

static weft_result run_unlink(void *args)
{
    const struct weft__path_call *call = args;
    return end_with(call, weft__sys.unlinkat(AT_FDCWD, call->text, call->flags));
}

static weft_result run_mkdir(void *args)
{
    const struct weft__path_call *call = args;
    return end_with(call, mkdir(call->text, call->mode));
}

weft_future *weft_path_rename(const char *from, const char *to)
{
    struct weft__path_call call = {.what = "rename"};
    return submit(__func__, run_rename, &call, to ? from : NULL, to);
}

weft_future *weft_path_unlink(const char *path)
{
    struct weft__path_call call = {.what = "unlink"};
    return submit(__func__, run_unlink, &call, path, NULL);
}

weft_future *weft_path_rmdir(const char *path)
{
    struct weft__path_call call = {.what = "rmdir", .flags = AT_REMOVEDIR};
    return submit(__func__, run_unlink, &call, path, NULL);
}

weft_future *weft_path_mkdir(const char *path, mode_t mode)
{
    struct weft__path_call call = {.what = "mkdir", .mode = mode};
    return submit(__func__, run_mkdir, &call, path, NULL);
}

/* ---- Folders with their parents ---- */

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Somebody else may make the same folder at the same time. 0 or an errno. */
static int make_folder(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return 0;
    int error = errno;
    return is_folder(path) ? 0 : error;
}

/* From the left, each that is missing. The path is cut in place. */
static int make_parents(char *path, mode_t mode)
{
    int error = 0;
    for (char *at = path; *at && !error; at++) {
        if (at == path || *at != '/' || at[-1] == '/')
            continue;
        *at = 0;
        error = make_folder(path, mode);
        if (!error)
            *at = '/';
    }
    return error;
}

static weft_result run_mkdir_all(void *args)
{
    struct weft__path_call *call = args;
    int error = make_folder(call->text, call->mode);
    if (error == ENOENT)
        error = make_parents(call->text, call->mode);
    if (error == 0)
        error = make_folder(call->text, call->mode);
    return error ? weft__file_error(call->what, call->text, error) : weft_ok(0);
}

weft_future *weft_path_mkdir_all(const char *path, mode_t mode)
{
    struct weft__path_call call = {.what = "mkdir", .mode = mode};
    return submit(__func__, run_mkdir_all, &call, path, NULL);
}
