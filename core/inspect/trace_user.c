/* SPDX-License-Identifier: MIT */
/*
 * Tracing, as users see it: options, files, events of their own, and WEFT_TRACE in the environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/trace.h>

#include "core/inspect/json.h"
#include "core/inspect/probe.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "core/memory.h"

enum { DEFAULT_SIZE = 1 << 20, LEAST = 4 << 10, MOST = 1 << 30 };

int weft_trace_start(const struct weft_trace_options *options)
{
    size_t size = options && options->buffer_size ? options->buffer_size : DEFAULT_SIZE;
    size_t room = LEAST;
    bool of_this_version = !options || options->size == 0 || options->size == sizeof(*options);
    if (!of_this_version || size < LEAST || size > MOST)
        return -EINVAL;
    while (room < size)
        room *= 2;
    return weft__trace_start_with(room / sizeof(struct weft__trace_record));
}

int weft_trace_stop(void)
{
    return weft__trace_stop();
}

void weft_trace_discard(void)
{
    weft__trace_discard();
}

int weft_trace_is_on(void)
{
    return weft__trace_is_on();
}

/* ---- Writing ---- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, data, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        data += written;
        len -= (size_t)written;
    }
    return 0;
}

/* What is there is kept if there is no trace. Half of one could not be read: it is emptied. */
int weft_trace_write(const char *path)
{
    struct weft__text text = {0};
    if (!path)
        return -EINVAL;
    int status = weft__trace_write(&text);
    int fd = status == 0 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (status == 0)
        status = fd < 0 ? -errno : write_all(fd, text.data, text.len);
    if (fd >= 0 && status < 0)
        (void)!ftruncate(fd, 0);
    if (fd >= 0 && close(fd) < 0 && status == 0)
        status = -errno;
    weft__text_fini(&text);
    return status;
}

int weft_trace_read(char **ret, size_t *ret_len)
{
    struct weft__text text = {0};
    if (!ret)
        return -EINVAL;
    int status = weft__trace_write(&text);
    if (status < 0) {
        weft__text_fini(&text);
        return status;
    }
    *ret = text.data;
    if (ret_len)
        *ret_len = text.len;
    return 0;
}

/* ---- Events of the user's ---- */

void weft_trace_mark(const char *name, int64_t value)
{
    if (weft__trace_is_on())
        weft__trace_record(WEFT__TRACE_MARK, 0, 0, (uint64_t)value, name);
}

void weft_trace_counter(const char *name, int64_t value)
{
    if (weft__trace_is_on())
        weft__trace_record(WEFT__TRACE_COUNTER, 0, 0, (uint64_t)value, name);
}

void weft_trace_begin(const char *name)
{
    if (weft__trace_is_on())
        weft__trace_record(WEFT__TRACE_SLICE, 0, 0, 0, name);
}

void weft_trace_end(void)
{
    if (weft__trace_is_on())
        weft__trace_record(WEFT__TRACE_SLICE_END, 0, 0, 0, NULL);
}

/* ---- The watchdog's ---- */

/* The name may go. */
void weft__trace_blocked(pid_t tid, weft_ns duration, const char *name)
{
    uint32_t ms = (uint32_t)(duration / WEFT_MS(1));
    WEFT__PROBE3(blocked, tid, ms, name);
    if (weft__trace_is_on())
        weft__trace_record(WEFT__TRACE_BLOCKED, weft__trace_intern(name), ms, (uint64_t)tid, NULL);
}

/* ---- The environment ---- */

/* %p is the process's number, %% a percent sign. Whole, as the program may go to another folder. */
static void expand(struct weft__text *to, const char *path)
{
    char folder[4096];
    if (*path != '/' && getcwd(folder, sizeof(folder)))
        weft__text_add(to, "%s/", folder);
    for (; *path; path++) {
        if (path[0] == '%' && path[1] == 'p')
            weft__text_add(to, "%d", (int)getpid());
        else
            weft__text_add_bytes(to, path, 1);
        if (path[0] == '%' && (path[1] == 'p' || path[1] == '%'))
            path++;
    }
}

/* Of a file that is not there yet. */
static int try_folder_of(const char *path)
{
    struct weft__text folder = {0};
    const char *slash = strrchr(path, '/');
    weft__text_add_bytes(&folder, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    int status = folder.status;
    if (status == 0 && faccessat(AT_FDCWD, folder.data, W_OK | X_OK, AT_EACCESS) < 0)
        status = -errno;
    weft__text_fini(&folder);
    return status;
}

/* Whether it can be written, as far as can be told without touching anything: others may have the same path. */
static int try_path(const char *path)
{
    struct stat there;
    if (stat(path, &there) < 0)
        return try_folder_of(path);
    if (S_ISDIR(there.st_mode))
        return -EISDIR;
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static void complain(weft_loop *loop, const char *what, int status, const char *message)
{
    struct weft_error_report report = {.what = what, .status = status, .message = message};
    weft__report(loop, &report);
}

/* The path is kept: a program may change its environment. */
char *weft__trace_begin_program(void)
{
    const char *wanted = secure_getenv("WEFT_TRACE");
    struct weft__text path = {0};
    if (!wanted || !*wanted)
        return NULL;
    expand(&path, wanted);
    int status = path.status < 0 ? path.status : try_path(path.data);
    if (status < 0)
        complain(NULL, "nothing is traced, as WEFT_TRACE cannot be written", status, path.data);
    if (status == 0 && weft_trace_start(NULL) == 0)
        return path.data;
    weft__text_fini(&path);
    return NULL;
}

void weft__trace_end_program(char *path, weft_loop *loop)
{
    if (!path)
        return;
    int status = weft_trace_write(path);
    if (status == -ENODATA)
        complain(loop, "the program has discarded the trace that WEFT_TRACE asked for", status,
                 path);
    else if (status < 0)
        complain(loop, "the trace could not be written", status, path);
    weft__free(path);
    weft__trace_discard();
}
