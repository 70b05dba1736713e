/* SPDX-License-Identifier: MIT */
/*
 * Files: a descriptor, its position, and operations that run on workers.
 *
 *     OPEN --weft_file_close()--> CLOSING --all operations before it have ended--> CLOSED
 *
 * From CLOSING on new operations fail with -EBADF. The user's last reference may go in any state:
 * what was started goes on, as it has references of its own; an OPEN file is then closed in the
 * background, and a failure of that is reported, since nobody awaits it.
 *
 * Failure modes: an open that was cancelled while it ran, and succeeds, gives its file to nobody:
 * the destructor of the value closes it. A close for which there is no worker is made on the loop.
 * When the loop ends, files stay what they are; the last reference closes.
 */
#include "pool/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/memory.h"
#include "core/sys.h"
#include "core/text.h"
#include "pool/file/call.h"

/* ---- The object ---- */

weft_file *weft__file_new(weft_loop *loop)
{
    weft_file *file = weft__malloc(sizeof(*file));
    if (file)
        *file = (weft_file){.loop_id = loop->id, .refs = 1};
    return file;
}

weft_file *weft_file_ref(weft_file *file)
{
    if (!WEFT__ELSEWHERE(file->loop_id))
        file->refs++;
    return file;
}

static weft_result run_close(void *args)
{
    struct weft__file_call *call = args;
    int status = weft__handle_close(call->handle);
    return status < 0 ? weft__file_error(call->what, call->handle->path, -status) : weft_ok(0);
}

static const struct weft__file_kind close_kind = {"weft_file_close", "close", WEFT__FILE_BARRIER,
                                                  run_close, true};

static void release_call(void *args)
{
    struct weft__file_call *call = args;
    weft__handle_unref(call->handle);
}

/* The job takes over the reference; if there is none, the descriptor is closed here and now. */
static void close_in_background(struct weft__handle *handle)
{
    struct weft__file_call call = {.handle = handle, .what = close_kind.what};
    struct weft_job_options options = weft__file_options();
    struct weft__request request = {.options = &options,
                                    .run = run_close,
                                    .args = &call,
                                    .size = sizeof(call),
                                    .name = close_kind.name};
    options.release = release_call;
    options.submit = WEFT_SUBMIT_FORCED;
    weft_future *future = weft__submit(&request);
    if (weft_is_done(future))
        weft__observe(future);
    weft_unref(future);
}

void weft_file_unref(weft_file *file)
{
    if (!file || WEFT__ELSEWHERE(file->loop_id) || --file->refs > 0)
        return;
    if (file->handle && file->loop_id == weft__loop_id)
        close_in_background(file->handle);
    else
        weft__handle_unref(file->handle);
    weft__free(file);
}

static void unref_file(void *file)
{
    weft_file_unref(file);
}

weft_future *weft__file_refuse(weft_file *file, const char *function, const char *what)
{
    if (!file)
        return weft_future_failed(-EINVAL, "%s: no file", function);
    weft_future *refused = weft__file_refuse_loop(file->loop_id, function);
    if (!refused && file->closing)
        return weft_future_failed(-EBADF, "%s %s: it is closed", what,
                                  file->handle ? file->handle->path : "file");
    return refused;
}

/* ---- Opening ---- */

struct open_step {
    struct weft__step step; /* first */
    weft_file *file;        /* a reference, until it is the value */
};

static void destroy_handle(void *handle)
{
    weft__handle_unref(handle);
}

static bool is_regular(int fd)
{
    struct stat status;
    return weft__sys.fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static weft_result run_open(void *args)
{
    const struct weft__path_call *call = args;
    int fd = weft__path_open(call->text, call->flags, call->mode);
    if (fd < 0)
        return weft__file_error(call->what, call->text, -fd);
    struct weft__handle *handle = weft__handle_new(fd, is_regular(fd), call->text);
    if (handle)
        return weft_ok(handle, destroy_handle);
    weft__sys.close(fd);
    return weft_err(-ENOMEM);
}

static void finish_open(struct weft__step *step, weft_future *inner)
{
    struct open_step *open = WEFT__CONTAINER(step, struct open_step, step);
    weft_file *file = open->file;
    weft_destructor *destructor;
    weft_value value;
    open->file = NULL;
    if (weft__observe(inner) < 0) {
        weft_file_unref(file);
        weft__step_end_as(step, inner);
        return;
    }
    weft__take(inner, &value, &destructor);
    file->handle = value.ptr;
    weft__step_succeed(step, weft_value_ptr(file), unref_file);
}

WEFT__OPS(open_ops) = {
    .name = "weft_file_open", .cancel = weft__step_cancel, .explain = weft__explain_step};

weft_future *weft_file_open(const char *path, int flags, mode_t mode)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    weft_file *file = weft__file_new(loop);
    struct open_step *open =
        file ? weft__step_new(loop, &open_ops, finish_open, sizeof(*open)) : NULL;
    if (!open) {
        weft__free(file);
        return weft__future_enomem(loop);
    }
    struct weft__path_call call = {.flags = flags, .mode = mode};
    struct weft_job_options options = weft__file_options();
    call.what = "open";
    open->file = file;
    weft__step_wait(&open->step,
                    weft__path_submit(&options, "weft_file_open", run_open, &call, path, NULL));
    return &open->step.future;
}

weft_file *weft_file_new(int fd)
{
    weft_loop *loop = weft__here();
    char name[32];
    if (!loop) {
        errno = -weft__enoloop();
        return NULL;
    }
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
        return NULL;
    snprintf(name, sizeof(name), "fd %d", fd);
    weft_file *file = weft__file_new(loop);
    if (file && (file->handle = weft__handle_new(fd, is_regular(fd), name)))
        return file;
    weft__free(file);
    errno = ENOMEM;
    return NULL;
}

int weft_file_fd(const weft_file *file)
{
    if (!file)
        return -EINVAL;
    if (WEFT__ELSEWHERE(file->loop_id))
        return weft__elsewhere();
    return file->closing ? -EBADF : file->handle->fd;
}

weft_future *weft_file_close(weft_file *file)
{
    if (!file)
        return weft__here() ? weft__step_done(weft__here(), weft_value_i64(0))
                            : weft__future_enoloop();
    weft_future *refused = weft__file_refuse(file, __func__, close_kind.what);
    return refused ? refused : weft__file_start_close(file, &close_kind);
}
