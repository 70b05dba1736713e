/* SPDX-License-Identifier: MIT */
#include "tests/support/zlib.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weft/http_compress.h>
#include <zlib.h>

#include "tests/support/http.h"

enum { LONGEST = 3 << 20 };

const char *test_zlib_text(size_t len)
{
    static char text[LONGEST + 1];
    cr_assert_leq(len, (size_t)LONGEST);
    unsigned seed = 7;
    for (size_t at = 0; !text[0] || (at && at < LONGEST);) {
        static const char *const words[] = {"weft ", "warp ", "loom ", "shuttle ", "thread "};
        const char *word = words[(seed = seed * 1103515245 + 12345) >> 16 & 3];
        size_t size = strlen(word);
        if (seed >> 16 & 4) {
            memset(text + at, 'a' + (int)(seed >> 20 & 15), 1);
            size = 1;
        } else {
            memcpy(text + at, word, at + size < LONGEST ? size : LONGEST - at);
        }
        at += size;
    }
    return text;
}

/* ---- Handlers ---- */

static size_t number(const weft_http_request *request, const char *name, size_t otherwise)
{
    const char *said = weft_http_request_query(request, name);
    return said ? strtoul(said, NULL, 10) : otherwise;
}

static bool says(const weft_http_request *request, const char *name, const char *value)
{
    const char *said = weft_http_request_query(request, name);
    return said && strcmp(said, value) == 0;
}

static const char *type_of(const weft_http_request *request)
{
    const char *type = weft_http_request_query(request, "type");
    if (says(request, "type", "none"))
        return NULL;
    return type ? type : "text/plain; charset=utf-8";
}

static void add_header(weft_http_request *request)
{
    const char *add = weft_http_request_query(request, "add");
    char name[64];
    if (!add)
        return;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(add, ":"), add);
    cr_assert_eq(weft_http_add_header(request, name, add + strlen(name) + 2), 0);
}

struct whole {
    WEFT_FRAME;
    weft_http_request *request;
    size_t n;
};

static WEFT_ASYNC(whole)
{
    WEFT_BEGIN;
    self->n = number(self->request, "n", 5000);
    add_header(self->request);
    WEFT_AWAIT(weft_http_respond(self->request, (int)number(self->request, "status", 200),
                                 type_of(self->request), test_zlib_text(self->n), self->n));
    WEFT_END;
}

struct pieces {
    WEFT_FRAME;
    weft_http_request *request;
    size_t n, at, by;
    int status;
};

static int64_t promised(const struct pieces *self)
{
    if (says(self->request, "say", "less"))
        return (int64_t)self->n - 1;
    if (says(self->request, "say", "more"))
        return (int64_t)self->n + 1;
    return says(self->request, "say", "yes") ? (int64_t)self->n : WEFT_HTTP_UNKNOWN_LENGTH;
}

static int write_piece(struct pieces *self)
{
    size_t len = self->n - self->at < self->by ? self->n - self->at : self->by;
    int status = weft_http_write(self->request, test_zlib_text(self->n) + self->at, len);
    self->at += len;
    return status;
}

static WEFT_ASYNC(pieces)
{
    WEFT_BEGIN;
    self->n = number(self->request, "n", 5000);
    self->by = number(self->request, "by", 1000);
    add_header(self->request);
    weft_http_start(self->request, 200, type_of(self->request), promised(self));
    while (self->at < self->n) {
        self->status = write_piece(self);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        if (!says(self->request, "drain", "no"))
            WEFT_AWAIT(weft_http_drain(self->request));
    }
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_END;
}

struct little {
    WEFT_FRAME;
    weft_http_request *request;
    size_t at;
};

static WEFT_ASYNC(little)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    for (self->at = 0; self->at < 20; self->at += 5) {
        cr_assert_eq(weft_http_write(self->request, test_zlib_text(20) + self->at, 5), 0);
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    }
    WEFT_END;
}

void test_zlib_handlers(weft_http_server *server)
{
    weft_http_route(server, "GET /whole", whole);
    weft_http_route(server, "GET /pieces", pieces);
    weft_http_route(server, "GET /little", little);
}

weft_http_server *test_zlib_begin(void)
{
    weft_http_server *server = test_http_begin(NULL);
    test_zlib_handlers(server);
    cr_assert_eq(weft_http_use(server, weft_http_compress), 0);
    return server;
}

/* ---- Reading ---- */

const char *test_zlib_header(const struct test_answer *answer, const char *name)
{
    static char value[300];
    size_t len = strlen(name);
    value[0] = 0;
    for (const char *at = answer->head; (at = strstr(at, "\r\n")); at += 2) {
        if (strncasecmp(at + 2, name, len) == 0 && at[2 + len] == ':') {
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + len + 4, "\r"), at + len + 4);
            break;
        }
    }
    return value;
}

/* In place; false: its end is missing. */
static bool join_chunks(char *data, size_t *len)
{
    size_t from = 0, to = 0, all = *len;
    for (;;) {
        char *end;
        const char *line = memchr(data + from, '\n', all - from);
        *len = to;
        if (!line)
            return false;
        size_t size = strtoul(data + from, &end, 16);
        from = (size_t)(line + 1 - data);
        if (!size)
            return from + 2 == all && memcmp(data + from, "\r\n", 2) == 0;
        if (from + size + 2 > all)
            return false;
        memmove(data + to, data + from, size);
        to += size;
        from += size + 2;
    }
}

/* What can be read of it; *ret_whole: the end of the coding came with its last byte. */
static char *inflate_all(const char *data, size_t len, int bits, size_t *ret_len, bool *ret_whole)
{
    size_t size = LONGEST + 64;
    char *out = malloc(size);
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (unsigned)len};
    cr_assert_eq(inflateInit2(&stream, bits), Z_OK);
    stream.next_out = (Bytef *)out;
    stream.avail_out = (unsigned)size;
    int status = inflate(&stream, Z_SYNC_FLUSH);
    cr_assert(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR, "%d", status);
    *ret_whole = *ret_whole && status == Z_STREAM_END && !stream.avail_in;
    *ret_len = stream.total_out;
    inflateEnd(&stream);
    return out;
}

static void decode(struct test_answer *answer, char *data, size_t len)
{
    const char *coding = test_zlib_header(answer, "Content-Encoding");
    bool gzip = strcmp(coding, "gzip") == 0;
    if (gzip || strcmp(coding, "deflate") == 0) {
        answer->body = inflate_all(data, len, gzip ? 15 + 16 : 15, &answer->len, &answer->whole);
        free(data);
        return;
    }
    answer->body = data;
    answer->len = len;
}

struct test_answer test_zlib_read(const char *received, size_t len)
{
    struct test_answer answer = {.status = test_http_status(received)};
    const char *body = test_http_body(received);
    cr_assert_not_null(body, "no head: %s", received);
    size_t head_len = (size_t)(body - received);
    answer.head = strndup(received, head_len);
    answer.raw = len - head_len;
    size_t data_len = answer.raw;
    char *data = malloc(data_len + 1);
    memcpy(data, body, data_len);
    data[data_len] = 0;
    const char *length = test_zlib_header(&answer, "Content-Length");
    answer.whole = !length[0] || strtoul(length, NULL, 10) == data_len;
    if (test_zlib_header(&answer, "Transfer-Encoding")[0])
        answer.whole = join_chunks(data, &data_len);
    decode(&answer, data, data_len);
    return answer;
}

struct test_answer test_zlib_ask(const char *line, const char *headers)
{
    char text[1000];
    bool old = strstr(line, "HTTP/1.0");
    struct test_client client = test_http_connect();
    snprintf(text, sizeof(text), "%s%s\r\nHost: x\r\nConnection: close\r\n%s\r\n", line,
             old ? "" : " HTTP/1.1", headers);
    test_http_say(&client, text);
    while (!client.ended)
        test_http_turn(&client);
    struct test_answer answer = test_zlib_read(client.received, client.len);
    test_http_close(&client);
    return answer;
}

void test_zlib_expect(const struct test_answer *answer, const char *coding, size_t n)
{
    cr_assert_str_eq(test_zlib_header(answer, "Content-Encoding"), coding ? coding : "", "%s",
                     answer->head);
    cr_assert(answer->whole, "%s", answer->head);
    cr_assert_eq(answer->len, n, "%zu bytes, not %zu: %s", answer->len, n, answer->head);
    cr_assert_eq(memcmp(answer->body, test_zlib_text(n), n), 0);
}

void test_zlib_free(struct test_answer *answer)
{
    free(answer->head);
    free(answer->body);
}
