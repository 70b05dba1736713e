/* SPDX-License-Identifier: MIT */
/*
 * Reads that are under way: between net/stream/read.c, which reads for them, and net/stream/until.c,
 * which knows what separators and lines want.
 */
#ifndef WEFT_NET_STREAM_READ_H
#define WEFT_NET_STREAM_READ_H

#include <errno.h>

#include "core/ready.h"
#include "net/stream/stream.h"

enum weft__read_kind {
    WEFT__READ_SOME,
    WEFT__READ_EXACTLY,
    WEFT__READ_ALL,
    WEFT__READ_LINE,
    WEFT__READ_NEXT_LINE,
    WEFT__READ_UNTIL,
    WEFT__READ_UNTIL_ANY,
    WEFT__READ_FD,
    WEFT__READ_WAIT,
    WEFT__READ_FILL
};

/** All [loop]. */
struct weft__read {
    struct weft__stream_op op; /* first */
    weft__item item;           /* queued: there is something to read */
    bool queued;               /* then it has a reference to the future */
    bool crlf;                 /* NEXT_LINE: "\r\n" ends a line as well */
    enum weft__read_kind kind;
    void *buffer; /* SOME, EXACTLY: borrowed */
    size_t size;  /* SOME, EXACTLY: of the buffer; LINE, UNTIL: the limit; ALL, NEXT_LINE: one more;
                     WAIT, FILL: how many are known */
    size_t scanned;       /* LINE, UNTIL: no separator begins before this */
    size_t separator_len; /* UNTIL_ANY: of the longest one */
    char separator[];     /* UNTIL_ANY: each behind its length; at the end the length 0 */
};

/** How a read ends, if it does. */
struct weft__read_end {
    int status; /* -EINPROGRESS: not yet */
    weft_value value;
    weft_destructor *destructor;
};

static inline struct weft__read_end weft__read_failed(int status)
{
    return (struct weft__read_end){.status = status};
}

/** What a read comes to that needs more than there is. */
static inline struct weft__read_end weft__read_needs_more(const weft_stream *stream)
{
    return weft__read_failed(stream->read_end ? stream->read_end : -EINPROGRESS);
}

/**
 * A read that is under way, with `separator` bytes of room for what it reads until, and its future;
 * NULL: the future is the failure.
 */
struct weft__read *weft__read_new(weft_stream *stream, enum weft__read_kind kind, size_t size,
                                  size_t separator, weft_future **ret_future);

/** Try it, and let it wait if there is not enough. Returns its future. */
weft_future *weft__read_start(weft_stream *stream, struct weft__read *read);

/** Try ALL. */
struct weft__read_end weft__read_try_all(weft_stream *stream, const struct weft__read *read);

/** Try LINE, UNTIL, UNTIL_ANY. */
struct weft__read_end weft__read_try_until(weft_stream *stream, struct weft__read *read);

/** Try NEXT_LINE. */
struct weft__read_end weft__read_try_next_line(weft_stream *stream, struct weft__read *read);

#endif
