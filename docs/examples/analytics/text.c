/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analytics.h"

static bool reserve(struct text *text, size_t len)
{
    size_t room = text->room ? text->room : 256;
    while (room - text->len <= len)
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
    if (text->failed || !reserve(text, len))
        return;
    if (len)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void text_addf(struct text *text, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    text_add(text, line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, "\"", 1);
    for (; *string; string++) {
        if (*string == '"' || *string == '\\')
            text_add(text, "\\", 1);
        if ((unsigned char)*string < ' ')
            text_addf(text, "\\u%04x", (unsigned)(unsigned char)*string);
        else
            text_add(text, string, 1);
    }
    text_add(text, "\"", 1);
}

void text_add_number(struct text *text, double number)
{
    char digits[32];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof(digits), "%.*g", precision, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    text_add(text, digits, strlen(digits));
}

void text_fini(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}
