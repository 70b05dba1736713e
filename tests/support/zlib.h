/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_ZLIB_H
#define WEFT_TESTS_ZLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/http_server.h>

/*
 * Compressed answers: handlers that send a text, and a client that reads what it gets.
 *
 * GET /whole?n=&type=&add=   n bytes in one piece; `add` is a header, "ETag: "x""; type=none: it
 *                            has none
 * GET /pieces?n=&by=&say=    n bytes in pieces of `by`; with say=yes the length is promised, with say=less
 *                            one too few, with say=more one too many; &drain=no: it never drains
 * GET /little                four pieces of five bytes, 1 s apart; never drains
 */
void test_zlib_handlers(weft_http_server *server);

/* The same with a server of its own that compresses. */
weft_http_server *test_zlib_begin(void);

/* The first bytes of a text that shrinks, but not to nothing. */
const char *test_zlib_text(size_t len);

struct test_answer {
    int status;
    char *head;
    char *body; /* chunks joined, decompressed */
    size_t len; /* of the body */
    size_t raw; /* of what came behind the head */
    bool whole; /* its end came, by whatever tells it, and of the coding */
};

/* "GET /x" and more lines of a head, on a connection of its own. */
struct test_answer test_zlib_ask(const char *line, const char *headers);

/* What was received so far. */
struct test_answer test_zlib_read(const char *received, size_t len);

/* The value of a header; "" if there is none. Static. */
const char *test_zlib_header(const struct test_answer *answer, const char *name);

/* The body is the first n bytes of the text, the coding (NULL: none) this one, and all of it came. */
void test_zlib_expect(const struct test_answer *answer, const char *coding, size_t n);

void test_zlib_free(struct test_answer *answer);

#endif
