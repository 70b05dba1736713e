/* SPDX-License-Identifier: MIT */
/* Files from the inside. See pool/file/file.c and pool/file/line.c. */
#ifndef WEFT_POOL_FILE_FILE_H
#define WEFT_POOL_FILE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <weft/file.h>

#include "pool/file/handle.h"
#include "pool/file/step.h"

enum { WEFT__FILE_PIECES = 1024 }; /* of one readv() or writev(), as in the kernel */

/** For whom an operation on a file has to wait. */
enum weft__file_order {
    WEFT__FILE_ANYWHERE,    /* names its own place: only for barriers before it */
    WEFT__FILE_AT_POSITION, /* moves the file's position: also for its like before it */
    WEFT__FILE_BARRIER      /* for all before it; and all behind it wait for it */
};

/** Arguments of a job that uses a file's handle. */
struct weft__file_call {
    struct weft__handle *handle; /* a reference, until the job is over */
    const char *what;            /* [const] "read" */
    int64_t number;              /* an offset, a length; -1: none */
    int flags;
    unsigned count; /* of the pieces */
    struct iovec pieces[];
};

/** What is known of a kind of operations when they are compiled. */
struct weft__file_kind {
    const char *name; /* of the job: "weft_file_read" */
    const char *what; /* in messages: "read" */
    enum weft__file_order order;
    weft_result (*run)(void *call); /* [worker] */
    bool is_cleanup; /* it finds room in a full lane, and runs while the loop shuts down */
};

struct weft__file_op;

/** All fields are [loop]. */
struct weft_file {
    uint32_t loop_id;                   /* [const] */
    unsigned refs;                      /* the users', one for each operation */
    struct weft__handle *handle;        /* NULL: closed, or not open yet */
    bool closing;                       /* weft_file_close() was called */
    bool position_is_used;              /* by an operation that runs */
    bool barrier_runs;                  /* then nothing else does */
    unsigned running;                   /* operations that have started and not ended */
    unsigned barriers;                  /* of those in the line, and those that run */
    struct weft__file_op *first, *last; /* the line: who waits */
};

/** One operation. */
struct weft__file_op {
    struct weft__step step; /* first */
    weft_file *file;        /* a reference */
    const struct weft__file_kind *kind;
    struct weft__file_op *prev, *next; /* in the line */
    bool waits;                        /* in the line */
    struct weft__file_call *call;      /* right behind, in the same memory */
};

/** A file without a handle; NULL: out of memory. */
weft_file *weft__file_new(weft_loop *loop);

/**
 * Start an operation, or put it in the file's line; what the public function returns. `function` is
 * its name. `call` lacks the handle and the pieces, which are copied.
 */
weft_future *weft__file_start(weft_file *file, const char *function,
                              const struct weft__file_kind *kind,
                              const struct weft__file_call *call, const struct iovec *pieces);

/** weft_file_close() */
weft_future *weft__file_start_close(weft_file *file, const struct weft__file_kind *kind);

/** Read into a buffer, as weft_file_read() of a piece does. */
weft_future *weft__file_read_piece(weft_file *file, void *buffer, size_t size);

/** Why no operation of this file can be started here, as a failed future; NULL: it can. `function`
 * was called, to `what`. */
weft_future *weft__file_refuse(weft_file *file, const char *function, const char *what);

#endif
