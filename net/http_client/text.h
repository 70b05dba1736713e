/* SPDX-License-Identifier: MIT */
/* Small helpers for texts and memory. */
#ifndef WEFT_NET_HTTP_CLIENT_TEXT_H
#define WEFT_NET_HTTP_CLIENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/companion.h"

/** Zeroed; NULL: out of memory. */
static inline void *weft__client_alloc(size_t size)
{
    void *block = weft__companion_malloc(size);
    return block ? memset(block, 0, size) : NULL;
}

/** NULL: out of memory, or `text` is NULL. */
static inline char *weft__client_strdup(const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = text ? weft__companion_malloc(size) : NULL;
    return copy ? memcpy(copy, text, size) : NULL;
}

/** The letters of ASCII, whatever the locale. */
static inline char weft__client_lower_char(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline void weft__client_lower(char *text)
{
    for (; *text; text++)
        *text = weft__client_lower_char(*text);
}

/** Compare the first `len` bytes without case. */
static inline bool weft__client_equals(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (weft__client_lower_char(a[i]) != weft__client_lower_char(b[i]) || !a[i])
            return false;
    return true;
}

/** Is `word` one of the words in `words`, which are separated by one space? */
static inline bool weft__client_has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, word, len) == 0 && (at[len] == ' ' || !at[len]))
            return true;
    }
    return false;
}

#endif
