/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the parser of multipart/form-data, with the boundary "B".
 *
 * The input is a body. It is read whole, byte by byte and in small pieces: all readings must give the same
 * parts, and the same error or end. No part has a line that begins with the boundary, names are clean, a
 * file's name is no path, and what was read as whole, written out again in its plainest form, reads as the
 * same parts.
 */
#include "net/http/forms/multipart.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Unlike assert, never compiled out. */
#define MUST(condition)                                             \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            abort();                                                \
        }                                                           \
    } while (0)

/* What was read: names, contents and how it ended, one behind the other. */
struct reading {
    char *text, *again; /* and the same as a body */
    size_t len, again_len, content;
    bool whole;
};

static void add(char **text, size_t *len, const char *data, size_t size)
{
    *text = realloc(*text, *len + size + 1);
    MUST(*text);
    memcpy(*text + *len, data, size);
    *len += size;
    (*text)[*len] = 0;
}

static void add_text(struct reading *r, const char *text)
{
    add(&r->text, &r->len, text, strlen(text) + 1);
}

static void add_again(struct reading *r, const char *data, size_t size)
{
    add(&r->again, &r->again_len, data, size);
}

static void add_quoted(struct reading *r, const char *name, const char *value)
{
    add_again(r, "; ", 2);
    add_again(r, name, strlen(name));
    add_again(r, "=\"", 2);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            add_again(r, "\\", 1);
        add_again(r, value, 1);
    }
    add_again(r, "\"", 1);
}

static void check_clean(const char *text)
{
    MUST(!weft__http_has_control(text, strlen(text)));
}

static void begin_part(struct reading *r, const struct weft__http_multipart *parser)
{
    static const char begin[] = "--B\r\nContent-Disposition: form-data";
    add_text(r, parser->name);
    add_text(r, parser->filename ? parser->filename : "\x01");
    add_text(r, parser->content_type ? parser->content_type : "\x01");
    r->content = r->len;
    check_clean(parser->name);
    add_again(r, begin, sizeof(begin) - 1);
    add_quoted(r, "name", parser->name);
    if (parser->filename) {
        check_clean(parser->filename);
        MUST(!strpbrk(parser->filename, "/\\"));
        add_quoted(r, "filename", parser->filename);
    }
    if (parser->content_type) {
        check_clean(parser->content_type);
        add_again(r, "\r\nContent-Type: ", 16);
        add_again(r, parser->content_type, strlen(parser->content_type));
    }
    add_again(r, "\r\n\r\n", 4);
}

static void end_part(struct reading *r)
{
    MUST(!memmem(r->text + r->content, r->len - r->content, "\r\n--B", 5));
    add_text(r, "\x02");
    add_again(r, "\r\n", 2);
}

/* One event; false: no more of this piece. */
static bool take_event(struct reading *r, const struct weft__http_multipart *parser,
                       enum weft__multipart_event event)
{
    switch (event) {
    case WEFT__MULTIPART_PART:
        begin_part(r, parser);
        return true;
    case WEFT__MULTIPART_DATA:
        MUST(parser->data.len > 0);
        add(&r->text, &r->len, parser->data.data, parser->data.len);
        add_again(r, parser->data.data, parser->data.len);
        return true;
    case WEFT__MULTIPART_END:
        end_part(r);
        return true;
    case WEFT__MULTIPART_ERROR:
        add_text(r, parser->reason);
        return false;
    case WEFT__MULTIPART_MORE:
    default:
        return false;
    }
}

static struct reading read_in_pieces(const char *input, size_t len, size_t piece)
{
    struct weft__http_multipart parser;
    struct reading r = {0};
    enum weft__multipart_event event = WEFT__MULTIPART_MORE;
    MUST(weft__http_multipart_init(&parser, "multipart/form-data; boundary=B"));
    add_text(&r, "");
    for (size_t at = 0; at < len && event != WEFT__MULTIPART_ERROR; at += piece) {
        size_t size = len - at < piece ? len - at : piece, used, done = 0;
        char *copy = malloc(size); /* of just that size, for AddressSanitizer */
        MUST(copy);
        memcpy(copy, input + at, size);
        do {
            event = weft__http_multipart_feed(&parser, copy + done, size - done, &used);
            done += used;
            MUST(done <= size);
        } while (take_event(&r, &parser, event));
        MUST(event == WEFT__MULTIPART_ERROR || done == size);
        free(copy);
    }
    r.whole = weft__http_multipart_is_whole(&parser);
    MUST(!r.whole || event != WEFT__MULTIPART_ERROR);
    add_text(&r, r.whole ? "whole" : "not whole");
    return r;
}

static void end_reading(struct reading *r)
{
    free(r->text);
    free(r->again);
}

static void must_be_same(const struct reading *a, const struct reading *b)
{
    MUST(a->len == b->len && memcmp(a->text, b->text, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[] = {1, 2, 5, 7, 100};
    const char *input = (const char *)data;
    struct reading whole = read_in_pieces(input, size, size + 1);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct reading cut = read_in_pieces(input, size, pieces[i]);
        must_be_same(&whole, &cut);
        end_reading(&cut);
    }
    if (whole.whole) {
        add_again(&whole, "--B--", 5);
        struct reading again = read_in_pieces(whole.again, whole.again_len, whole.again_len);
        must_be_same(&whole, &again);
        end_reading(&again);
    }
    end_reading(&whole);
    return 0;
}
