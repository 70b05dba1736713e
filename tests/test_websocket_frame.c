/* SPDX-License-Identifier: MIT */
/* Frames of WebSockets: cut anywhere, they are read as they are whole. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/macros.h>

#include "net/http/websocket/frame.h"
#include "net/http/websocket/sha1.h"

/* ---- Reading into a transcript ---- */

struct transcript {
    char text[4096];
    size_t len;
    char message[1024];
    size_t message_len;
};

WEFT_PRINTF(2, 3) static void say(struct transcript *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(to->text + to->len, sizeof(to->text) - to->len, format, args);
    va_end(args);
    to->len += (size_t)len;
    cr_assert(to->len < sizeof(to->text));
}

static void say_message(struct transcript *to, const struct weft__websocket_parser *parser)
{
    say(to, "%s", parser->message == WEFT__WEBSOCKET_TEXT ? "text(" : "binary(");
    for (size_t i = 0; i < to->message_len; i++)
        say(to, to->message[i] >= ' ' ? "%c" : "\\%02x", (unsigned char)to->message[i]);
    say(to, ") ");
    to->message_len = 0;
}

static void say_control(struct transcript *to, const struct weft__websocket_parser *parser,
                        enum weft__websocket_event event)
{
    const char *control = (const char *)parser->control;
    int len = (int)parser->control_len;
    if (event == WEFT__WEBSOCKET_CLOSED)
        say(to, "close(%d%s%.*s) ", parser->code, len > 2 ? " " : "", len > 2 ? len - 2 : 0,
            control + 2);
    else
        say(to, "%s(%.*s) ", event == WEFT__WEBSOCKET_PINGED ? "ping" : "pong", len, control);
}

/* False: nothing follows. */
static bool read_bytes(struct weft__websocket_parser *parser, struct transcript *to,
                       const char *data, size_t len)
{
    for (;;) {
        size_t used;
        enum weft__websocket_event event = weft__websocket_feed(parser, data, len, &used);
        cr_assert(used <= len);
        data += used;
        len -= used;
        if (event == WEFT__WEBSOCKET_NEED_MORE) {
            cr_assert_eq(len, 0);
            return true;
        }
        if (event == WEFT__WEBSOCKET_ERROR) {
            say(to, "error(%d)", parser->code);
            cr_assert_not_null(parser->why);
            return false;
        }
        if (event == WEFT__WEBSOCKET_PIECE) {
            size_t piece = parser->piece_len;
            cr_assert(piece > 0 && to->message_len + piece <= sizeof(to->message));
            weft__websocket_take(parser, to->message + to->message_len);
            to->message_len += piece;
        } else if (event == WEFT__WEBSOCKET_MESSAGE) {
            say_message(to, parser);
        } else {
            say_control(to, parser, event);
            if (event == WEFT__WEBSOCKET_CLOSED)
                return false;
        }
    }
}

/* In pieces of memory of exactly their size, so that a read beyond is seen. */
static struct transcript read_cut(const char *data, size_t len, size_t step, size_t first,
                                  bool from_client)
{
    struct weft__websocket_parser parser = {.max_message = 300, .from_client = from_client};
    struct transcript to = {.len = 0};
    size_t at = 0;
    bool more = true;
    while (more && at < len) {
        size_t now = at == 0 && first ? first : step;
        now = now < len - at ? now : len - at;
        char *piece = malloc(now);
        cr_assert_not_null(piece);
        memcpy(piece, data + at, now);
        more = read_bytes(&parser, &to, piece, now);
        free(piece);
        at += now;
    }
    return to;
}

static void must_read_from(const char *data, size_t len, const char *expected, bool from_client)
{
    struct transcript whole = read_cut(data, len, len, 0, from_client);
    cr_assert_str_eq(whole.text, expected);
    for (size_t cut = 1; cut < len; cut++) {
        struct transcript part = read_cut(data, len, len, cut, from_client);
        cr_assert_str_eq(part.text, expected, "cut at %zu", cut);
    }
    struct transcript bytewise = read_cut(data, len, 1, 0, from_client);
    cr_assert_str_eq(bytewise.text, expected, "byte by byte");
}

/* ---- What is read: frames as a server sends them, and as a client does ---- */

struct bytes {
    char data[2048];
    size_t len;
};

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

static void add(struct bytes *to, uint8_t first, const char *payload, size_t len, bool masked)
{
    uint8_t head[WEFT__WEBSOCKET_MOST_HEADER];
    size_t head_len =
        weft__websocket_head(head, first & 15, first & 0x80, len, masked ? key : NULL);
    head[0] |= first & 0x70;
    memcpy(to->data + to->len, head, head_len);
    to->len += head_len;
    if (masked)
        weft__websocket_mask(to->data + to->len, payload, len, key, 0);
    else
        memcpy(to->data + to->len, payload, len);
    to->len += len;
    cr_assert(to->len < sizeof(to->data));
}

struct frame {
    uint8_t first;
    const char *payload;
    size_t len;
};

#define FRAME(first, literal)                       \
    {                                               \
        (first), "" literal "", sizeof(literal) - 1 \
    }

static void must_read(const struct frame *frames, size_t count, const char *expected)
{
    for (int masked = 0; masked < 2; masked++) {
        struct bytes all = {.len = 0};
        for (size_t i = 0; i < count; i++)
            add(&all, frames[i].first, frames[i].payload, frames[i].len, masked);
        must_read_from(all.data, all.len, expected, masked);
    }
}

#define MUST_READ(expected, ...)                   \
    must_read((const struct frame[]){__VA_ARGS__}, \
              sizeof((const struct frame[]){__VA_ARGS__}) / sizeof(struct frame), expected)

Test(websocket_frame, messages_of_each_length_come_as_they_were_sent)
{
    static const size_t lengths[] = {0, 1, 7, 8, 9, 124, 125, 126, 127, 128, 255, 256, 300};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char payload[301], expected[320];
        memset(payload, '*', sizeof(payload));
        payload[lengths[i]] = 0;
        snprintf(expected, sizeof(expected), "text(%s) ", payload);
        must_read(&(struct frame){0x81, payload, lengths[i]}, 1, expected);
        snprintf(expected, sizeof(expected), "binary(%s) ", payload);
        must_read(&(struct frame){0x82, payload, lengths[i]}, 1, expected);
    }
}

Test(websocket_frame, a_message_may_have_many_frames_with_control_frames_between)
{
    MUST_READ("text(onetwothree) ", FRAME(1, "one"), FRAME(0, "two"), FRAME(0x80, "three"));
    MUST_READ("text() ", FRAME(1, ""), FRAME(0, ""), FRAME(0x80, ""));
    MUST_READ("ping(a) pong(b) binary(onetwo) close(1000 bye) ", FRAME(2, "one"), FRAME(0x89, "a"),
              FRAME(0x8a, "b"), FRAME(0x80, "two"),
              FRAME(0x88, "\x03\xe8"
                          "bye"));
    MUST_READ("ping() text(x) text(y) ", FRAME(0x89, ""), FRAME(0x81, "x"), FRAME(0x81, "y"));
}

Test(websocket_frame, what_is_out_of_order_is_refused)
{
    MUST_READ("error(1002)", FRAME(0x80, "x"));
    MUST_READ("error(1002)", FRAME(0, "x"));
    MUST_READ("error(1002)", FRAME(1, "x"), FRAME(0x81, "y"));
    MUST_READ("error(1002)", FRAME(1, "x"), FRAME(2, "y"));
    MUST_READ("text(xy) error(1002)", FRAME(1, "x"), FRAME(0x80, "y"), FRAME(0x80, "z"));
}

Test(websocket_frame, reserved_bits_and_opcodes_are_refused)
{
    for (uint8_t bits = 0x10; bits <= 0x70; bits = (uint8_t)(bits + 0x10))
        for (uint8_t opcode = 0; opcode < 16; opcode++)
            must_read(&(struct frame){(uint8_t)(0x80 | bits | opcode), "x", 1}, 1, "error(1002)");
    static const uint8_t reserved[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < sizeof(reserved); i++) {
        MUST_READ("text(x) error(1002)", FRAME(0x81, "x"), {reserved[i], "y", 1});
        MUST_READ("text(x) error(1002)", FRAME(0x81, "x"), {0x80 | reserved[i], "y", 1});
    }
}

Test(websocket_frame, control_frames_are_short_and_whole)
{
    char payload[127];
    memset(payload, 'p', sizeof(payload));
    for (uint8_t opcode = 9; opcode < 11; opcode++) {
        char expected[160];
        snprintf(expected, sizeof(expected), "%s(%.125s) ", opcode == 9 ? "ping" : "pong", payload);
        must_read(&(struct frame){0x80 | opcode, payload, 125}, 1, expected);
        must_read(&(struct frame){0x80 | opcode, payload, 126}, 1, "error(1002)");
        must_read(&(struct frame){opcode, payload, 1}, 1, "error(1002)");
    }
    must_read(&(struct frame){0x88, payload, 126}, 1, "error(1002)");
    must_read(&(struct frame){8, payload, 0}, 1, "error(1002)");
}

Test(websocket_frame, masks_are_as_the_role_says)
{
    must_read_from("\x81\x01x", 3, "error(1002)", true);
    must_read_from("\x81\x81\1\2\3\4x", 7, "error(1002)", false);
    must_read_from("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, "text(Hello) ", true);
}

Test(websocket_frame, a_length_is_written_in_the_shortest_way)
{
    must_read_from("\x82\x7e\0\x7d", 4, "error(1002)", false);
    must_read_from("\x82\x7f\0\0\0\0\0\0\xff\xff", 10, "error(1002)", false);
    must_read_from("\x82\x7f\x80\0\0\0\0\0\0\0", 10, "error(1002)", false);
    must_read_from("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, "error(1009)", false);
}

Test(websocket_frame, a_message_beyond_the_limit_is_refused_at_its_head)
{
    must_read_from("\x82\x7e\x01\x2d", 4, "error(1009)", false); /* 301 */
    char payload[300];
    memset(payload, 'x', sizeof(payload));
    struct bytes all = {.len = 0};
    add(&all, 2, payload, 299, false);
    add(&all, 0x80, payload, 2, false);
    must_read_from(all.data, all.len - 2, "error(1009)", false);
}

Test(websocket_frame, without_a_limit_lengths_do_not_overflow)
{
    struct weft__websocket_parser parser = {.from_client = false};
    struct transcript to = {.len = 0};
    cr_assert(read_bytes(&parser, &to, "\x02\x01x", 3));
    cr_assert_not(read_bytes(&parser, &to, "\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10));
    cr_assert_str_eq(to.text, "error(1009)");
}

Test(websocket_frame, texts_are_utf_8)
{
    static const char *const good[] = {
        "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xef\xbf\xbf",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "ascii ascii ascii\x7f",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert(weft__utf8_is_valid(good[i], strlen(good[i])), "%zu", i);
        struct transcript to = {.len = 0};
        struct weft__websocket_parser parser = {.from_client = false};
        struct bytes all = {.len = 0};
        for (size_t j = 0; good[i][j]; j++) /* each byte in a frame of its own */
            add(&all, (uint8_t)((j ? 0 : 1) | (good[i][j + 1] ? 0 : 0x80)), good[i] + j, 1, false);
        cr_assert(read_bytes(&parser, &to, all.data, all.len));
        cr_assert_eq(strncmp(to.text, "text(", 5), 0);
    }
    static const char *const bad[] = {
        "\x80",          "\xbf",         "\xc0\xaf",         "\xc1\xbf",
        "\xe0\x80\xaf",  "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80",
        "\xed\xbf\xbf",  "\xf4\x90\x80", "\xf5\x80",         "\xff",
        "\xce\xbax\xe1", "x\xc3(",       "\xf8\x88\x80",     "12345678\xfe",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_not(weft__utf8_is_valid(bad[i], strlen(bad[i])), "%zu", i);
        must_read(&(struct frame){0x81, bad[i], strlen(bad[i])}, 1, "error(1007)");
    }
    MUST_READ("error(1007)", FRAME(1, "\xce"), FRAME(0x80, ""));
    MUST_READ("error(1007)", FRAME(0x81, "cut \xf0\x90\x80"));
    MUST_READ("binary(x) ", FRAME(0x82, "x"));
}

Test(websocket_frame, a_text_that_cannot_become_one_is_refused_before_its_end)
{
    struct weft__websocket_parser parser = {.from_client = false};
    struct transcript to = {.len = 0};
    cr_assert_not(read_bytes(&parser, &to, "\x01\x7e\x01\0\xf4\x90", 6));
    cr_assert_str_eq(to.text, "error(1007)");
}

Test(websocket_frame, a_close_has_a_code_that_may_be_sent)
{
    MUST_READ("close(1005) ", FRAME(0x88, ""));
    MUST_READ("error(1002)", FRAME(0x88, "\x03"));
    MUST_READ("error(1007)", FRAME(0x88, "\x03\xe8\xff"));
    MUST_READ("error(1007)", FRAME(0x88, "\x03\xe8\xce"));
    MUST_READ("close(1001 \xce\xba) ", FRAME(0x88, "\x03\xe9\xce\xba"));
    for (unsigned code = 0; code < 65536; code++) {
        bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                    (code >= 3000 && code <= 4999);
        char frame[4] = {(char)0x88, 2, (char)(code >> 8), (char)code};
        char expected[32];
        snprintf(expected, sizeof(expected), good ? "close(%u) " : "error(1002)", code);
        struct transcript to = read_cut(frame, sizeof(frame), sizeof(frame), 0, false);
        cr_assert_str_eq(to.text, expected, "%u", code);
    }
}

Test(websocket_frame, after_an_error_there_is_nothing_else)
{
    struct weft__websocket_parser parser = {.from_client = false};
    size_t used;
    cr_assert_eq(weft__websocket_feed(&parser, "\xff", 1, &used), WEFT__WEBSOCKET_ERROR);
    cr_assert_eq(weft__websocket_feed(&parser, "\x81\x01x", 3, &used), WEFT__WEBSOCKET_ERROR);
    cr_assert_eq(used, 0);
}

Test(websocket_frame, a_mask_applies_from_any_place_in_any_alignment)
{
    uint8_t plain[40], whole[40], parts[48];
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7);
    weft__websocket_mask(whole, plain, sizeof(plain), key, 0);
    for (size_t i = 0; i < sizeof(plain); i++)
        cr_assert_eq(whole[i], plain[i] ^ key[i % 4]);
    for (size_t cut = 0; cut <= sizeof(plain); cut++)
        for (size_t shift = 0; shift < 8; shift++) {
            weft__websocket_mask(parts + shift, plain, cut, key, 0);
            weft__websocket_mask(parts + shift + cut, plain + cut, sizeof(plain) - cut, key, cut);
            cr_assert_arr_eq(parts + shift, whole, sizeof(whole));
        }
}

/* ---- The handshake's hash ---- */

static void must_hash(const char *text, const char *expected)
{
    uint8_t hash[WEFT__SHA1];
    char hex[2 * WEFT__SHA1 + 1];
    weft__sha1(text, strlen(text), hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    cr_assert_str_eq(hex, expected);
}

Test(websocket_frame, sha1_and_base64_are_those_of_the_standards)
{
    must_hash("", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    must_hash("abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    must_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
              "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    static const char *const texts[] = {"",     "",    "f",    "Zg==",   "fo",
                                        "Zm8=", "foo", "Zm9v", "foobar", "Zm9vYmFy"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i += 2) {
        char out[WEFT__BASE64_SIZE(6)];
        weft__base64(texts[i], strlen(texts[i]), out);
        cr_assert_str_eq(out, texts[i + 1]);
    }
    const char *asked = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t hash[WEFT__SHA1];
    char answer[WEFT__BASE64_SIZE(WEFT__SHA1)];
    weft__sha1(asked, strlen(asked), hash);
    weft__base64(hash, sizeof(hash), answer);
    cr_assert_str_eq(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
