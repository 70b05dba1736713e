/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

enum {
    MOST_LINE = 64,      /* bytes of a line that is made */
    SENSORS = 1000,      /* … and of how many sensors */
    A_SECOND = 20 * 1000 /* measurements */
};

struct source {
    weft_file *file; /* borrowed; NULL: lines are made */
    uint64_t left;   /* bytes to make */
    uint64_t record; /* the next one to make */
    size_t rest_len; /* the beginning of a line that the last chunk left */
    char rest[CHUNK_SIZE];
};

struct source *source_new(weft_file *file)
{
    struct source *source = calloc(1, sizeof(*source));
    if (source)
        source->file = file;
    return source;
}

struct source *source_new_made(uint64_t size)
{
    struct source *source = source_new(NULL);
    if (source)
        source->left = size;
    return source;
}

void source_free(struct source *source)
{
    free(source);
}

static struct chunk *new_chunk(void)
{
    return malloc(sizeof(struct chunk) + CHUNK_SIZE);
}

/* ---- Made ---- */

static char *put_digits(char *at, uint64_t number, int least)
{
    char digits[20];
    int count = 0;
    for (; number || count < least; number /= 10)
        digits[count++] = (char)('0' + number % 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

static char *put_record(char *at, uint64_t record)
{
    uint64_t chance = (record + 1) * 0x9e3779b97f4a7c15u;
    uint64_t value = (chance >> 40) % (60 * SCALE);
    at = put_digits(at, 1700000000 + record / A_SECOND, 1);
    memcpy(at, " sensor-", 8);
    at = put_digits(at + 8, (chance >> 20) % SENSORS, 3);
    *at++ = ' ';
    at = put_digits(at, value / SCALE, 1);
    *at++ = '.';
    at = put_digits(at, value % SCALE, 3);
    *at++ = '\n';
    return at;
}

struct make_chunk {
    uint64_t record;
    uint64_t most; /* bytes */
};

static WEFT_BLOCKING(make_chunk)
{
    struct chunk *chunk = new_chunk();
    if (!chunk)
        return weft_err(-ENOMEM);
    char *at = chunk->data;
    chunk->made = 0;
    while (at <= chunk->data + CHUNK_SIZE - MOST_LINE && (uint64_t)(at - chunk->data) < self->most)
        at = put_record(at, self->record + chunk->made++);
    chunk->len = (size_t)(at - chunk->data);
    return weft_ok(chunk, free);
}

struct make_next {
    WEFT_FRAME;
    struct source *source;
    struct chunk *chunk;
};

static WEFT_ASYNC(make_next)
{
    struct source *source = self->source;
    WEFT_BEGIN;
    if (!source->left)
        WEFT_RETURN(NULL);
    WEFT_AWAIT_INTO(self->chunk,
                    weft_to_thread(make_chunk, .record = source->record, .most = source->left));
    source->record += self->chunk->made;
    source->left -= self->chunk->len < source->left ? self->chunk->len : source->left;
    WEFT_RETURN(self->chunk, free);
    WEFT_END;
}

/* ---- Read ---- */

/* Keep what is behind the last line's end for the next chunk. False: there is no end. */
static bool cut(struct source *source, struct chunk *chunk)
{
    const char *end = memrchr(chunk->data, '\n', chunk->len);
    if (!end)
        return false;
    size_t len = (size_t)(end + 1 - chunk->data);
    source->rest_len = chunk->len - len;
    memcpy(source->rest, end + 1, source->rest_len);
    chunk->len = len;
    return true;
}

struct read_chunk {
    WEFT_FRAME;
    struct source *source;
    struct chunk *chunk; /* owned */
    size_t got;
};

static WEFT_ASYNC(read_chunk)
{
    struct source *source = self->source;
    WEFT_BEGIN;
    self->chunk = new_chunk();
    if (!self->chunk)
        WEFT_FAIL(-ENOMEM);
    memcpy(self->chunk->data, source->rest, source->rest_len);
    self->chunk->len = source->rest_len;
    source->rest_len = 0;
    do {
        WEFT_AWAIT_INTO(self->got,
                        weft_file_read(source->file, self->chunk->data + self->chunk->len,
                                       CHUNK_SIZE - self->chunk->len));
        self->chunk->len += self->got;
    } while (self->got && self->chunk->len < CHUNK_SIZE);
    if (self->got && !cut(source, self->chunk))
        WEFT_FAIL(-EINVAL, "a line of more than %d bytes", CHUNK_SIZE);
    if (!self->chunk->len)
        WEFT_RETURN(NULL);
    struct chunk *whole = self->chunk;
    self->chunk = NULL;
    WEFT_RETURN(whole, free);

    WEFT_FINALLY;
    free(self->chunk);
    WEFT_END;
}

weft_future *source_next(struct source *source)
{
    return source->file ? weft_call(read_chunk, .source = source)
                        : weft_call(make_next, .source = source);
}
