/* SPDX-License-Identifier: MIT */
/*
 * A data pipeline:
 *
 *     read or make ──chunks──► parse ──partials──► aggregate ──lines──► write
 *     (a worker)               (workers)           (the loop)           (a worker)
 *
 * What is between two stages is bounded: who is ahead waits. So memory does not depend on how long the
 * input is, and the slowest stage, be it the disk that is written to, sets the pace of all.
 *
 *     main.c       options, the stages, progress
 *     source.c     chunks that end with a line: read from a file or a pipe, or made
 *     parse.c      a chunk becomes rows
 *     rows.c       rows by window and sensor
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

enum {
    CHUNK_SIZE = 1 << 20, /* bytes of input at a time */
    WINDOW = 60,          /* seconds of a row */
    SENSOR_NAME = 16,     /* NUL included */
    SCALE = 1000          /* values are kept in thousandths */
};

/* ---- source.c ---- */

struct chunk {
    size_t len;
    uint64_t made; /* how many records, of one that was made */
    char data[];
};

struct source;

/** Bytes from `file`, borrowed. NULL: out of memory. */
struct source *source_new(weft_file *file);

/** `size` bytes or a little more that look like the measurements of a thousand sensors. */
struct source *source_new_made(uint64_t size);
void source_free(struct source *source);

/**
 * The next chunk: whole lines, but perhaps the last one of the input; NULL at its end. The value is
 * the caller's, by free().
 */
weft_future *source_next(struct source *source);

/* ---- rows.c ---- */

struct row {
    int64_t window; /* its first second */
    char sensor[SENSOR_NAME];
    int64_t count; /* 0: no row */
    int64_t sum, min, max;
};

/** Zeroed: empty. */
struct rows {
    struct row *slots; /* open addressing */
    size_t count, room;
};

/** Add what `row` counts to that of its window and sensor. 0 or -ENOMEM. */
int rows_add(struct rows *rows, const struct row *row);

/** Take the rows of windows before `window` out, in order; the caller's, by free(). NULL and
 * *ret_count 0: there are none. 0 or -ENOMEM. */
int rows_take_before(struct rows *rows, int64_t window, struct row **ret, size_t *ret_count);
void rows_fini(struct rows *rows);

/* ---- parse.c ---- */

struct partial {
    struct rows rows;
    int64_t newest; /* the latest window in it */
    uint64_t lines, bad;
    size_t bytes;
};

/** Parse a chunk on a worker, which frees it; the value is a partial with a destructor. */
weft_future *parse(struct chunk *chunk);
void partial_free(struct partial *partial);

#endif
