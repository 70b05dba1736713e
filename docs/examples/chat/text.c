/* SPDX-License-Identifier: MIT */
/* Texts that grow, JSON's strings, and what may be a name. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chat.h"

static bool reserve(struct text *text, size_t more)
{
    if (text->failed || text->room - text->len >= more)
        return !text->failed;
    size_t room = text->room ? text->room : 128;
    while (room - text->len < more)
        room *= 2;
    char *data = realloc(text->data, room);
    text->failed = !data;
    if (!data)
        return false;
    text->data = data;
    text->room = room;
    return true;
}

void text_add(struct text *text, const void *data, size_t len)
{
    if (!len || !reserve(text, len))
        return;
    memcpy(text->data + text->len, data, len);
    text->len += len;
}

void text_addf(struct text *text, const char *format, ...)
{
    char some[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(some, sizeof(some), format, args);
    va_end(args);
    text->failed = text->failed || len < 0 || (size_t)len >= sizeof(some);
    if (!text->failed)
        text_add(text, some, (size_t)len);
}

void text_add_string(struct text *text, const char *string, size_t len)
{
    text_add(text, "\"", 1);
    for (size_t plain = 0, at = 0; at <= len; at++) {
        unsigned char byte = at < len ? (unsigned char)string[at] : 0;
        if (byte >= ' ' && byte != '"' && byte != '\\')
            continue;
        text_add(text, string + plain, at - plain);
        plain = at + 1;
        if (at == len)
            break;
        if (byte < ' ')
            text_addf(text, "\\u%04x", byte);
        else
            text_addf(text, "\\%c", byte);
    }
    text_add(text, "\"", 1);
}

/* ---- Names ---- */

/* The next character of UTF-8, of *ret_len bytes; -1: there is none. */
static int32_t next_character(const char *text, size_t *ret_len)
{
    const unsigned char *at = (const unsigned char *)text;
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = *at < 0x80 ? 1 : *at < 0xC0 ? 0 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;
    if (len == 0 || *at > 0xF4)
        return -1;
    int32_t character = len == 1 ? *at : *at & (0x7F >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return -1;
        character = character << 6 | (at[i] & 0x3F);
    }
    bool good = character >= least[len] && character <= 0x10FFFF &&
                (character < 0xD800 || character > 0xDFFF);
    *ret_len = len;
    return good ? character : -1;
}

/* Controls, and what turns the direction of writing or cannot be seen: names must look as they are. */
static bool is_plain(int32_t character)
{
    static const int32_t others[][2] = {{0, 0x1F},          {0x7F, 0x9F},       {0xAD, 0xAD},
                                        {0x34F, 0x34F},     {0x61C, 0x61C},     {0x115F, 0x1160},
                                        {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x200B, 0x200F},
                                        {0x2028, 0x202E},   {0x2060, 0x206F},   {0x3164, 0x3164},
                                        {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},
                                        {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (character >= others[i][0] && character <= others[i][1])
            return false;
    return true;
}

bool text_name(const char *from, char ret[NAME_SIZE])
{
    from += from ? strspn(from, " ") : 0;
    size_t len = from ? strlen(from) : 0;
    while (len && from[len - 1] == ' ')
        len--;
    size_t characters = 0;
    for (size_t at = 0, size; at < len; at += size, characters++) {
        int32_t character = next_character(from + at, &size);
        if (character < 0 || !is_plain(character) || characters == MOST_CHARACTERS)
            return false;
    }
    if (!len)
        return false;
    memcpy(ret, from, len);
    ret[len] = '\0';
    return true;
}

bool text_is_blank(const char *data, size_t len)
{
    while (len && strchr(" \t\r\n", data[len - 1]) && data[len - 1])
        len--;
    return len == 0;
}

int64_t text_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
