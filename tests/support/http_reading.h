/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_HTTP_READING_H
#define WEFT_TESTS_HTTP_READING_H

/*
 * Messages for the HTTP request parser, and the transcripts that reading them must give: the
 * request, its fields, its body, the end or the refusal, and how many bytes were not used.
 */
#include "net/http/parser/parser.h"

struct message {
    const char *data;
    size_t len;
};

#define MESSAGE(literal)               \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

/* Read in three pieces, cut at `one` and `two`. The transcript is to be freed. */
char *read_cut(struct message message, const struct weft__http_limits *limits, size_t one,
               size_t two);

char *read_bytewise(struct message message, const struct weft__http_limits *limits);

/*
 * Read whole, byte by byte, cut at each place, and (short ones) cut at each two places; fails the
 * test unless all give the same transcript, which is to be freed.
 */
char *read_every_way(struct message message, const struct weft__http_limits *limits);

/* Read in every way; fails the test unless the transcript is the expected one. */
void must_read(struct message message, const struct weft__http_limits *limits,
               const char *expected);

/* Read in every way; fails the test unless it ends with a refusal with that status. */
void must_refuse(struct message message, const struct weft__http_limits *limits, int status);

#endif
