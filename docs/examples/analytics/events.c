/* SPDX-License-Identifier: MIT */
/*
 * A line is an event, in one of two forms:
 *
 *     latency:12.5|ms|#host:web1,route:/login|T1767225600      as of statsd's clients
 *     {"name": "latency", "value": 12.5, "host": "web1", "route": "/login", "time": 1767225600}
 *
 * The first is NAME:VALUE, then, each behind a "|", a type (c, g, h, d, ms: all the same here), tags behind
 * "#", the time in seconds behind "T". The second is a flat object of JSON: "name", "value" (1 if it is not
 * there), "time"; whatever else is a tag, and its value a text.
 *
 * A name, the key and the value of a tag have 1 to 64 bytes, without controls and any of  : | , # " \  ; the
 * value of a tag may have ":". A tag is kept as "key:value".
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analytics.h"

enum { LONGEST_NUMBER = 40 };
#define MOST_VALUE 1e100

/* What is left to be read. */
struct reader {
    const char *at, *end;
};

bool next_line(const char *data, size_t len, size_t *at, const char **ret_line, size_t *ret_len)
{
    if (*at >= len)
        return false;
    const char *line = data + *at, *end = memchr(line, '\n', len - *at);
    size_t size = end ? (size_t)(end - line) : len - *at;
    *at += size + 1;
    *ret_line = line;
    *ret_len = size && line[size - 1] == '\r' ? size - 1 : size;
    return true;
}

/* strchr() of a few characters is a call more for each byte of a line. */
static inline bool is_one_of(char c, const char *list)
{
    while (*list && *list != c)
        list++;
    return *list;
}

/* ---- Texts ---- */

/* How many bytes the character at the beginning has; 0: it is none of UTF-8. */
static size_t character(const unsigned char *text, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = *text < 0x80 ? 1 : *text < 0xc0 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
    if (!size || size > len || *text > 0xf4)
        return 0;
    uint32_t code = size == 1 ? *text : *text & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    return code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}

/* A character of UTF-8. Those from U+0080 to U+009F are controls, too. */
static bool is_control(const unsigned char *text)
{
    return *text < ' ' || *text == 0x7f || (*text == 0xc2 && text[1] < 0xa0);
}

/* Is this a name, or a part of a tag? `but`: this character is fine as well. */
static bool is_text(const char *text, size_t len, char but)
{
    if (!len || len > MOST_NAME)
        return false;
    for (size_t i = 0, size; i < len; i += size) {
        size = character((const unsigned char *)text + i, len - i);
        if (!size || is_control((const unsigned char *)text + i))
            return false;
        if (text[i] != but && is_one_of(text[i], ":|,#\"\\"))
            return false;
    }
    return true;
}

bool is_name(const char *text)
{
    return is_text(text, strlen(text), '\0');
}

static const char *set_name(struct event *event, const char *name, size_t len)
{
    if (!is_text(name, len, '\0'))
        return "a name has 1 to 64 bytes of UTF-8, without controls and : | , # \" \\";
    memcpy(event->name, name, len);
    event->name[len] = '\0';
    return NULL;
}

static const char *add_tag(struct event *event, const char *key, size_t key_len, const char *value,
                           size_t value_len)
{
    if (event->tag_count == MOST_TAGS)
        return "more than 8 tags";
    if (!is_text(key, key_len, '\0') || !is_text(value, value_len, ':'))
        return "a tag's key and value have 1 to 64 bytes of UTF-8, without controls and : | , # \" "
               "\\";
    char *tag = event->tags[event->tag_count];
    memcpy(tag, key, key_len);
    tag[key_len] = ':';
    memcpy(tag + key_len + 1, value, value_len);
    tag[key_len + 1 + value_len] = '\0';
    for (size_t i = 0; i < event->tag_count; i++)
        if (strncmp(event->tags[i], tag, key_len + 1) == 0)
            return "a tag is there twice";
    event->tag_count++;
    return NULL;
}

/* ---- Numbers, as JSON has them ---- */

static size_t digits(const char *at, const char *end)
{
    const char *begin = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - begin);
}

/* How long the number is that is there; 0: there is none. */
static size_t number_length(const char *begin, const char *end)
{
    const char *at = begin + (begin < end && *begin == '-');
    size_t whole = digits(at, end);
    if (!whole || (whole > 1 && *at == '0'))
        return 0;
    at += whole;
    if (at < end && *at == '.') {
        size_t fraction = digits(at + 1, end);
        if (!fraction)
            return 0;
        at += 1 + fraction;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '-' || *at == '+');
        size_t exponent = digits(at, end);
        if (!exponent)
            return 0;
        at += exponent;
    }
    return (size_t)(at - begin);
}

static const char *read_number(struct reader *reader, double *ret)
{
    char text[LONGEST_NUMBER + 1];
    size_t len = number_length(reader->at, reader->end);
    if (!len || len > LONGEST_NUMBER)
        return "not a number";
    memcpy(text, reader->at, len);
    text[len] = '\0';
    *ret = strtod(text, NULL);
    reader->at += len;
    return fabs(*ret) <= MOST_VALUE ? NULL : "a number beyond 1e100";
}

static const char *set_time(struct event *event, double time)
{
    if (time < 0 || time > 1e11)
        return "a time is in seconds since 1970";
    event->time = (int64_t)time;
    return NULL;
}

/* ---- Lines as of statsd ---- */

/* Up to one of these characters, or the end. */
static size_t until(const struct reader *reader, const char *ends)
{
    const char *at = reader->at;
    while (at < reader->end && !is_one_of(*at, ends))
        at++;
    return (size_t)(at - reader->at);
}

static bool is_type(const char *text, size_t len)
{
    return len == 2 ? memcmp(text, "ms", 2) == 0 : len == 1 && is_one_of(*text, "cghd");
}

static const char *read_tags(struct reader *reader, struct event *ret)
{
    do {
        reader->at++; /* "#" or "," */
        const char *key = reader->at;
        size_t key_len = until(reader, ":,|");
        reader->at += key_len;
        if (reader->at == reader->end || *reader->at != ':')
            return "a tag is KEY:VALUE";
        reader->at++;
        size_t len = until(reader, ",|");
        const char *wrong = add_tag(ret, key, key_len, reader->at, len);
        if (wrong)
            return wrong;
        reader->at += len;
    } while (reader->at < reader->end && *reader->at == ',');
    return NULL;
}

static const char *read_section(struct reader *reader, struct event *ret)
{
    double time;
    if (reader->at < reader->end && *reader->at == '#')
        return ret->tag_count ? "tags are there twice" : read_tags(reader, ret);
    if (reader->at < reader->end && *reader->at == 'T') {
        reader->at++;
        const char *wrong = read_number(reader, &time);
        return wrong ? wrong : set_time(ret, time);
    }
    size_t len = until(reader, "|");
    if (len && *reader->at == '@')
        return "sampled events are not taken";
    if (!is_type(reader->at, len))
        return "behind \"|\" comes a type (c, g, h, d, ms), #TAGS or TSECONDS";
    reader->at += len;
    return NULL;
}

static const char *read_statsd(struct reader *reader, struct event *ret)
{
    size_t len = until(reader, ":");
    const char *wrong = set_name(ret, reader->at, len);
    reader->at += len;
    if (!wrong && reader->at++ == reader->end)
        wrong = "a line is NAME:VALUE, or an object of JSON";
    if (!wrong)
        wrong = read_number(reader, &ret->value);
    while (!wrong && reader->at < reader->end) {
        if (*reader->at++ != '|')
            return "what comes behind the value begins with \"|\"";
        wrong = read_section(reader, ret);
    }
    return wrong;
}

/* ---- JSON ---- */

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
        reader->at++;
}

static bool take(struct reader *reader, char c)
{
    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

/* The four digits of an escape; -1: they are not there. */
static int read_hex(struct reader *reader)
{
    int code = 0;
    if (reader->end - reader->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char *hex = "0123456789abcdef", *found;
        char c = *reader->at++;
        found = c ? strchr(hex, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
        if (!found)
            return -1;
        code = code * 16 + (int)(found - hex);
    }
    return code;
}

static size_t write_utf8(uint32_t code, char *to)
{
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(size == 1 ? code : code | (0xf00u >> size & 0xff));
    return size;
}

/* What is behind a backslash, as UTF-8; 0: it is none. */
static size_t read_escape(struct reader *reader, char to[4])
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    char c = reader->at < reader->end ? *reader->at++ : '\0';
    for (const char *at = escapes; c != 'u' && *at; at += 2) {
        if (*at == c) {
            *to = at[1];
            return 1;
        }
    }
    int code = c == 'u' ? read_hex(reader) : -1, low;
    if (code < 0 || (code >= 0xdc00 && code < 0xe000))
        return 0;
    if (code < 0xd800 || code >= 0xe000)
        return write_utf8((uint32_t)code, to);
    if (reader->end - reader->at < 2 || memcmp(reader->at, "\\u", 2) != 0)
        return 0;
    reader->at += 2;
    low = read_hex(reader);
    if (low < 0xdc00 || low >= 0xe000)
        return 0;
    return write_utf8(0x10000u + (((uint32_t)code & 0x3ff) << 10 | ((uint32_t)low & 0x3ff)), to);
}

/* Longer ones are refused by who uses them: what does not fit is not kept, but counted. */
static const char *read_string(struct reader *reader, char ret[MOST_NAME + 1], size_t *ret_len)
{
    *ret_len = 0;
    if (!take(reader, '"'))
        return "a string was expected";
    while (reader->at < reader->end && *reader->at != '"') {
        char bytes[4] = {*reader->at++};
        size_t size = 1;
        if ((unsigned char)bytes[0] < ' ')
            return "a control character in a string";
        if (bytes[0] == '\\')
            size = read_escape(reader, bytes);
        if (!size)
            return "no such escape";
        for (size_t i = 0; i < size; i++, (*ret_len)++)
            if (*ret_len < MOST_NAME)
                ret[*ret_len] = bytes[i];
    }
    return take(reader, '"') ? NULL : "a string does not end";
}

/* Which members were there. */
struct members {
    bool name, value, time;
};

static const char *read_member(struct reader *reader, struct members *seen, struct event *ret)
{
    char key[MOST_NAME + 1], text[MOST_NAME + 1];
    size_t key_len, len;
    double number = 0;
    const char *wrong = read_string(reader, key, &key_len);
    if (!wrong && !take(reader, ':'))
        wrong = "a \":\" was expected";
    if (wrong)
        return wrong;
    bool is_time = key_len == 4 && memcmp(key, "time", 4) == 0;
    bool is_value = key_len == 5 && memcmp(key, "value", 5) == 0;
    bool is_the_name = key_len == 4 && memcmp(key, "name", 4) == 0;
    bool *twice = is_time       ? &seen->time
                  : is_value    ? &seen->value
                  : is_the_name ? &seen->name
                                : NULL;
    if (twice && *twice)
        return "a member is there twice";
    if (twice)
        *twice = true;
    skip_blanks(reader);
    if (is_time || is_value)
        wrong = read_number(reader, is_value ? &ret->value : &number);
    else
        wrong = read_string(reader, text, &len);
    if (wrong)
        return wrong;
    if (is_time)
        return set_time(ret, number);
    if (is_value)
        return NULL;
    return is_the_name ? set_name(ret, text, len) : add_tag(ret, key, key_len, text, len);
}

static const char *read_json(struct reader *reader, struct event *ret)
{
    struct members seen = {0};
    const char *wrong = NULL;
    ret->value = 1;
    reader->at++; /* "{" */
    if (!take(reader, '}')) {
        do
            wrong = read_member(reader, &seen, ret);
        while (!wrong && take(reader, ','));
        if (!wrong && !take(reader, '}'))
            wrong = "\",\" or \"}\" was expected";
    }
    if (wrong)
        return wrong;
    skip_blanks(reader);
    if (reader->at != reader->end)
        return "something behind the object";
    return seen.name ? NULL : "there is no \"name\"";
}

const char *event_parse(const char *line, size_t len, struct event *ret)
{
    struct reader reader = {line, line + len};
    ret->tag_count = 0;
    ret->time = NO_TIME;
    return len && *line == '{' ? read_json(&reader, ret) : read_statsd(&reader, ret);
}
