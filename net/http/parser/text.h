/* SPDX-License-Identifier: MIT */
#ifndef WEFT_NET_HTTP_TEXT_H
#define WEFT_NET_HTTP_TEXT_H

/*
 * The text of HTTP: character classes, token lists, percent escapes, query strings, status phrases.
 *
 * Pure functions on slices, no allocation, no state, no locale. A slice is not NUL-terminated
 * unless its owner says so. Everything here may be called on any thread.
 */

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** A piece of somebody else's bytes. `data` may be NULL only if `len` is 0. */
struct weft__http_slice {
    const char *data;
    size_t len;
};

/** Methods are case-sensitive: "get" is OTHER. CONNECT is not served, so it is OTHER too. */
enum weft__http_method {
    WEFT__HTTP_METHOD_OTHER, /* well-formed but not in this list; see the text */
    WEFT__HTTP_METHOD_GET,
    WEFT__HTTP_METHOD_HEAD,
    WEFT__HTTP_METHOD_POST,
    WEFT__HTTP_METHOD_PUT,
    WEFT__HTTP_METHOD_DELETE,
    WEFT__HTTP_METHOD_OPTIONS,
    WEFT__HTTP_METHOD_PATCH,
    WEFT__HTTP_METHOD_TRACE
};

/** Both texts are NUL-terminated, hold no NUL, and the value is trimmed. */
struct weft__http_header {
    const char *name;
    const char *value;
    uint32_t name_len;
    uint32_t value_len;
};

/** Where a request target points; slices of it. */
struct weft__http_target {
    struct weft__http_slice path;  /* begins with '/' */
    struct weft__http_slice query; /* without '?'; data == NULL if there was no '?' */
    struct weft__http_slice host;  /* host[:port]; data == NULL in the origin form */
};

/** What a byte may be part of; a byte has several classes. */
enum {
    WEFT__HTTP_TCHAR = 1, /* token: methods, header names, codings */
    WEFT__HTTP_HEX = 2,
    WEFT__HTTP_HOST = 4,  /* registered name: unreserved and sub-delims (no '%') */
    WEFT__HTTP_PATH = 8,  /* path as browsers send it: pchar, '/', and [ ] | ^ (no '%') */
    WEFT__HTTP_QUERY = 16 /* query as browsers send it: PATH, '?', and { } ` \ (no '%') */
};

extern const uint8_t weft__http_class[256];

static inline bool weft__http_is(char c, int class_bits)
{
    return (weft__http_class[(unsigned char)c] & class_bits) != 0;
}

/** Below a space, or DEL. */
static inline bool weft__http_is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/**
 * Which of eight bytes are control characters: of the first one the top bit is set, of none before it.
 * (What is subtracted may borrow from the bytes behind.)
 */
static inline uint64_t weft__http_controls(const char *eight)
{
    const uint64_t ones = UINT64_MAX / 255;
    const uint64_t tops = ones * 0x80;
    uint64_t word;
    memcpy(&word, eight, sizeof word);
    word = le64toh(word);
    uint64_t below_space = (word - ones * 0x20) & ~word;
    uint64_t del = word ^ (ones * 0x7f);
    return (below_space | ((del - ones) & ~del)) & tops;
}

/**
 * Is there a control character that is no tab?
 *
 * Thread: any. Ownership: borrows. Errors: none.
 */
bool weft__http_has_control(const char *text, size_t len);

/**
 * Is the whole text a token, such as a method or a header's name?
 *
 * Thread: any. Ownership: borrows. Errors: none.
 */
bool weft__http_is_token(const char *text);

/**
 * Are the two texts equal, ASCII letters compared without case?
 *
 * Thread:    any.
 * Ownership: borrows both.
 * Errors:    none.
 */
bool weft__http_equal(struct weft__http_slice a, const char *b, size_t b_len);

/**
 * Is `token` an element of the comma-separated list `list` (as in `Connection: close, te`)?
 *
 * Elements are trimmed of spaces and tabs and compared without case; empty ones are skipped. Quoted
 * strings are not understood: not for lists whose elements may hold a comma.
 *
 * Thread:    any.
 * Ownership: borrows.
 * Errors:    none.
 */
bool weft__http_list_has(struct weft__http_slice list, const char *token);

/**
 * Take the next element off a comma-separated list; false at its end. The element is trimmed and
 * may be empty: "a,,b" has three, "" has one.
 *
 * `list` is advanced; when the last element was taken its `data` is NULL.
 *
 * Thread:    any.
 * Ownership: the element points into the list.
 * Errors:    none.
 */
bool weft__http_list_next(struct weft__http_slice *list, struct weft__http_slice *ret);

/**
 * Skip bytes that are of the class or part of a sound escape ("%" and two hex digits, but not
 * "%00"); returns the first other byte, or `end`.
 *
 * Thread: any. Ownership: borrows. Errors: none.
 */
const char *weft__http_skip_escaped(const char *at, const char *end, int class_bits);

/**
 * Is this `host` or `host:port`? A name (not empty, escapes allowed) or an IPv6 address in
 * brackets; a port of at most 65535, which may be empty as in "a:" (RFC 3986). No user, no IPv6
 * zone.
 *
 * Thread: any. Ownership: borrows. Errors: none.
 */
bool weft__http_is_authority(struct weft__http_slice text);

/**
 * Take a request target of the origin form ("/path?query") or of the absolute form
 * ("http://host:port/path?query", also https) apart; false if it is neither or malformed. A missing
 * path of the absolute form is "/" (static text).
 *
 * Thread: any. Ownership: borrows; `ret` points into the text. Errors: false, `ret` undefined.
 */
bool weft__http_split_target(struct weft__http_slice text, struct weft__http_target *ret);

/**
 * Which method has this name, letter for letter?
 *
 * Thread: any. Ownership: borrows. Errors: WEFT__HTTP_METHOD_OTHER.
 */
enum weft__http_method weft__http_method_id(const char *name);

/**
 * The first of `count` header fields that has this name (compared without case), or NULL.
 *
 * Thread: any. Ownership: borrows. Errors: NULL.
 */
const struct weft__http_header *weft__http_find(const struct weft__http_header *headers,
                                                size_t count, const char *name);

/**
 * May a field of this name be a trailer? Not what frames or routes the message, authenticates, or
 * should have been known before the body was read (RFC 9110, 6.5.1).
 *
 * Thread: any. Ownership: borrows. Errors: none.
 */
bool weft__http_may_be_trailer(struct weft__http_slice name);

/**
 * The value of a hexadecimal digit, or -1.
 *
 * Thread: any. Ownership: none. Errors: -1.
 */
int weft__http_hex_value(char c);

/**
 * Decode `%XX` escapes of a path (a '+' stays a '+') into `buf`, with a NUL behind it.
 *
 * The result is bytes: not checked to be UTF-8, and an escaped slash ("%2F") has become a slash, so
 * split a path at its slashes before decoding where the difference matters. Nothing is said about
 * "..": whoever opens files must.
 *
 * Thread:    any.
 * Ownership: `buf` is the caller's; it may be the very bytes of `text` (decoding in place) if one
 *            more byte is writable behind them. `cap` > text.len always suffices.
 * Errors:    -EINVAL: a '%' without two hex digits, or a zero byte, escaped or not. -ENOSPC: `cap`
 *            is too small. `ret_len` (may be NULL) is untouched then.
 */
int weft__http_decode_path(struct weft__http_slice text, char *buf, size_t cap, size_t *ret_len);

/**
 * As weft__http_decode_path, by the rules of HTML forms: a '+' is a space.
 *
 * Thread, Ownership, Errors: as there.
 */
int weft__http_decode_form(struct weft__http_slice text, char *buf, size_t cap, size_t *ret_len);

/**
 * Take the next `name=value` off a query string (without its '?'); false at its end.
 *
 * Both come as they were sent, to be decoded with weft__http_decode_form. Empty pieces ("a&&b") are
 * skipped; a name without '=' has an empty value whose `data` is NULL.
 *
 * Thread:    any.
 * Ownership: the slices point into the query, which is advanced.
 * Errors:    none.
 */
bool weft__http_query_next(struct weft__http_slice *query, struct weft__http_slice *ret_name,
                           struct weft__http_slice *ret_value);

/**
 * Find the first parameter whose decoded name is `name` and decode its value into `buf`, with a NUL
 * behind it.
 *
 * Thread:    any.
 * Ownership: `buf` is the caller's.
 * Errors:    -ENOENT: no such parameter. -EINVAL, -ENOSPC: as weft__http_decode_form.
 */
int weft__http_query_get(struct weft__http_slice query, const char *name, char *buf, size_t cap,
                         size_t *ret_len);

/**
 * The reason phrase of a status ("Not Found"), for status lines; "Unknown" for one not in the list.
 *
 * Thread: any. Ownership: static text. Errors: none.
 */
const char *weft__http_status_text(int status);

#endif
