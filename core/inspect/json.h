/* SPDX-License-Identifier: MIT */
/*
 * Text that grows, and JSON written into it. Out of memory, or past `most` bytes, it stops growing and says so once, at
 * the end; nobody need look in between.
 */
#ifndef WEFT_CORE_INSPECT_JSON_H
#define WEFT_CORE_INSPECT_JSON_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/macros.h>

/** All zero: empty. */
struct weft__text {
    char *data; /* with a NUL behind it; NULL: nothing was written */
    size_t len, room;
    size_t most; /* 0: no limit */
    int status;  /* 0, -ENOMEM, or -EMSGSIZE */
};

/** Append; as vprintf(). */
void weft__text_add(struct weft__text *text, const char *format, ...) WEFT_PRINTF(2, 3);
void weft__text_vadd(struct weft__text *text, const char *format, va_list args) WEFT_PRINTF(2, 0);
void weft__text_add_bytes(struct weft__text *text, const void *bytes, size_t len);

/** Free what it holds; it is empty again. */
void weft__text_fini(struct weft__text *text);

/** The length of the character of UTF-8 at `at`; 0: there is none. */
size_t weft__utf8_len(const char *at);

/**
 * JSON, one value after the other; commas are put where they belong. In an object each has a key, in an
 * array `key` is NULL.
 *
 *     weft__json_open(text, NULL, '{');
 *     weft__json_string(text, "name", name);
 *     weft__json_open(text, "tasks", '[');
 *     weft__json_int(text, NULL, 42);
 *     weft__json_close(text, ']');
 *     weft__json_close(text, '}');
 */
void weft__json_open(struct weft__text *text, const char *key, char bracket);
void weft__json_close(struct weft__text *text, char bracket);

/** NULL is written as null; bytes that are no UTF-8 as U+FFFD. */
void weft__json_string(struct weft__text *text, const char *key, const char *value);
void weft__json_int(struct weft__text *text, const char *key, int64_t value);
void weft__json_uint(struct weft__text *text, const char *key, uint64_t value);
void weft__json_bool(struct weft__text *text, const char *key, bool value);

/** A value that is JSON already. */
void weft__json_raw(struct weft__text *text, const char *key, const char *json);

#endif
