/* SPDX-License-Identifier: MIT */
/*
 * Reads up to a separator: lines, what ends with one of several things, and what ends with the stream.
 *
 * What was searched once is not searched again: `scanned` is how far no separator can begin. Of several
 * ones the one that ends first counts, so that what is taken is as short as it can be; each is only
 * looked for before the end that was found already.
 *
 * A line that is lent has been copied to memory of the stream's own, which is kept for the next one: the
 * buffer moves when more is read, and a line must last until the next call.
 */
#include <errno.h>
#include <string.h>
#include <weft/file.h>

#include "core/bytes.h"
#include "core/loop.h"
#include "net/net.h"
#include "net/stream/read.h"

#define DEFAULT_LINE_LIMIT ((size_t)64 * 1024)
#define DEFAULT_ALL_LIMIT ((size_t)1024 * 1024)

/* ---- Trying ---- */

static struct weft__read_end take_bytes(weft_stream *stream, size_t len)
{
    weft_bytes *bytes = weft__bytes_new(len);
    if (!bytes)
        return weft__read_failed(-ENOMEM);
    if (len)
        memcpy(bytes->data, weft__buffer_data(&stream->in), len);
    weft__buffer_consume(&stream->in, &stream->net->buffers, len);
    return (struct weft__read_end){.value = weft_value_ptr(bytes),
                                   .destructor = weft__bytes_destroy};
}

struct weft__read_end weft__read_try_all(weft_stream *stream, const struct weft__read *read)
{
    size_t have = weft__buffer_len(&stream->in);
    if (have >= read->size)
        return weft__read_failed(WEFT_ELIMIT);
    return stream->read_end == WEFT_EOF ? take_bytes(stream, have) : weft__read_needs_more(stream);
}

/* Where the separator ends, if it is within the limit and there; else 0. */
static size_t find_end(weft_stream *stream, struct weft__read *read)
{
    size_t have = weft__buffer_len(&stream->in);
    size_t within = have < read->size ? have : read->size;
    const char *data = weft__buffer_data(&stream->in);
    if (within < read->separator_len || within <= read->scanned)
        return 0;
    const char *found =
        memmem(data + read->scanned, within - read->scanned, read->separator, read->separator_len);
    read->scanned = within - read->separator_len + 1;
    return found ? (size_t)(found - data) + read->separator_len : 0;
}

/* The next one of several separators; NULL: there are no more. */
static const char *next_separator(const char **at, size_t *ret_len)
{
    const char *separator = *at + sizeof(*ret_len);
    memcpy(ret_len, *at, sizeof(*ret_len));
    *at = separator + *ret_len;
    return *ret_len ? separator : NULL;
}

/* The same for whichever of several ends first. */
static size_t find_any_end(weft_stream *stream, struct weft__read *read)
{
    size_t have = weft__buffer_len(&stream->in);
    size_t within = have < read->size ? have : read->size;
    const char *data = weft__buffer_data(&stream->in);
    const char *at = read->separator, *separator;
    size_t end = 0, len;
    while (within > read->scanned && (separator = next_separator(&at, &len))) {
        size_t most = end ? end : within;
        const char *found = memmem(data + read->scanned, most - read->scanned, separator, len);
        end = found ? (size_t)(found - data) + len : end;
    }
    if (within >= read->separator_len)
        read->scanned = within - read->separator_len + 1;
    return end;
}

struct weft__read_end weft__read_try_until(weft_stream *stream, struct weft__read *read)
{
    size_t end =
        read->kind == WEFT__READ_UNTIL_ANY ? find_any_end(stream, read) : find_end(stream, read);
    if (end)
        return take_bytes(stream, end);
    size_t have = weft__buffer_len(&stream->in);
    bool last_line = read->kind == WEFT__READ_LINE && stream->read_end == WEFT_EOF;
    if (last_line && have <= read->size)
        return take_bytes(stream, have);
    if (have >= read->size)
        return weft__read_failed(WEFT_ELIMIT);
    return weft__read_needs_more(stream);
}

/* The next line is in the first `end` bytes: lend it. */
static struct weft__read_end lend_line(weft_stream *stream, size_t end, bool crlf)
{
    const char *data = weft__buffer_data(&stream->in);
    size_t len = data[end - 1] == '\n' ? end - 1 : end;
    if (crlf && len < end && len && data[len - 1] == '\r')
        len--;
    if (!stream->line || stream->line_room < len) {
        size_t room = len + len / 2 + 80;
        weft_bytes *larger = weft__bytes_resize(stream->line, room);
        if (!larger)
            return weft__read_failed(-ENOMEM);
        stream->line = larger;
        stream->line_room = room;
    }
    memcpy(stream->line->data, data, len);
    stream->line->data[len] = 0;
    stream->line->len = len;
    weft__buffer_consume(&stream->in, &stream->net->buffers, end);
    return (struct weft__read_end){.value = weft_value_ptr(stream->line)};
}

/* The limit is of the line without its end. */
struct weft__read_end weft__read_try_next_line(weft_stream *stream, struct weft__read *read)
{
    size_t end = find_end(stream, read);
    size_t have = weft__buffer_len(&stream->in);
    if (!end && stream->read_end == WEFT_EOF && have < read->size)
        end = have;
    else if (!end)
        return have >= read->size ? weft__read_failed(WEFT_ELIMIT) : weft__read_needs_more(stream);
    return end ? lend_line(stream, end, read->crlf)
               : (struct weft__read_end){.value = weft_value_ptr(NULL)};
}

/* ---- Reads ---- */

static weft_future *begin_until(weft_stream *stream, enum weft__read_kind kind, size_t limit,
                                const void *separator, size_t len)
{
    weft_future *future;
    struct weft__read *read =
        weft__read_new(stream, kind, limit ? limit : DEFAULT_LINE_LIMIT, len, &future);
    if (!read)
        return future;
    read->separator_len = len;
    memcpy(read->separator, separator, len);
    return weft__read_start(stream, read);
}

weft_future *weft_read_all(weft_stream *stream, size_t limit)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    limit = limit ? limit : DEFAULT_ALL_LIMIT;
    weft_future *future;
    struct weft__read *read =
        weft__read_new(stream, WEFT__READ_ALL, limit < SIZE_MAX ? limit + 1 : limit, 0, &future);
    return read ? weft__read_start(stream, read) : future;
}

weft_future *weft_read_line(weft_stream *stream, size_t limit)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    return begin_until(stream, WEFT__READ_LINE, limit, "\n", 1);
}

weft_future *weft_read_until(weft_stream *stream, const void *separator, size_t separator_len,
                             size_t limit)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    if (!separator_len)
        return weft_future_failed(-EINVAL, "an empty separator");
    return begin_until(stream, WEFT__READ_UNTIL, limit, separator, separator_len);
}

/* How much memory they take, and the longest; 0: -EINVAL. */
static size_t measure(const struct weft_separator *separators, size_t count, size_t *ret_longest)
{
    size_t room = count ? sizeof(size_t) : 0;
    *ret_longest = 0;
    for (size_t i = 0; i < count; i++) {
        if (!separators[i].len)
            return 0;
        room += sizeof(size_t) + separators[i].len;
        *ret_longest = separators[i].len > *ret_longest ? separators[i].len : *ret_longest;
    }
    return room;
}

weft_future *weft_read_until_any(weft_stream *stream, const struct weft_separator *separators,
                                 size_t count, size_t limit)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    size_t longest;
    size_t room = measure(separators, count, &longest);
    if (!room)
        return weft_future_failed(-EINVAL, "no separator, or an empty one");
    weft_future *future;
    struct weft__read *read = weft__read_new(stream, WEFT__READ_UNTIL_ANY,
                                             limit ? limit : DEFAULT_LINE_LIMIT, room, &future);
    if (!read)
        return future;
    char *at = read->separator;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, &separators[i].len, sizeof(size_t));
        memcpy(at + sizeof(size_t), separators[i].data, separators[i].len);
        at += sizeof(size_t) + separators[i].len;
    }
    read->separator_len = longest; /* behind the last one there is a 0 */
    return weft__read_start(stream, read);
}

weft_future *weft_next_line(weft_stream *stream, const struct weft_lines_options *options)
{
    static const struct weft_lines_options defaults;
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    options = options ? options : &defaults;
    size_t limit = options->limit ? options->limit : DEFAULT_LINE_LIMIT;
    if ((options->size && options->size != sizeof(*options)) || limit == SIZE_MAX ||
        options->ends > WEFT_LINES_CRLF)
        return weft_future_failed(-EINVAL, "options for lines that make no sense");
    weft_future *future;
    struct weft__read *read = weft__read_new(stream, WEFT__READ_NEXT_LINE, limit + 1, 1, &future);
    if (!read)
        return future;
    read->crlf = options->ends == WEFT_LINES_CRLF;
    read->separator_len = 1;
    read->separator[0] = '\n';
    return weft__read_start(stream, read);
}
