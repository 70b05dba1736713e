/* SPDX-License-Identifier: MIT */
/*
 * A line is "SECONDS SENSOR VALUE": whole seconds, a name of at most 15 characters, a number with at
 * most three decimals. What is not is counted, and left out.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

enum { MOST_DIGITS = 12 };

/* Digits, at least one; *at moves behind them. False: there are none, or too many. */
static bool take_digits(const char **at, const char *end, int64_t *ret)
{
    const char *begin = *at;
    int64_t number = 0;
    while (*at < end && **at >= '0' && **at <= '9' && *at - begin <= MOST_DIGITS)
        number = number * 10 + (*(*at)++ - '0');
    *ret = number;
    return *at > begin && *at - begin <= MOST_DIGITS;
}

static bool take_space(const char **at, const char *end)
{
    return *at < end && *(*at)++ == ' ';
}

static bool take_sensor(const char **at, const char *end, char sensor[SENSOR_NAME])
{
    const char *begin = *at;
    while (*at<end &&* * at> ' ' && **at < 0x7f)
        (*at)++;
    size_t len = (size_t)(*at - begin);
    if (len == 0 || len >= SENSOR_NAME)
        return false;
    memcpy(sensor, begin, len);
    sensor[len] = '\0';
    return true;
}

static bool take_value(const char **at, const char *end, int64_t *ret)
{
    bool negative = *at < end && **at == '-';
    *at += negative;
    if (!take_digits(at, end, ret))
        return false;
    *ret *= SCALE;
    if (*at < end && **at == '.') {
        int64_t scale = SCALE / 10;
        const char *begin = ++*at;
        for (; *at < end && **at >= '0' && **at <= '9' && scale; scale /= 10)
            *ret += (*(*at)++ - '0') * scale;
        if (*at == begin)
            return false;
    }
    *ret = negative ? -*ret : *ret;
    return true;
}

static bool parse_line(const char *at, const char *end, struct row *ret)
{
    int64_t second, value;
    *ret = (struct row){.count = 1};
    if (!take_digits(&at, end, &second) || !take_space(&at, end) ||
        !take_sensor(&at, end, ret->sensor) || !take_space(&at, end) ||
        !take_value(&at, end, &value) || at != end)
        return false;
    ret->window = second - second % WINDOW;
    ret->sum = ret->min = ret->max = value;
    return true;
}

static int parse_all(const struct chunk *chunk, struct partial *partial)
{
    const char *end = chunk->data + chunk->len;
    for (const char *at = chunk->data; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        struct row row;
        partial->lines++;
        if (!parse_line(at, line_end, &row))
            partial->bad++;
        else if (rows_add(&partial->rows, &row) < 0)
            return -ENOMEM;
        else if (row.window > partial->newest)
            partial->newest = row.window;
        at = line_end + 1;
    }
    return 0;
}

void partial_free(struct partial *partial)
{
    if (partial)
        rows_fini(&partial->rows);
    free(partial);
}

static void destroy(void *partial)
{
    partial_free(partial);
}

struct parse_chunk {
    struct chunk *chunk; /* owned: see release() */
};

static WEFT_BLOCKING(parse_chunk)
{
    struct partial *partial = calloc(1, sizeof(*partial));
    int status = partial ? parse_all(self->chunk, partial) : -ENOMEM;
    if (status < 0) {
        partial_free(partial);
        return weft_err(status);
    }
    partial->bytes = self->chunk->len;
    return weft_ok(partial, destroy);
}

static void release(void *args)
{
    free(((struct parse_chunk *)args)->chunk);
}

weft_future *parse(struct chunk *chunk)
{
    return weft_offload((&(struct weft_job_options){.release = release}), parse_chunk,
                        .chunk = chunk);
}
