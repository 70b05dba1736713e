/* SPDX-License-Identifier: MIT */
/* The HTTP request parser: what it takes, what it refuses. Its limits: test_http_limits.c. */
#include <criterion/criterion.h>

#include "tests/support/http_reading.h"

#include <stdlib.h>
#include <string.h>

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct accepted {
    struct message message;
    const char *transcript;
};

struct refused {
    int status;
    struct message message;
};

#define MUST_READ_ALL(rows)                                    \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++) \
        must_read((rows)[i].message, NULL, (rows)[i].transcript);

#define MUST_REFUSE_ALL(rows)                                  \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++) \
        must_refuse((rows)[i].message, NULL, (rows)[i].status);

/* A request line with a sound rest, and what it must give before the fields. */
#define LINE(line, first)                                     \
    {                                                         \
        MESSAGE(line "\r\n" HOST "\r\n"), first "\n+Host=a\n" \
    }

static void must_begin(const struct accepted *row)
{
    char *transcript = read_every_way(row->message, NULL);
    size_t len = strlen(row->transcript);
    cr_assert(strncmp(transcript, row->transcript, len) == 0, "expected:\n%s\nwas:\n%s",
              row->transcript, transcript);
    cr_assert_eq(strncmp(transcript + len, "done, ", 6), 0, "%s", transcript);
    free(transcript);
}

Test(http_parser, takes_every_form_of_request_line)
{
    static const struct accepted rows[] = {
        LINE("GET / HTTP/1.1", "GET / 1.1 path=/ host=a keep"),
        LINE("GET / HTTP/1.0", "GET / 1.0 path=/ host=a close"),
        LINE("\r\nGET / HTTP/1.1", "GET / 1.1 path=/ host=a keep"),
        LINE("HEAD /a/b.html HTTP/1.1", "HEAD /a/b.html 1.1 path=/a/b.html host=a keep"),
        LINE("get / HTTP/1.1", "get / 1.1 path=/ host=a keep"),
        LINE("M-#!$%&'*+.^_`|~0 /x HTTP/1.1", "M-#!$%&'*+.^_`|~0 /x 1.1 path=/x host=a keep"),
        LINE("GET /? HTTP/1.1", "GET /? 1.1 path=/ query= host=a keep"),
        LINE("GET /a?b=c&d?/ HTTP/1.1", "GET /a?b=c&d?/ 1.1 path=/a query=b=c&d?/ host=a keep"),
        LINE("GET //x HTTP/1.1", "GET //x 1.1 path=//x host=a keep"),
        LINE("GET /%41%2e%0a HTTP/1.1", "GET /%41%2e%0a 1.1 path=/%41%2e%0a host=a keep"),
        LINE("GET /[|^]?{`\\} HTTP/1.1", "GET /[|^]?{`\\} 1.1 path=/[|^] query={`\\} host=a keep"),
        LINE("OPTIONS * HTTP/1.1", "OPTIONS * 1.1 path=* host=a keep"),
        LINE("GET http://b HTTP/1.1", "GET http://b 1.1 path=/ host=b keep"),
        LINE("GET HTTP://b:80/c?d HTTP/1.1",
             "GET HTTP://b:80/c?d 1.1 path=/c query=d host=b:80 keep"),
        LINE("GET https://b?d/e HTTP/1.1", "GET https://b?d/e 1.1 path=/ query=d/e host=b keep"),
        LINE("GET http://[::1]:1/ HTTP/1.1", "GET http://[::1]:1/ 1.1 path=/ host=[::1]:1 keep"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_begin(&rows[i]);
}

#define BAD_LINE(status, line)                   \
    {                                            \
        status, MESSAGE(line "\r\n" HOST "\r\n") \
    }

Test(http_parser, refuses_malformed_request_lines)
{
    static const struct refused rows[] = {
        BAD_LINE(400, "\r\n\r\nGET / HTTP/1.1"),
        BAD_LINE(400, "GET"),
        BAD_LINE(400, "GET /"),
        BAD_LINE(400, "GET / "),
        BAD_LINE(400, "GET HTTP/1.1"),
        BAD_LINE(400, "GET  HTTP/1.1"),
        BAD_LINE(400, "GET  / HTTP/1.1"),
        BAD_LINE(400, "GET /  HTTP/1.1"),
        BAD_LINE(400, "GET / HTTP/1.1 "),
        BAD_LINE(400, "GET / x HTTP/1.1"),
        BAD_LINE(400, " GET / HTTP/1.1"),
        BAD_LINE(400, "GET\t/ HTTP/1.1"),
        BAD_LINE(400, "GET /\tHTTP/1.1"),
        BAD_LINE(400, "G@T / HTTP/1.1"),
        BAD_LINE(400, "G\xc3T / HTTP/1.1"),
        BAD_LINE(400, "(GET) / HTTP/1.1"),
        BAD_LINE(400, "/ HTTP/1.1"),
        BAD_LINE(400, "GET\0 / HTTP/1.1"),
        BAD_LINE(400, "\x16\x03\x01\x02"),
    };
    MUST_REFUSE_ALL(rows)
}

Test(http_parser, refuses_malformed_targets)
{
    static const struct refused rows[] = {
        BAD_LINE(400, "GET a HTTP/1.1"),           BAD_LINE(400, "GET * HTTP/1.1"),
        BAD_LINE(400, "OPTIONS ** HTTP/1.1"),      BAD_LINE(400, "GET ?a HTTP/1.1"),
        BAD_LINE(400, "GET /\0 HTTP/1.1"),         BAD_LINE(400, "GET /\x7f HTTP/1.1"),
        BAD_LINE(400, "GET /\x80 HTTP/1.1"),       BAD_LINE(400, "GET /%00 HTTP/1.1"),
        BAD_LINE(400, "GET /?%00 HTTP/1.1"),       BAD_LINE(400, "GET /% HTTP/1.1"),
        BAD_LINE(400, "GET /%4 HTTP/1.1"),         BAD_LINE(400, "GET /%4g HTTP/1.1"),
        BAD_LINE(400, "GET /?a=%g4 HTTP/1.1"),     BAD_LINE(400, "GET /#a HTTP/1.1"),
        BAD_LINE(400, "GET /?a#b HTTP/1.1"),       BAD_LINE(400, "GET /\"<> HTTP/1.1"),
        BAD_LINE(400, "GET /\\ HTTP/1.1"),         BAD_LINE(400, "GET http: HTTP/1.1"),
        BAD_LINE(400, "GET http:// HTTP/1.1"),     BAD_LINE(400, "GET http:///x HTTP/1.1"),
        BAD_LINE(400, "GET http://b@c/ HTTP/1.1"), BAD_LINE(400, "GET http://b:x/ HTTP/1.1"),
        BAD_LINE(400, "GET http://b#c HTTP/1.1"),  BAD_LINE(400, "GET http://b/%00 HTTP/1.1"),
        BAD_LINE(400, "GET ftp://b/ HTTP/1.1"),    BAD_LINE(400, "GET b:80 HTTP/1.1"),
        BAD_LINE(400, "CONNECT /x HTTP/1.1"),      BAD_LINE(400, "CONNECT http://a/ HTTP/1.1"),
        BAD_LINE(501, "CONNECT a:443 HTTP/1.1"),   BAD_LINE(501, "CONNECT [::1]:443 HTTP/1.1"),
    };
    MUST_REFUSE_ALL(rows)
}

Test(http_parser, speaks_two_versions_only)
{
    static const struct refused rows[] = {
        BAD_LINE(505, "GET / HTTP/0.9"), BAD_LINE(505, "GET / HTTP/1.2"),
        BAD_LINE(505, "GET / HTTP/2.0"), BAD_LINE(505, "PRI * HTTP/2.0"),
        BAD_LINE(505, "GET / HTTP/3.1"), BAD_LINE(400, "GET / http/1.1"),
        BAD_LINE(400, "GET / HTTP/1"),   BAD_LINE(400, "GET / HTTP/1."),
        BAD_LINE(400, "GET / HTTP/11"),  BAD_LINE(400, "GET / HTTP/1.10"),
        BAD_LINE(400, "GET / HTTP/1,1"), BAD_LINE(400, "GET / HTTP/+1.1"),
        BAD_LINE(400, "GET / HTTP/a.1"), BAD_LINE(400, "GET / HTTPS/1.1"),
    };
    MUST_REFUSE_ALL(rows)
}

Test(http_parser, trims_values_and_keeps_their_bytes)
{
    static const struct accepted rows[] = {
        {MESSAGE(GET "hOsT:a\r\nX:\r\nY: \t \r\nZ:\t b \t c \r\n\r\n"),
         "GET / 1.1 path=/ host=a keep\n+hOsT=a\n+X=\n+Y=\n+Z=b \t c\ndone, 0 left\n"},
        {MESSAGE(GET "Host: a\r\n!#$%&'*+-.^_`|~9: \x80\xff:\"\r\n\r\n"),
         "GET / 1.1 path=/ host=a keep\n+Host=a\n+!#$%&'*+-.^_`|~9=\x80\xff:\"\ndone, 0 left\n"},
    };
    MUST_READ_ALL(rows)
}

#define BAD_FIELD(field)                        \
    {                                           \
        400, MESSAGE(GET HOST field "\r\n\r\n") \
    }

Test(http_parser, refuses_malformed_fields)
{
    static const struct refused rows[] = {
        BAD_FIELD("A"),           BAD_FIELD(":"),           BAD_FIELD(": a"),
        BAD_FIELD("A : b"),       BAD_FIELD("A\t: b"),      BAD_FIELD("A b: c"),
        BAD_FIELD("(A): b"),      BAD_FIELD("A\x80: b"),    BAD_FIELD("A\0: b"),
        BAD_FIELD("A: b\0"),      BAD_FIELD("A: \x01"),     BAD_FIELD("A: b\x7f"),
        BAD_FIELD("A: b\x0b"),    BAD_FIELD("A: b\x1b[0m"), BAD_FIELD("A: b\r\n c"),
        BAD_FIELD("A: b\r\n\tc"), BAD_FIELD("A: b\r\n "),   BAD_FIELD("A: b\r\n :c"),
    };
    MUST_REFUSE_ALL(rows)
    must_refuse((struct message)MESSAGE(GET " Host: a\r\n\r\n"), NULL, 400);
}

Test(http_parser, takes_no_line_end_but_crlf)
{
    static const struct refused rows[] = {
        {400, MESSAGE("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")},
        {400, MESSAGE("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n")},
        {400, MESSAGE("GET / HTTP/1.1\nHost: a\r\n\r\n")},
        {400, MESSAGE("GET / HTTP/1.1\rHost: a\r\n\r\n")},
        {400, MESSAGE("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n")},
        {400, MESSAGE("GET / HTTP/1.1\r\nHost: a\n\r\n")},
        {400, MESSAGE("GET / HTTP/1.1\r\nHost: a\r\n\n")},
        {400, MESSAGE("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n")},
        {400, MESSAGE("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n")},
        {400, MESSAGE("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n")},
        {400, MESSAGE("GET / HTTP/1.1\r\nHost: a\r\n\rX")},
        {400, MESSAGE("GET / HTTP/1.1\r\nHost: a\n\n")},
    };
    MUST_REFUSE_ALL(rows)
}

Test(http_parser, demands_one_sound_host)
{
    static const struct refused rows[] = {
        {400, MESSAGE(GET "\r\n")},
        {400, MESSAGE(GET "X: a\r\n\r\n")},
        {400, MESSAGE(GET "Host: a\r\nHost: a\r\n\r\n")},
        {400, MESSAGE(GET "Host: a\r\nX: b\r\nhost: b\r\n\r\n")},
        {400, MESSAGE("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")},
        {400, MESSAGE("GET http://a/ HTTP/1.1\r\n\r\n")},
        {400, MESSAGE(GET "Host:\r\n\r\n")},
        {400, MESSAGE(GET "Host: a b\r\n\r\n")},
        {400, MESSAGE(GET "Host: a/b\r\n\r\n")},
        {400, MESSAGE(GET "Host: u@a\r\n\r\n")},
        {400, MESSAGE(GET "Host: http://a\r\n\r\n")},
        {400, MESSAGE(GET "Host: a:b\r\n\r\n")},
        {400, MESSAGE(GET "Host: a:80:80\r\n\r\n")},
        {400, MESSAGE(GET "Host: a:65536\r\n\r\n")},
        {400, MESSAGE(GET "Host: a:000080\r\n\r\n")},
        {400, MESSAGE(GET "Host: :80\r\n\r\n")},
        {400, MESSAGE(GET "Host: ::1\r\n\r\n")},
        {400, MESSAGE(GET "Host: [::1\r\n\r\n")},
        {400, MESSAGE(GET "Host: [1.2.3.4]\r\n\r\n")},
        {400, MESSAGE(GET "Host: [::1]80\r\n\r\n")},
        {400, MESSAGE(GET "Host: [fe80::1%25eth0]\r\n\r\n")},
        {400, MESSAGE(GET "Host: a%00\r\n\r\n")},
        {400, MESSAGE("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n")},
    };
    MUST_REFUSE_ALL(rows)
}

Test(http_parser, takes_every_form_of_host)
{
    static const struct accepted rows[] = {
        {MESSAGE(GET "Host: a-1.b_c.:65535\r\n\r\n"),
         "GET / 1.1 path=/ host=a-1.b_c.:65535 keep\n+Host=a-1.b_c.:65535\ndone, 0 left\n"},
        {MESSAGE(GET "Host: 127.0.0.1:\r\n\r\n"),
         "GET / 1.1 path=/ host=127.0.0.1: keep\n+Host=127.0.0.1:\ndone, 0 left\n"},
        {MESSAGE(GET "Host: [::ffff:1.2.3.4]:80\r\n\r\n"),
         "GET / 1.1 path=/ host=[::ffff:1.2.3.4]:80 keep\n+Host=[::ffff:1.2.3.4]:80\n"
         "done, 0 left\n"},
        {MESSAGE("GET / HTTP/1.0\r\n\r\n"), "GET / 1.0 path=/ close\ndone, 0 left\n"},
    };
    MUST_READ_ALL(rows)
}

Test(http_parser, reads_bodies_of_a_given_length)
{
    static const struct accepted rows[] = {
        {MESSAGE(POST "Content-Length: 5\r\n\r\nhello"),
         "POST / 1.1 path=/ host=a keep length=5\n+Host=a\n+Content-Length=5\nbody=hello\n"
         "done, 0 left\n"},
        {MESSAGE(POST "Content-Length: 0\r\n\r\n"),
         "POST / 1.1 path=/ host=a keep length=0\n+Host=a\n+Content-Length=0\ndone, 0 left\n"},
        {MESSAGE(POST "Content-Length: 0003\r\n\r\nabcdef"),
         "POST / 1.1 path=/ host=a keep length=3\n+Host=a\n+Content-Length=0003\nbody=abc\n"
         "done, 3 left\n"},
        {MESSAGE("POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n\n"),
         "POST / 1.0 path=/ close length=1\n+Content-Length=1\nbody=\n\ndone, 0 left\n"},
        {MESSAGE(POST "Content-Length: 5\r\n\r\nhell"),
         "POST / 1.1 path=/ host=a keep length=5\n+Host=a\n+Content-Length=5\n"
         "unfinished, 0 left\n"},
    };
    MUST_READ_ALL(rows)
}

#define BAD_POST(status, fields)                         \
    {                                                    \
        status, MESSAGE(POST fields "\r\n\r\n0\r\n\r\n") \
    }

Test(http_parser, refuses_doubtful_lengths)
{
    static const struct refused rows[] = {
        BAD_POST(400, "Content-Length:"),
        BAD_POST(400, "Content-Length: +5"),
        BAD_POST(400, "Content-Length: -5"),
        BAD_POST(400, "Content-Length: 5 5"),
        BAD_POST(400, "Content-Length: 5, 5"),
        BAD_POST(400, "Content-Length: 5,"),
        BAD_POST(400, "Content-Length: 0x5"),
        BAD_POST(400, "Content-Length: 5a"),
        BAD_POST(400, "Content-Length: 5.0"),
        BAD_POST(400, "Content-Length: \"5\""),
        BAD_POST(400, "Content-Length: \xd9\xa5"),
        BAD_POST(400, "Content-Length: 9223372036854775808"),
        BAD_POST(400, "Content-Length: 18446744073709551621"),
        BAD_POST(400, "Content-Length: 5\r\nContent-Length: 6"),
        BAD_POST(400, "Content-Length: 5\r\ncontent-length: 5"),
        BAD_POST(400, "Content-Length: 0\r\nContent-Length: 0"),
        BAD_POST(413, "Content-Length: 9223372036854775807"),
    };
    MUST_REFUSE_ALL(rows)
}

Test(http_parser, refuses_a_length_beside_a_transfer_coding)
{
    static const struct refused rows[] = {
        BAD_POST(400, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        BAD_POST(400, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        BAD_POST(400, "Transfer-Encoding: chunked\r\nContent-Length: 0"),
        BAD_POST(400, "Content-Length: 5\r\nTransfer-Encoding: identity"),
    };
    MUST_REFUSE_ALL(rows)
}

Test(http_parser, knows_no_transfer_coding_but_chunked)
{
    static const struct refused rows[] = {
        BAD_POST(501, "Transfer-Encoding: gzip, chunked"),
        BAD_POST(501, "Transfer-Encoding: x;a=b, chunked"),
        BAD_POST(501, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
        BAD_POST(501, "Transfer-Encoding: identity, chunked"),
        BAD_POST(400, "Transfer-Encoding: gzip"),
        BAD_POST(400, "Transfer-Encoding: identity"),
        BAD_POST(400, "Transfer-Encoding: xchunked"),
        BAD_POST(400, "Transfer-Encoding: chunke"),
        BAD_POST(400, "Transfer-Encoding:"),
        BAD_POST(400, "Transfer-Encoding: \"chunked\""),
        BAD_POST(400, "Transfer-Encoding: chunked;"),
        BAD_POST(400, "Transfer-Encoding: chunked;a=b"),
        BAD_POST(400, "Transfer-Encoding: chunked x"),
        BAD_POST(400, "Transfer-Encoding: chunked, gzip"),
        BAD_POST(400, "Transfer-Encoding: chunked, identity"),
        BAD_POST(400, "Transfer-Encoding: chunked, chunked"),
        BAD_POST(400, "Transfer-Encoding: chunked,"),
        BAD_POST(400, "Transfer-Encoding: ,chunked"),
        BAD_POST(400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        BAD_POST(400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip"),
        BAD_POST(400, "Transfer-Encoding: chunked\r\nTransfer-Encoding:"),
        BAD_POST(400, "Transfer-Encoding: \x0b"
                      "chunked"),
        BAD_POST(400, "Transfer-Encoding : chunked"),
        {400, MESSAGE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
        {400, MESSAGE("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n")},
    };
    MUST_REFUSE_ALL(rows)
}

#define CHUNKED_HEAD "POST / 1.1 path=/ host=a keep chunked\n+Host=a\n+Transfer-Encoding=chunked\n"

Test(http_parser, decodes_chunks)
{
    static const struct accepted rows[] = {
        {MESSAGE(CHUNKED "0\r\n\r\n"), CHUNKED_HEAD "done, 0 left\n"},
        {MESSAGE(CHUNKED "5\r\nhello\r\n0\r\n\r\n"), CHUNKED_HEAD "body=hello\ndone, 0 left\n"},
        {MESSAGE(CHUNKED "2\r\n\r\n\r\n00A\r\n0123456789\r\n000\r\n\r\nGET"),
         CHUNKED_HEAD "body=\r\n0123456789\ndone, 3 left\n"},
        {MESSAGE(CHUNKED "1;a=\"b\t;\x80\";c\r\nx\r\n0;\r\n\r\n"),
         CHUNKED_HEAD "body=x\ndone, 0 left\n"},
        {MESSAGE(CHUNKED "b\r\n0\r\n\r\nGET / \r\n0000000000000000\r\n\r\n"),
         CHUNKED_HEAD "body=0\r\n\r\nGET / \ndone, 0 left\n"},
        {MESSAGE(POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n"),
         "POST / 1.1 path=/ host=a keep chunked\n+Host=a\n+Transfer-Encoding=CHUNKED\n"
         "done, 0 left\n"},
        {MESSAGE(CHUNKED "1b\r\nabcdefghijklmnopqrstuvwxyz0\r\n00\r\n\r\n"),
         CHUNKED_HEAD "body=abcdefghijklmnopqrstuvwxyz0\ndone, 0 left\n"},
        {MESSAGE(CHUNKED "3\r\nab"), CHUNKED_HEAD "unfinished, 0 left\n"},
    };
    MUST_READ_ALL(rows)
}

Test(http_parser, refuses_malformed_chunks)
{
    static const struct refused rows[] = {
        {400, MESSAGE(CHUNKED "\r\n")},
        {400, MESSAGE(CHUNKED "x\r\n")},
        {400, MESSAGE(CHUNKED "-1\r\n")},
        {400, MESSAGE(CHUNKED "+1\r\n")},
        {400, MESSAGE(CHUNKED "0x1\r\n")},
        {400, MESSAGE(CHUNKED "1_0\r\n")},
        {400, MESSAGE(CHUNKED " 1\r\nx\r\n")},
        {400, MESSAGE(CHUNKED "1 \r\nx\r\n")},
        {400, MESSAGE(CHUNKED "1 ;a\r\nx\r\n")},
        {400, MESSAGE(CHUNKED ";a\r\n")},
        {400, MESSAGE(CHUNKED "1\nx\r\n")},
        {400, MESSAGE(CHUNKED "1\rx\r\n")},
        {400, MESSAGE(CHUNKED "1;a\nx\r\n")},
        {400, MESSAGE(CHUNKED "1;a\0\r\nx\r\n")},
        {400, MESSAGE(CHUNKED "1;a\rx\r\n")},
        {400, MESSAGE(CHUNKED "1;a=\"\r\n\"\r\nx\r\n0\r\n\r\n")},
        {400, MESSAGE(CHUNKED "1\r\nxy\r\n")},
        {400, MESSAGE(CHUNKED "1\r\nx\n0\r\n\r\n")},
        {400, MESSAGE(CHUNKED "1\r\nxy\n0\r\n\r\n")},
        {400, MESSAGE(CHUNKED "1\r\nx\r0\r\n\r\n")},
        {400, MESSAGE(CHUNKED "1\r\nx0\r\n\r\n")},
        {400, MESSAGE(CHUNKED "00000000000000001\r\nx\r\n")},
        {400, MESSAGE(CHUNKED "10000000000000000\r\nx\r\n")},
        {413, MESSAGE(CHUNKED "ffffffffffffffff\r\nx\r\n")},
        {413, MESSAGE(CHUNKED "1\r\nx\r\nffffffffffffffff\r\nx")},
        {400, MESSAGE(CHUNKED "0\r\nX\r\n\r\n")},
        {400, MESSAGE(CHUNKED "0\r\n X: a\r\n\r\n")},
        {400, MESSAGE(CHUNKED "0\r\nX: a\n\r\n")},
        {400, MESSAGE(CHUNKED "0\r\n\n")},
        {400, MESSAGE(CHUNKED "0\r\nContent-Length : 1\r\n\r\n")},
    };
    MUST_REFUSE_ALL(rows)
}

Test(http_parser, keeps_trailers_apart_and_drops_forbidden_ones)
{
    static const struct accepted rows[] = {
        {MESSAGE(CHUNKED "1\r\nx\r\n0\r\nA: b\r\nContent-Length: 7\r\nHOST: c\r\nC:\r\n\r\n"),
         CHUNKED_HEAD "body=x\n-A=b\n-C=\ndone, 0 left\n"},
        {MESSAGE(CHUNKED "0\r\nTransfer-Encoding: gzip\r\nConnection: close\r\nTE: x\r\n\r\n"),
         CHUNKED_HEAD "done, 0 left\n"},
    };
    MUST_READ_ALL(rows)
}

#define KEEP(version, fields, verdict)                            \
    {                                                             \
        MESSAGE("GET / HTTP/" version "\r\n" HOST fields "\r\n"), \
            "GET / " version " path=/ host=a " verdict "\n"       \
    }

Test(http_parser, knows_whether_the_connection_goes_on)
{
    static const struct accepted rows[] = {
        KEEP("1.1", "", "keep"),
        KEEP("1.1", "Connection: close\r\n", "close"),
        KEEP("1.1", "connection: foo ,\tCLOSE\r\n", "close"),
        KEEP("1.1", "Connection: keep-alive\r\nConnection: close\r\n", "close"),
        KEEP("1.1", "Connection: close\r\nConnection: x\r\n", "close"),
        KEEP("1.1", "Connection: closed, not-close\r\n", "keep"),
        KEEP("1.1", "Connection:\r\n", "keep"),
        KEEP("1.0", "", "close"),
        KEEP("1.0", "Connection: Keep-Alive\r\n", "keep"),
        KEEP("1.0", "Connection: keep-alive\r\nConnection: x\r\n", "keep"),
        KEEP("1.0", "Connection: ,,keep-alive\r\n", "keep"),
        KEEP("1.0", "Connection: keep-alive, close\r\n", "close"),
        KEEP("1.0", "Keep-Alive: timeout=5\r\n", "close"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *transcript = read_every_way(rows[i].message, NULL);
        cr_assert_eq(strncmp(transcript, rows[i].transcript, strlen(rows[i].transcript)), 0,
                     "%.*s%s", (int)rows[i].message.len, rows[i].message.data, transcript);
        free(transcript);
    }
}

Test(http_parser, knows_one_expectation)
{
    static const struct accepted rows[] = {
        {MESSAGE(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx"),
         "POST / 1.1 path=/ host=a keep length=1 continue\n+Host=a\n+Expect=100-Continue\n"
         "+Content-Length=1\nbody=x\ndone, 0 left\n"},
        {MESSAGE(POST "Expect: 100-continue\r\n\r\n"),
         "POST / 1.1 path=/ host=a keep\n+Host=a\n+Expect=100-continue\ndone, 0 left\n"},
        {MESSAGE("POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\nx"),
         "POST / 1.0 path=/ close length=1\n+Expect=x\n+Content-Length=1\nbody=x\n"
         "done, 0 left\n"},
    };
    static const struct refused bad[] = {
        BAD_POST(417, "Expect: 101-continue"),
        BAD_POST(417, "Expect:"),
        BAD_POST(417, "Expect: 100-continue, x"),
        BAD_POST(417, "Expect: 100-continue\r\nExpect: x"),
        BAD_POST(400, "Expect: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked"),
    };
    MUST_READ_ALL(rows)
    MUST_REFUSE_ALL(bad)
}

Test(http_parser, leaves_the_next_request_alone)
{
#define FIRST POST "Content-Length: 2\r\n\r\nhi"
#define SECOND "GET /b HTTP/1.1\r\nHost: b\r\n\r\n"
#define THIRD_BEGUN "\r\nGET /c"
    static const struct message message = MESSAGE(FIRST SECOND THIRD_BEGUN);
    const size_t ends[] = {strlen(FIRST), strlen(FIRST SECOND), message.len};
    struct weft__http_parser parser;
    size_t at = 0;
    weft__http_parser_init(&parser, NULL);
    void *memory = malloc(weft__http_parser_memory(&parser));
    for (int i = 0; i < 3; i++) {
        enum weft__http_event event;
        weft__http_parser_begin(&parser, memory);
        cr_assert(weft__http_parser_is_idle(&parser));
        do {
            size_t used;
            event = weft__http_parser_feed(&parser, message.data + at, message.len - at, &used);
            at += used;
        } while (event == WEFT__HTTP_HEAD || event == WEFT__HTTP_BODY);
        cr_assert_eq(event, i < 2 ? WEFT__HTTP_DONE : WEFT__HTTP_NEED_MORE);
        cr_assert_eq(at, ends[i]);
        cr_assert_not(weft__http_parser_is_idle(&parser));
    }
    free(memory);
}

Test(http_parser, stays_over_when_over)
{
    struct weft__http_parser parser;
    size_t used = 1;
    weft__http_parser_init(&parser, NULL);
    void *memory = malloc(weft__http_parser_memory(&parser));

    weft__http_parser_begin(&parser, memory);
    cr_assert_eq(weft__http_parser_feed(&parser, "\n", 1, &used), WEFT__HTTP_ERROR);
    cr_assert_eq(used, 0);
    cr_assert_not(weft__http_parser_is_idle(&parser));
    cr_assert_eq(weft__http_parser_feed(&parser, "GET", 3, &used), WEFT__HTTP_ERROR);
    cr_assert_eq(used, 0);

    weft__http_parser_begin(&parser, memory);
    cr_assert_eq(parser.error_status, 0);
    cr_assert_eq(weft__http_parser_feed(&parser, "GET / HTTP/1.0\r\n\r\nGET", 21, &used),
                 WEFT__HTTP_HEAD);
    cr_assert_eq(used, 18);
    cr_assert_eq(weft__http_parser_feed(&parser, "GET", 3, &used), WEFT__HTTP_DONE);
    cr_assert_eq(weft__http_parser_feed(&parser, "GET", 3, &used), WEFT__HTTP_DONE);
    cr_assert_eq(used, 0);
    free(memory);
}
