/* SPDX-License-Identifier: MIT */
/* Text that grows, and JSON. See core/inspect/json.h. */
#include "core/inspect/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

enum { FIRST_ROOM = 256 };

/* ---- Text ---- */

/* Room for `len` more, and a NUL. */
static bool make_room(struct weft__text *text, size_t len)
{
    if (text->status < 0)
        return false;
    if (text->most && len > text->most - text->len) {
        text->status = -EMSGSIZE;
        return false;
    }
    size_t wanted = text->len + len + 1, room = text->room ? text->room : FIRST_ROOM;
    if (wanted <= text->room)
        return true;
    while (room < wanted)
        room *= 2;
    char *data = weft__realloc(text->data, room);
    if (!data) {
        text->status = -ENOMEM;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

void weft__text_add_bytes(struct weft__text *text, const void *bytes, size_t len)
{
    if (!make_room(text, len))
        return;
    memcpy(text->data + text->len, bytes, len);
    text->len += len;
    text->data[text->len] = '\0';
}

/* As a rule it fits at once. */
void weft__text_vadd(struct weft__text *text, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t left = text->status < 0 ? 0 : text->room - text->len;
    int len = vsnprintf(left ? text->data + text->len : NULL, left, format, args);
    bool has_room = len >= 0 && make_room(text, (size_t)len);
    if (has_room && (size_t)len >= left)
        vsnprintf(text->data + text->len, (size_t)len + 1, format, again);
    if (has_room)
        text->len += (size_t)len;
    else if (left)
        text->data[text->len] = '\0';
    va_end(again);
}

void weft__text_add(struct weft__text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    weft__text_vadd(text, format, args);
    va_end(args);
}

void weft__text_fini(struct weft__text *text)
{
    weft__free(text->data);
    *text = (struct weft__text){0};
}

/* ---- JSON ---- */

size_t weft__utf8_len(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    size_t len = byte[0] < 0x80 ? 1 : byte[0] < 0xC2 ? 0 : byte[0] < 0xE0 ? 2 : 3;
    if (byte[0] >= 0xF0)
        len = byte[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < len; i++)
        if ((byte[i] & 0xC0) != 0x80)
            return 0;
    bool is_too_long = (byte[0] == 0xE0 && byte[1] < 0xA0) || (byte[0] == 0xF0 && byte[1] < 0x90);
    bool is_no_character =
        (byte[0] == 0xED && byte[1] >= 0xA0) || (byte[0] == 0xF4 && byte[1] >= 0x90);
    return is_too_long || is_no_character ? 0 : len;
}

/* U+0080 to U+009F: JSON allows them as they are, and a terminal takes them for commands. */
static bool is_control(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    return byte[0] == 0xC2 && byte[1] < 0xA0;
}

static void add_quoted(struct weft__text *text, const char *value)
{
    weft__text_add_bytes(text, "\"", 1);
    while (*value) {
        size_t plain = 0;
        while (value[plain] >= ' ' && value[plain] < 127 && value[plain] != '"' &&
               value[plain] != '\\')
            plain++;
        weft__text_add_bytes(text, value, plain);
        value += plain;
        if (!*value)
            break;
        size_t len = weft__utf8_len(value);
        if (*value == '"' || *value == '\\')
            weft__text_add(text, "\\%c", *value);
        else if (len == 1)
            weft__text_add(text, "\\u%04x", (unsigned)*value);
        else if (len == 2 && is_control(value))
            weft__text_add(text, "\\u%04x", (unsigned)(unsigned char)value[1]);
        else if (len > 1)
            weft__text_add_bytes(text, value, len);
        else
            weft__text_add_bytes(text, "\\ufffd", 6);
        value += len ? len : 1;
    }
    weft__text_add_bytes(text, "\"", 1);
}

/* The comma before the next value, and its key. */
static void begin(struct weft__text *text, const char *key)
{
    char last = text->len ? text->data[text->len - 1] : '[';
    if (last != '[' && last != '{' && last != '\n')
        weft__text_add_bytes(text, ",", 1);
    if (!key)
        return;
    add_quoted(text, key);
    weft__text_add_bytes(text, ":", 1);
}

void weft__json_open(struct weft__text *text, const char *key, char bracket)
{
    begin(text, key);
    weft__text_add_bytes(text, &bracket, 1);
}

void weft__json_close(struct weft__text *text, char bracket)
{
    weft__text_add_bytes(text, &bracket, 1);
}

void weft__json_string(struct weft__text *text, const char *key, const char *value)
{
    begin(text, key);
    if (value)
        add_quoted(text, value);
    else
        weft__text_add_bytes(text, "null", 4);
}

void weft__json_int(struct weft__text *text, const char *key, int64_t value)
{
    begin(text, key);
    weft__text_add(text, "%lld", (long long)value);
}

void weft__json_uint(struct weft__text *text, const char *key, uint64_t value)
{
    begin(text, key);
    weft__text_add(text, "%llu", (unsigned long long)value);
}

void weft__json_bool(struct weft__text *text, const char *key, bool value)
{
    begin(text, key);
    weft__text_add(text, "%s", value ? "true" : "false");
}

void weft__json_raw(struct weft__text *text, const char *key, const char *json)
{
    begin(text, key);
    weft__text_add_bytes(text, json, strlen(json));
}
