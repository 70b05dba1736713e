/* SPDX-License-Identifier: MIT */
/* The text of HTTP: character classes, lists, escapes, queries, targets. */
#include <criterion/criterion.h>

#include "net/http/parser/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define SUB_DELIMS "!$&'()*+,;="

static struct weft__http_slice slice(const char *text)
{
    return (struct weft__http_slice){text, strlen(text)};
}

static bool slice_is(struct weft__http_slice text, const char *expected)
{
    return text.len == strlen(expected) && memcmp(text.data, expected, text.len) == 0;
}

Test(http_text, classes_are_those_of_the_grammars)
{
    static const struct {
        int class_bits;
        const char *members;
    } rows[] = {
        {WEFT__HTTP_TCHAR, ALPHANUMERIC "!#$%&'*+-.^_`|~"},
        {WEFT__HTTP_HEX, "0123456789abcdefABCDEF"},
        {WEFT__HTTP_HOST, ALPHANUMERIC "-._~" SUB_DELIMS},
        {WEFT__HTTP_PATH, ALPHANUMERIC "-._~" SUB_DELIMS ":@/[]|^"},
        {WEFT__HTTP_QUERY, ALPHANUMERIC "-._~" SUB_DELIMS ":@/[]|^?{}`\\"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int c = 0; c < 256; c++) {
            bool member = c != 0 && strchr(rows[i].members, c) != NULL;
            cr_assert_eq(weft__http_is((char)c, rows[i].class_bits), member, "class %d, byte %d",
                         rows[i].class_bits, c);
        }
    }
}

Test(http_text, hex_digits_have_values)
{
    for (int c = 0; c < 256; c++) {
        const char text[] = {(char)c, '\0'};
        int expected = weft__http_is((char)c, WEFT__HTTP_HEX) ? (int)strtol(text, NULL, 16) : -1;
        cr_assert_eq(weft__http_hex_value((char)c), expected, "byte %d", c);
    }
}

Test(http_text, control_characters_are_found_wherever_they_are)
{
    char text[20];
    for (int c = 0; c < 256; c++) {
        bool expected = (c < 0x20 && c != '\t') || c == 0x7f;
        for (size_t len = 1; len <= sizeof text; len++) {
            for (size_t at = 0; at < len; at++) {
                memset(text, at % 2 ? '\t' : 0x80, sizeof text);
                text[at] = (char)c;
                cr_assert_eq(weft__http_has_control(text, len), expected, "byte %d at %zu of %zu",
                             c, at, len);
            }
        }
    }
    cr_assert_not(weft__http_has_control("", 0));
}

Test(http_text, the_first_control_character_of_eight_is_marked)
{
    for (int c = 0; c < 256; c++) {
        for (int first = 0; first < 8; first++) {
            char text[8];
            memset(text, c, sizeof text); /* what is behind the first one is not to matter */
            memset(text, 0x80, (size_t)first);
            text[first] = '\n';
            cr_assert_eq(__builtin_ctzll(weft__http_controls(text)) / 8, first);
        }
    }
}

Test(http_text, texts_are_equal_whatever_their_case)
{
    cr_assert(weft__http_equal(slice("Content-LENGTH"), "content-length", 14));
    cr_assert(weft__http_equal(slice(""), "", 0));
    cr_assert_not(weft__http_equal(slice("Hos"), "host", 4));
    cr_assert_not(weft__http_equal(slice("hosts"), "host", 4));
    cr_assert_not(weft__http_equal(slice("@[`{"), "`{@[", 4));
    cr_assert_not(weft__http_equal(slice("a-b"), "a\rb", 3));
}

Test(http_text, lists_have_their_elements_whole)
{
    cr_assert(weft__http_list_has(slice("close"), "close"));
    cr_assert(weft__http_list_has(slice("a, \tCLOSE ,b"), "close"));
    cr_assert(weft__http_list_has(slice(",,close"), "close"));
    cr_assert_not(weft__http_list_has(slice(""), "close"));
    cr_assert_not(weft__http_list_has(slice("closed"), "close"));
    cr_assert_not(weft__http_list_has(slice("not close"), "close"));
    cr_assert_not(weft__http_list_has(slice("close;q=1"), "close"));
    cr_assert_not(weft__http_list_has(slice(",,"), ""));
    cr_assert_not(weft__http_list_has((struct weft__http_slice){NULL, 0}, "close"));
}

Test(http_text, lists_give_empty_elements_too)
{
    static const char *const elements[] = {"a", "", "b c", ""};
    struct weft__http_slice list = slice(" a,,\tb c ,");
    struct weft__http_slice element;
    for (size_t i = 0; i < 4; i++) {
        cr_assert(weft__http_list_next(&list, &element));
        cr_assert(slice_is(element, elements[i]), "element %zu", i);
    }
    cr_assert_not(weft__http_list_next(&list, &element));
}

Test(http_text, paths_are_decoded_and_plus_is_plus)
{
    char buf[16];
    size_t len = 0;
    cr_assert_eq(weft__http_decode_path(slice("/a+%41%2f%fF"), buf, sizeof buf, &len), 0);
    cr_assert_eq(len, 6);
    cr_assert_str_eq(buf, "/a+A/\xff");
    cr_assert_eq(weft__http_decode_path((struct weft__http_slice){NULL, 0}, buf, 1, &len), 0);
    cr_assert_eq(len, 0);
    cr_assert_str_eq(buf, "");
}

Test(http_text, forms_are_decoded_and_plus_is_space)
{
    char buf[16];
    cr_assert_eq(weft__http_decode_form(slice("a+b%2B"), buf, sizeof buf, NULL), 0);
    cr_assert_str_eq(buf, "a b+");
}

Test(http_text, decoding_works_in_place)
{
    char buf[] = "%2e%2E/%25";
    size_t len;
    struct weft__http_slice text = slice(buf);
    cr_assert_eq(weft__http_decode_path(text, buf, sizeof buf, &len), 0);
    cr_assert_str_eq(buf, "../%");
}

Test(http_text, unsound_escapes_are_refused)
{
    static const char *const rows[] = {"%", "a%4", "%4g", "%g4", "%%41", "%00", "a%00b", "% 1"};
    char buf[16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = 77;
        cr_assert_eq(weft__http_decode_path(slice(rows[i]), buf, sizeof buf, &len), -EINVAL);
        cr_assert_eq(len, 77);
    }
    const struct weft__http_slice with_nul = {"a\0b", 3};
    cr_assert_eq(weft__http_decode_path(with_nul, buf, sizeof buf, NULL), -EINVAL);
}

Test(http_text, decoding_never_writes_beyond_the_buffer)
{
    char *buf = malloc(3);
    size_t len = 77;
    cr_assert_eq(weft__http_decode_path(slice("ab"), buf, 3, &len), 0);
    cr_assert_eq(len, 2);
    cr_assert_eq(weft__http_decode_path(slice("abc"), buf, 3, &len), -ENOSPC);
    cr_assert_eq(weft__http_decode_path(slice("abcd"), buf, 3, &len), -ENOSPC);
    cr_assert_eq(weft__http_decode_path(slice(""), buf, 0, &len), -ENOSPC);
    cr_assert_eq(len, 2);
    free(buf);
}

Test(http_text, queries_are_walked_piece_by_piece)
{
    static const char *const pieces[][2] = {{"a", "1"}, {"b", NULL}, {"", "x=y"}, {"c", ""}};
    struct weft__http_slice query = slice("&a=1&&b&=x=y&c=&");
    struct weft__http_slice name;
    struct weft__http_slice value;
    for (size_t i = 0; i < 4; i++) {
        cr_assert(weft__http_query_next(&query, &name, &value));
        cr_assert(slice_is(name, pieces[i][0]));
        cr_assert_eq(value.data == NULL, pieces[i][1] == NULL);
        cr_assert(value.data == NULL || slice_is(value, pieces[i][1]));
    }
    cr_assert_not(weft__http_query_next(&query, &name, &value));
}

Test(http_text, query_parameters_are_found_by_their_decoded_name)
{
    const struct weft__http_slice query = slice("ms=5&n%61me=a%20b+c&ms=6&bad=%00&flag");
    char buf[8];
    size_t len = 0;
    cr_assert_eq(weft__http_query_get(query, "ms", buf, sizeof buf, &len), 0);
    cr_assert_str_eq(buf, "5");
    cr_assert_eq(weft__http_query_get(query, "name", buf, sizeof buf, &len), 0);
    cr_assert_str_eq(buf, "a b c");
    cr_assert_eq(len, 5);
    cr_assert_eq(weft__http_query_get(query, "flag", buf, sizeof buf, &len), 0);
    cr_assert_str_eq(buf, "");
    cr_assert_eq(weft__http_query_get(query, "bad", buf, sizeof buf, &len), -EINVAL);
    cr_assert_eq(weft__http_query_get(query, "name", buf, 5, &len), -ENOSPC);
    cr_assert_eq(weft__http_query_get(query, "m", buf, sizeof buf, &len), -ENOENT);
    cr_assert_eq(weft__http_query_get(query, "mss", buf, sizeof buf, &len), -ENOENT);
    cr_assert_eq(weft__http_query_get((struct weft__http_slice){NULL, 0}, "a", buf, 8, &len),
                 -ENOENT);
}

/* How many bytes of the first `len` are skipped. */
static size_t skipped(const char *text, size_t len)
{
    return (size_t)(weft__http_skip_escaped(text, text + len, WEFT__HTTP_PATH) - text);
}

Test(http_text, escapes_are_skipped_whole_and_never_beyond_the_end)
{
    cr_assert_eq(skipped("/a%41b", 6), 6);
    cr_assert_eq(skipped("/a b", 4), 2);
    cr_assert_eq(skipped("/%0041", 6), 1);
    cr_assert_eq(skipped("/%0141", 6), 6);
    cr_assert_eq(skipped("/%1041", 6), 6);
    cr_assert_eq(skipped("/%41", 3), 1);
    cr_assert_eq(skipped("/%41", 2), 1);
    cr_assert_eq(skipped("", 0), 0);
}

Test(http_text, authorities_end_where_they_are_said_to)
{
    const char *text = "[::1]:8080";
    static const bool expected[] = {false, false, false, false, false, true,
                                    true,  true,  true,  true,  true};
    for (size_t len = 0; len <= 10; len++)
        cr_assert_eq(weft__http_is_authority((struct weft__http_slice){text, len}), expected[len]);
}

Test(http_text, targets_are_taken_apart)
{
    struct weft__http_target parts;
    cr_assert(weft__http_split_target(slice("http://a:1/b?c"), &parts));
    cr_assert(slice_is(parts.host, "a:1"));
    cr_assert(slice_is(parts.path, "/b"));
    cr_assert(slice_is(parts.query, "c"));
    cr_assert(weft__http_split_target(slice("/"), &parts));
    cr_assert_null(parts.host.data);
    cr_assert_null(parts.query.data);
    cr_assert_not(weft__http_split_target(slice(""), &parts));
    cr_assert_not(weft__http_split_target((struct weft__http_slice){"http://a", 7}, &parts));
    cr_assert_not(weft__http_split_target((struct weft__http_slice){"https://a", 8}, &parts));
}

Test(http_text, trailers_may_not_frame_or_route)
{
    cr_assert(weft__http_may_be_trailer(slice("Digest")));
    cr_assert(weft__http_may_be_trailer(slice("Hosts")));
    cr_assert_not(weft__http_may_be_trailer(slice("HOST")));
    cr_assert_not(weft__http_may_be_trailer(slice("Transfer-Encoding")));
    cr_assert_not(weft__http_may_be_trailer(slice("www-authenticate")));
}

Test(http_text, methods_are_known_letter_for_letter)
{
    cr_assert_eq(weft__http_method_id("GET"), WEFT__HTTP_METHOD_GET);
    cr_assert_eq(weft__http_method_id("HEAD"), WEFT__HTTP_METHOD_HEAD);
    cr_assert_eq(weft__http_method_id("OPTIONS"), WEFT__HTTP_METHOD_OPTIONS);
    cr_assert_eq(weft__http_method_id("TRACE"), WEFT__HTTP_METHOD_TRACE);
    cr_assert_eq(weft__http_method_id("get"), WEFT__HTTP_METHOD_OTHER);
    cr_assert_eq(weft__http_method_id("GETS"), WEFT__HTTP_METHOD_OTHER);
    cr_assert_eq(weft__http_method_id("OPTIONSX"), WEFT__HTTP_METHOD_OTHER);
    cr_assert_eq(weft__http_method_id("CONNECT"), WEFT__HTTP_METHOD_OTHER);
}

Test(http_text, headers_are_found_whatever_their_case)
{
    static const struct weft__http_header headers[] = {
        {"Accept", "a", 6, 1}, {"X-Y", "1", 3, 1}, {"x-y", "2", 3, 1}};
    cr_assert_eq(weft__http_find(headers, 3, "X-y"), &headers[1]);
    cr_assert_eq(weft__http_find(headers, 3, "accept"), &headers[0]);
    cr_assert_null(weft__http_find(headers, 3, "X"));
    cr_assert_null(weft__http_find(headers, 0, "Accept"));
}

Test(http_text, status_phrases_are_known)
{
    cr_assert_str_eq(weft__http_status_text(200), "OK");
    cr_assert_str_eq(weft__http_status_text(431), "Request Header Fields Too Large");
    cr_assert_str_eq(weft__http_status_text(505), "HTTP Version Not Supported");
    cr_assert_str_eq(weft__http_status_text(299), "Unknown");
}
