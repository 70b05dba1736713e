/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

enum { KEPT = 64 * 1024 };

bool text_reserve(struct text *text, size_t len)
{
    size_t room = text->room ? text->room : 256;
    while (room - text->len < len)
        room *= 2;
    char *data = room == text->room ? text->data : realloc(text->data, room);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

void text_add(struct text *text, const void *data, size_t len)
{
    if (text->failed || !text_reserve(text, len))
        return;
    if (len)
        memcpy(text->data + text->len, data, len);
    text->len += len;
}

void text_addf(struct text *text, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    text_add(text, line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

void text_clear(struct text *text)
{
    text->len = 0;
    text->failed = false;
    if (text->room > KEPT)
        text_fini(text);
}

void text_fini(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}
