/* SPDX-License-Identifier: MIT */
/* The parser of PROXY headers. test_listen_proxy.c has the listeners that ask for one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/error.h>

#include "net/listen/proxy_header.h"

/* A string literal as the arguments `bytes, len`; it may have NULs in it. */
#define BYTES(text) text, sizeof(text) - 1
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const char *why;

static int parse(const char *bytes, size_t len, struct weft__proxy_header *ret)
{
    why = "";
    return weft__proxy_header_parse(bytes, len, ret, &why);
}

/* It says so, byte for byte: every beginning of it goes on, and what follows it is not looked at. */
static void check_says(const char *bytes, size_t len, const char *source, const char *destination)
{
    struct weft__proxy_header header;
    char text[WEFT__ADDRESS_TEXT], longer[1024];
    for (size_t i = 0; i < len; i++)
        cr_assert_eq(parse(bytes, i, &header), -EAGAIN, "%zu bytes of %zu: %s", i, len, why);
    cr_assert_lt(len, sizeof(longer) - 8);
    memcpy(longer, bytes, len);
    memcpy(longer + len, "PROXY \r\n", 8);
    for (size_t more = 0; more <= 8; more++) {
        cr_assert_eq(parse(longer, len + more, &header), 0, "%s", why);
        cr_assert_eq(header.len, len);
        cr_assert_str_eq(weft__address_format(&header.source, text), source);
        cr_assert_str_eq(weft__address_format(&header.destination, text), destination);
    }
}

/* It is refused when `after` bytes are there, not before, and stays so. */
static void check_refused_after(size_t after, const char *bytes, size_t len)
{
    struct weft__proxy_header header = {.len = 4711};
    for (size_t i = 0; i < after; i++)
        cr_assert_eq(parse(bytes, i, &header), -EAGAIN, "%zu bytes of %zu: %s", i, len, why);
    for (size_t i = after; i <= len; i++) {
        cr_assert_eq(parse(bytes, i, &header), WEFT_EPROTO, "%zu bytes of %zu", i, len);
        cr_assert_gt(strlen(why), 0);
    }
    cr_assert_eq(header.len, 4711, "it is untouched");
}

static void check_line_refused(const char *line)
{
    check_refused_after(strlen(line), line, strlen(line));
}

/* ---- Version 1 ---- */

Test(proxy_header, version_1_names_both_ends)
{
    check_says(BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"), "192.0.2.1:40000",
               "198.51.100.2:443");
    check_says(BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
               "255.255.255.255:65535", "255.255.255.255:65535");
    check_says(BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0", "0.0.0.0:0");
    check_says(BYTES("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "[2001:db8::1]:1", "[::1]:2");
    check_says(BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), "[::ffff:192.0.2.1]:1", "[::1]:2");
}

Test(proxy_header, unknown_is_fine_with_anything_behind_it)
{
    check_says(BYTES("PROXY UNKNOWN\r\n"), "?", "?");
    check_says(BYTES("PROXY UNKNOWN \r\n"), "?", "?");
    check_says(BYTES("PROXY UNKNOWN what ever \0 it is\r\n"), "?", "?");
    check_says(BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
               "?", "?"); /* the longest of the specification: 107 bytes */
    check_line_refused("PROXY UNKNOWNS\r\n");
    check_line_refused("PROXY unknown\r\n");
}

Test(proxy_header, version_1_ends_within_107_bytes)
{
    char line[200] = "PROXY UNKNOWN ";
    memset(line + 14, 'x', sizeof(line) - 14);
    check_refused_after(WEFT__PROXY_V1_MOST, line, sizeof(line));
    line[106] = '\r';
    line[107] = '\n';
    check_refused_after(WEFT__PROXY_V1_MOST, line, 108);
    line[105] = '\r';
    line[106] = '\n';
    check_says(line, 107, "?", "?");
}

Test(proxy_header, version_1_has_one_form)
{
    static const char *const lines[] = {
        "PROXY \r\n",
        "PROXY TCP\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1  2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2\r\n",
        "PROXY TCP4 192.0.2.1 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
        "PROXY TCP4 0xc0.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        "PROXY TCP4 localhost 192.0.2.2 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n",
        "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2x\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 123456\r\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        check_line_refused(lines[i]);
    check_line_refused("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n");
    check_line_refused("PROXY UNKNOWN\n");
    check_line_refused("PROXY UNKNOWN\rx");
    check_line_refused("PROXY UNKNOWN\r\r");
}

Test(proxy_header, nul_is_no_end_of_an_address)
{
    static const char address[] = "PROXY TCP4 192.0.2.1\0x 192.0.2.2 1 2\r\n";
    static const char port[] = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\0x\r\n";
    check_refused_after(sizeof(address) - 1, BYTES(address));
    check_refused_after(sizeof(port) - 1, BYTES(port));
}

/* ---- Version 2 ---- */

#define V2_IN4 SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x9c\x40\1\xbb"

Test(proxy_header, version_2_names_both_ends)
{
    check_says(BYTES(V2_IN4), "192.0.2.1:40000", "198.51.100.2:443");
    check_says(BYTES(SIGNATURE "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x9c\x40\1\xbb"),
               "192.0.2.1:40000", "198.51.100.2:443");
    check_says(BYTES(SIGNATURE "\x21\x21\0\x24"
                               "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                               "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2"),
               "[2001:db8::1]:1", "[::1]:2");
}

static size_t unix_header(char bytes[256], const char *source, size_t source_len,
                          const char *destination, size_t destination_len)
{
    memset(bytes, 0, 256);
    memcpy(bytes, BYTES(SIGNATURE "\x21\x31\0\xd8"));
    memcpy(bytes + 16, source, source_len);
    memcpy(bytes + 16 + 108, destination, destination_len);
    return 16 + 216;
}

Test(proxy_header, version_2_names_unix_sockets)
{
    char bytes[256], longest[109];
    memset(longest, 'x', 108);
    longest[108] = 0;
    longest[0] = '/';
    check_says(bytes, unix_header(bytes, BYTES("/run/a"), BYTES("\0abstract")), "unix:/run/a",
               "unix:@abstract");
    check_says(bytes, unix_header(bytes, BYTES(""), BYTES("/b\0rubbish")), "unix:", "unix:/b");
    struct weft__proxy_header header;
    size_t len = unix_header(bytes, longest, 108, BYTES(""));
    cr_assert_eq(parse(bytes, len, &header), 0);
    cr_assert_eq(header.source.len, offsetof(struct sockaddr_un, sun_path) + 108);
}

Test(proxy_header, version_2_may_say_nothing)
{
    check_says(BYTES(SIGNATURE "\x20\0\0\0"), "?", "?");
    check_says(BYTES(SIGNATURE "\x20\xff\0\3abc"), "?", "?"); /* LOCAL: nothing else counts */
    check_says(BYTES(SIGNATURE "\x20\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x9c\x40\1\xbb"), "?", "?");
    check_says(BYTES(SIGNATURE "\x21\0\0\0"), "?", "?");
    check_says(BYTES(SIGNATURE "\x21\0\0\3abc"), "?",
               "?"); /* UNSPEC: nobody knows where TLVs begin */
}

#define V2_WITH(len, tlvs) SIGNATURE "\x21\x11\0" len "\xc0\0\2\1\xc6\x33\x64\2\x9c\x40\1\xbb" tlvs

Test(proxy_header, version_2_skips_what_it_does_not_know)
{
    check_says(BYTES(V2_WITH("\x0f", "\4\0\0")), "192.0.2.1:40000", "198.51.100.2:443");
    check_says(BYTES(V2_WITH("\x17", "\1\0\2h2\xee\0\3abc")), "192.0.2.1:40000",
               "198.51.100.2:443");
}

Test(proxy_header, version_2_lengths_have_to_add_up)
{
    check_refused_after(16, BYTES(V2_WITH("\x0b", "")));
    check_refused_after(29, BYTES(V2_WITH("\x0d", "\4")));
    check_refused_after(30, BYTES(V2_WITH("\x0e", "\4\0")));
    check_refused_after(31, BYTES(V2_WITH("\x0f", "\4\0\1")));
    check_refused_after(34, BYTES(V2_WITH("\x12", "\4\0\0\4\xff\xff")));
    check_refused_after(16, BYTES(SIGNATURE "\x21\x21\0\x23"));
    check_refused_after(16, BYTES(SIGNATURE "\x21\x31\0\xd7"));
}

Test(proxy_header, version_2_has_no_other_versions_commands_and_families)
{
    static const unsigned char commands[] = {0x00, 0x10, 0x11, 0x22, 0x2f, 0x30, 0xff};
    char bytes[16] = SIGNATURE;
    for (size_t i = 0; i < sizeof(commands); i++) {
        bytes[12] = (char)commands[i];
        check_refused_after(13, bytes, 16);
    }
    bytes[12] = 0x21;
    for (unsigned family = 0; family < 256; family++) {
        struct weft__proxy_header header;
        bool known = family == 0 || family == 0x11 || family == 0x12 || family == 0x21 ||
                     family == 0x22 || family == 0x31 || family == 0x32;
        bytes[13] = (char)family;
        cr_assert_eq(parse(bytes, 14, &header), known ? -EAGAIN : WEFT_EPROTO, "%#x", family);
    }
}

Test(proxy_header, longest_one_is_read)
{
    static char bytes[WEFT__PROXY_MOST] = V2_IN4;
    struct weft__proxy_header header;
    bytes[14] = bytes[15] = (char)0xff;
    bytes[28] = 4;
    size_t value = 65535 - 12 - 3;
    bytes[29] = (char)(value >> 8);
    bytes[30] = (char)(value & 0xff);
    cr_assert_eq(parse(bytes, sizeof(bytes) - 1, &header), -EAGAIN);
    cr_assert_eq(parse(bytes, sizeof(bytes), &header), 0, "%s", why);
    cr_assert_eq(header.len, sizeof(bytes));
}

/* ---- Neither ---- */

Test(proxy_header, what_is_none_is_refused_at_its_first_byte)
{
    check_refused_after(1, BYTES("GET / HTTP/1.1\r\n"));
    check_refused_after(1, BYTES("\x16\3\1\2\0"));
    check_refused_after(2, BYTES("POST / HTTP/1.1\r\n"));
    check_refused_after(6, BYTES("PROXYTCP4 "));
    check_refused_after(5, BYTES("\r\n\r\n\r\n"));
    check_refused_after(12, BYTES("\r\n\r\n\0\r\nQUIT\r"));
}
