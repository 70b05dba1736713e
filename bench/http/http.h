/* SPDX-License-Identifier: MIT */
/*
 * The least of HTTP/1.1, for the servers that have none of their own: finds requests without a body
 * in what arrived, and answers always the same. It checks nothing and reads no header, so what it
 * reaches is a limit for servers that do.
 *
 * C and C++.
 */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "../common/server.h"

#define HTTP_BODY "Hello, World!"
#define HTTP_ANSWER \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n" HTTP_BODY

enum { HTTP_ANSWER_LEN = sizeof(HTTP_ANSWER) - 1, HTTP_BODY_LEN = sizeof(HTTP_BODY) - 1 };

/* Is it /slow, that is asked for? */
static inline bool http_path_is_slow(const char *path)
{
    return path[0] == '/' && path[1] == 's';
}

/* What /slow does: it blocks for 10 ms. */
static inline void http_block(void)
{
    struct timespec length;
    length.tv_sec = 0;
    length.tv_nsec = 10 * 1000 * 1000;
    nanosleep(&length, NULL);
}

/* What a connection received and has not used. */
struct http_input {
    size_t len;
    char data[4096];
};

/* How long the request at `offset` is; 0: it is not complete. */
static inline size_t http_request_at(const struct http_input *in, size_t offset, bool *ret_is_slow)
{
    const char *request = in->data + offset;
    const char *end = (const char *)memmem(request, in->len - offset, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *ret_is_slow = http_path_is_slow(request + 4);
    return (size_t)(end - request) + 4;
}

static inline void http_consume(struct http_input *in, size_t len)
{
    in->len -= len;
    memmove(in->data, in->data + len, in->len);
}

#endif
