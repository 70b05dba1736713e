/* SPDX-License-Identifier: MIT */
/*
 * Lines of a file, one after another.
 *
 *     buffer   ....|begin      scanned|        end|           |capacity + 1
 *              used  the line so far      not looked at  free
 *
 * A line is handed out where it is in the buffer, its end overwritten with a NUL; it is valid until
 * the next call, which may move or grow the buffer. The buffer holds no more than the longest line
 * and a chunk.
 *
 * Happy path: a whole line is in the buffer: no job, no copy. Else a read at the file's position fills
 * the rest of the buffer, and it is looked at again.
 *
 * Failure modes: a line beyond the limit (WEFT_ELIMIT, from then on always, since where the next one
 * begins is not known); a failing read (the next call tries again; nothing is lost); freed while a
 * read is under way (the memory stays until that has ended; the future fails with WEFT_ECLOSED).
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "pool/file/file.h"
#include "pool/file/step.h"

enum { DEFAULT_LIMIT = 65536, DEFAULT_CHUNK = 65536 };

/* All fields are [loop]; the free part of the buffer is the worker's while a read is under way. */
struct weft_lines {
    uint32_t loop_id;         /* [const] */
    unsigned refs;            /* the user's, one for the step that reads */
    weft_file *file;          /* [const] a reference */
    size_t limit, chunk;      /* [const] */
    enum weft_line_ends ends; /* [const] */
    char *buffer;             /* capacity + 1 bytes */
    size_t capacity, begin, scanned, end;
    bool at_end; /* of the file */
    bool is_too_long;
    bool is_reading;
    bool closed;
    weft_bytes line; /* the one that was handed out */
};

static void unref(weft_lines *lines)
{
    if (--lines->refs > 0)
        return;
    weft_file_unref(lines->file);
    weft__free(lines->buffer);
    weft__free(lines);
}

void weft_lines_free(weft_lines *lines)
{
    if (!lines || WEFT__ELSEWHERE(lines->loop_id))
        return;
    lines->closed = true;
    unref(lines);
}

static bool are_valid(const struct weft_lines_options *options)
{
    return (options->size == 0 || options->size == sizeof(*options)) &&
           (options->ends == WEFT_LINES_LF || options->ends == WEFT_LINES_CRLF) &&
           options->limit <= SIZE_MAX / 4 && options->chunk <= SIZE_MAX / 4;
}

static int refuse_new(const weft_file *file, const struct weft_lines_options *options)
{
    if (!file || !are_valid(options))
        return -EINVAL;
    if (weft__is_elsewhere(file->loop_id, "weft_lines_new"))
        return weft__elsewhere();
    if (!weft__here())
        return weft__enoloop();
    return file->closing ? -EBADF : 0;
}

weft_lines *weft_lines_new(weft_file *file, const struct weft_lines_options *options)
{
    static const struct weft_lines_options defaults = {0};
    options = options ? options : &defaults;
    int refused = refuse_new(file, options);
    weft_lines *lines = refused ? NULL : weft__malloc(sizeof(*lines));
    if (!lines) {
        errno = refused ? -refused : ENOMEM;
        return NULL;
    }
    *lines = (weft_lines){.loop_id = weft__loop_id,
                          .refs = 1,
                          .file = weft_file_ref(file),
                          .limit = options->limit ? options->limit : DEFAULT_LIMIT,
                          .chunk = options->chunk ? options->chunk : DEFAULT_CHUNK,
                          .ends = options->ends};
    return lines;
}

/* ---- Finding ---- */

/* 1: a line, up to lines->scanned; 0: the end; -EAGAIN: not without reading; WEFT_ELIMIT. */
static int find(weft_lines *lines)
{
    if (lines->is_too_long)
        return WEFT_ELIMIT;
    size_t fresh = lines->end - lines->scanned;
    const char *found = fresh ? memchr(lines->buffer + lines->scanned, '\n', fresh) : NULL;
    lines->scanned = found ? (size_t)(found - lines->buffer) : lines->end;
    if (lines->scanned - lines->begin > lines->limit) {
        lines->is_too_long = true;
        return WEFT_ELIMIT;
    }
    if (!found && !lines->at_end)
        return -EAGAIN;
    return found || lines->begin < lines->end;
}

/* What find() found. At the end it is looked again at the next call: the file may have grown. */
static void take(weft_lines *lines, int found)
{
    size_t end = lines->scanned, next = end < lines->end ? end + 1 : end;
    if (!found) {
        lines->at_end = false;
        return;
    }
    if (next > end && lines->ends == WEFT_LINES_CRLF && end > lines->begin &&
        lines->buffer[end - 1] == '\r')
        end--;
    lines->buffer[end] = 0;
    lines->line = (weft_bytes){end - lines->begin, lines->buffer + lines->begin};
    lines->begin = lines->scanned = next;
}

static weft_value line_of(weft_lines *lines, int found)
{
    return weft_value_ptr(found ? &lines->line : NULL);
}

static weft_future *fail(const weft_lines *lines)
{
    return weft_future_failed(WEFT_ELIMIT, "read %s: a line of more than %zu bytes",
                              lines->file->handle ? lines->file->handle->path : "file",
                              lines->limit);
}

/* ---- Reading ---- */

static bool make_room(weft_lines *lines)
{
    size_t kept = lines->end - lines->begin;
    if (lines->begin) {
        memmove(lines->buffer, lines->buffer + lines->begin, kept);
        lines->scanned -= lines->begin;
        lines->begin = 0;
        lines->end = kept;
    }
    if (lines->buffer && kept <= lines->capacity / 2)
        return true;
    size_t capacity = lines->capacity ? lines->capacity * 2 : lines->chunk;
    if (capacity > lines->limit + lines->chunk)
        capacity = lines->limit + lines->chunk;
    if (capacity == lines->capacity)
        return true;
    char *buffer = weft__realloc(lines->buffer, capacity + 1);
    if (!buffer)
        return false;
    lines->buffer = buffer;
    lines->capacity = capacity;
    return true;
}

struct lines_step {
    struct weft__step step; /* first */
    weft_lines *lines;      /* a reference */
    bool asked;             /* to stop, by a cancel that the read did not hear */
};

static weft_future *read_more(weft_lines *lines)
{
    if (!make_room(lines))
        return weft__future_enomem(weft__loop);
    return weft__file_read_piece(lines->file, lines->buffer + lines->end,
                                 lines->capacity - lines->end);
}

static void end(struct lines_step *next)
{
    weft_lines *lines = next->lines;
    next->lines = NULL;
    lines->is_reading = false;
    unref(lines);
}

static void give(struct lines_step *next, int found)
{
    weft_lines *lines = next->lines;
    if (found == WEFT_ELIMIT) {
        weft_future *failure = fail(lines);
        weft__step_end_as(&next->step, failure);
        weft_unref(failure);
    } else {
        take(lines, found);
        weft__step_succeed(&next->step, line_of(lines, found), NULL);
    }
}

/* The read was quicker than the cancel, and brought no whole line: what it brought is kept. */
static void stop(struct weft__step *step)
{
    weft__clear_flag(&step->future, WEFT__UNDELIVERED);
    weft__step_fail(step, -ECANCELED, NULL);
}

static void finish(struct weft__step *step, weft_future *inner)
{
    struct lines_step *next = WEFT__CONTAINER(step, struct lines_step, step);
    weft_lines *lines = next->lines;
    int status = weft__observe(inner), found = -EAGAIN;
    if (next->asked && status != -ECANCELED)
        step->future.flags |= WEFT__UNDELIVERED;
    if (status >= 0) {
        size_t got = (size_t)weft_future_value(inner).i64;
        lines->end += got;
        lines->at_end = got == 0;
        found = find(lines);
    }
    if (lines->closed)
        weft__step_fail(step, WEFT_ECLOSED, NULL);
    else if (status < 0)
        weft__step_end_as(step, inner);
    else if (found == -EAGAIN && step->future.flags & WEFT__UNDELIVERED)
        stop(step);
    else if (found == -EAGAIN)
        weft__step_wait(step, read_more(lines));
    else
        give(next, found);
    if (!weft__is_pending(&step->future))
        end(next);
}

/* Always heard: by the read, or when it has ended and another one would be needed. */
static bool cancel(weft_future *future)
{
    struct lines_step *next = WEFT__CONTAINER(future, struct lines_step, step.future);
    if (!weft__step_cancel(future))
        next->asked = true;
    return true;
}

WEFT__OPS(ops) = {.name = "weft_lines_next", .cancel = cancel, .explain = weft__explain_step};

static weft_future *start_reading(weft_lines *lines)
{
    struct lines_step *next = weft__step_new(weft__loop, &ops, finish, sizeof(*next));
    if (!next)
        return weft__future_enomem(weft__loop);
    lines->is_reading = true;
    lines->refs++;
    next->lines = lines;
    weft__step_wait(&next->step, read_more(lines));
    return &next->step.future;
}

weft_future *weft_lines_next(weft_lines *lines)
{
    if (!lines)
        return weft_future_failed(-EINVAL, "%s: no lines", __func__);
    weft_future *refused = weft__file_refuse_loop(lines->loop_id, __func__);
    if (refused)
        return refused;
    if (lines->is_reading)
        return weft_future_failed(-EBUSY, "%s: one at a time", __func__);
    int found = find(lines);
    if (found == -EAGAIN)
        return start_reading(lines);
    if (found == WEFT_ELIMIT)
        return fail(lines);
    weft_future *future = weft__step_done(weft__loop, line_of(lines, found));
    if (future->status == 0) /* else there is no memory: it is there for the next call */
        take(lines, found);
    return future;
}
