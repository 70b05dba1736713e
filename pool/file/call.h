/* SPDX-License-Identifier: MIT */
/* What all calls on workers share: the lane, and whether to go on. */
#ifndef WEFT_POOL_FILE_CALL_H
#define WEFT_POOL_FILE_CALL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "pool/job.h"

enum {
    WEFT__FILE_PIECE = 1 << 20, /* large copies look between such pieces whether to go on */
    WEFT__FILE_PATH = 4096      /* longer paths the kernel does not take */
};

/** Options of a job for files: its lane. Thread: loop. */
struct weft_job_options weft__file_options(void);

/** The same for one that works in pieces, and looks between them whether to go on. */
struct weft_job_options weft__file_options_in_pieces(void);

/** True if the job that runs on this thread is to stop. Thread: worker. */
static inline bool weft__file_cancelled(void)
{
    return weft_job_cancelled();
}

/** The point of no return: 0, or -ECANCELED. Thread: worker. */
static inline int weft__file_commit(void)
{
    return weft_job_commit();
}

/** True for a system call to be made again. Thread: worker. */
static inline bool weft__file_again(void)
{
    return errno == EINTR && !weft__file_cancelled();
}

/* ---- pool/file/io.c ---- */

struct weft__io {
    int fd;
    bool writes;
    bool whole;     /* go on until all is done, or the file ends */
    bool may_wait;  /* a pipe, a terminal: for ever, unless it is cancelled */
    int64_t offset; /* -1: at the file's position */
    size_t done;    /* how many bytes are */
};

/** True for what is no regular file. Thread: worker. */
bool weft__io_may_wait(int fd);

/** Read or write; the pieces are used up. 0 or an errno. Thread: worker. */
int weft__io_run(struct weft__io *io, struct iovec *pieces, unsigned count);

/** Write all of it at the position of `fd`, in pieces; ECANCELED between two. 0 or an errno.
 * `*ret_done`: how much was written in any case. Thread: worker. */
int weft__io_write_all(int fd, const void *data, size_t size, size_t *ret_done);

/** The failure of a write of which a part was done. Thread: any. */
weft_result weft__io_error(const char *what, const char *path, int error, size_t done, size_t size,
                           const char *verb);

/* ---- pool/file/path.c ---- */

/** Arguments of a job with one or two paths, for as long as it lasts. */
struct weft__path_call {
    const char *what; /* [const] "stat" */
    const void *data;
    size_t size; /* of the data; or a limit */
    int64_t number;
    int flags;
    mode_t mode;
    unsigned second;                /* where the second path begins */
    char text[2 * WEFT__FILE_PATH]; /* the paths; only as much as there is */
};

static inline const char *weft__path_second(const struct weft__path_call *call)
{
    return call->text + call->second;
}

/** Submit a job; the paths are copied into `call`, which is the caller's. `second` may be NULL. */
weft_future *weft__path_submit(const struct weft_job_options *options, const char *name,
                               weft_result (*run)(void *), struct weft__path_call *call,
                               const char *path, const char *second);

/** open() for a job: 0 or more, or -errno. O_CLOEXEC always. Thread: worker. */
int weft__path_open(const char *path, int flags, mode_t mode);

#endif
