/* SPDX-License-Identifier: MIT */
/* The parser of multipart/form-data: bytes in, parts out, however they are cut. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "net/http/forms/multipart.h"

TestSuite(http_multipart, .timeout = 60);

static struct weft__http_multipart parser;

static char text[4000];

static void note(const char *mark, const char *what)
{
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", mark, what);
}

/* What is read, in pieces that end at `first` and `second`. */
static const char *read_cut(const char *body, size_t len, size_t first, size_t second)
{
    const size_t ends[] = {first, second, len};
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < 3; i++) {
        for (;;) {
            size_t used;
            enum weft__multipart_event event =
                weft__http_multipart_feed(&parser, body + at, ends[i] - at, &used);
            at += used;
            if (event == WEFT__MULTIPART_ERROR) {
                note("!", parser.reason);
                return text;
            }
            if (event == WEFT__MULTIPART_MORE) {
                cr_assert_eq(at, ends[i]);
                break;
            }
            if (event == WEFT__MULTIPART_PART) {
                note("<", parser.name);
                note("|", parser.filename ? parser.filename : "-");
                note("|", parser.content_type ? parser.content_type : "-");
                note(">", "");
            }
            if (event == WEFT__MULTIPART_DATA) {
                char piece[3000];
                cr_assert(parser.data.len > 0);
                snprintf(piece, sizeof(piece), "%.*s", (int)parser.data.len, parser.data.data);
                note("", piece);
            }
            if (event == WEFT__MULTIPART_END)
                note("<>", "");
        }
    }
    note("", weft__http_multipart_is_whole(&parser) ? "." : "…");
    return text;
}

/* Read whole, and cut at each place, and at each two of short ones. */
static void must_read(const char *body, const char *expected)
{
    size_t len = strlen(body);
    for (size_t first = 0; first <= len; first++) {
        for (size_t second = first; second <= len; second += len > 200 ? len : 1) {
            cr_assert(weft__http_multipart_init(&parser, "multipart/form-data; boundary=B"));
            read_cut(body, len, first, second);
            cr_assert_str_eq(text, expected, "cut at %zu and %zu: %s", first, second, text);
        }
    }
}

#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

Test(http_multipart, parts_are_read_however_they_are_cut)
{
    must_read("--B\r\n" FIELD("a") "\r\none\r\n--B--\r\n", "<a|-|->one<>.");
    must_read("--B\r\n" FIELD("a") "\r\none\r\n--B\r\n" FIELD("b") "\r\ntwo\r\n--B--",
              "<a|-|->one<><b|-|->two<>.");
    must_read("--B\r\n" FIELD("a") "\r\n\r\n--B--\r\n", "<a|-|-><>.");
    must_read("--B--", ".");
}

Test(http_multipart, what_looks_like_the_boundary_is_content)
{
    must_read("--B\r\n" FIELD("a") "\r\n\r\n\r\r\n-\r\n--\r\n--A\n--B--B\r\n--B--",
              "<a|-|->\r\n\r\r\n-\r\n--\r\n--A\n--B--B<>.");
    must_read("--B\r\n" FIELD("a") "\r\n\r\r\r\r\n--B--", "<a|-|->\r\r\r<>.");
    must_read("--B\r\n" FIELD("a") "\r\n--B\r\n--B--", "<a|-|->--B<>.");
}

Test(http_multipart, files_have_a_name_and_a_type)
{
    must_read("--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a b.txt\"\r\n"
              "Content-Type: text/plain\r\n\r\nx\r\n--B--",
              "<f|a b.txt|text/plain>x<>.");
    must_read("--B\r\ncontent-type:  image/png \r\nX-Other: y\r\n"
              "content-disposition:form-data;filename=f.png ; name=n\r\n\r\nx\r\n--B--",
              "<n|f.png|image/png>x<>.");
    must_read("--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n--B--",
              "<f||-><>.");
    must_read("--B\r\nContent-Disposition: form-data; name=f; filename*=UTF-8''x\r\n"
              "Content-Transfer-Encoding: binary\r\n\r\nx\r\n--B--",
              "<f|-|->x<>.");
}

Test(http_multipart, a_files_name_is_never_a_path)
{
    static const char *const names[][2] = {
        {"../../etc/passwd", "passwd"},
        {"/etc/passwd", "passwd"},
        {"C:\\\\dir\\\\a.txt", "a.txt"},
        {"C:\\dir\\a.txt", "a.txt"},
        {"a\\\"b", "a\"b"},
        {"..", ".."},
        {"a/", ""},
        {"\xC3\xBC.txt", "\xC3\xBC.txt"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char body[300], expected[100];
        snprintf(
            body, sizeof(body),
            "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"%s\"\r\n\r\n\r\n--B--",
            names[i][0]);
        snprintf(expected, sizeof(expected), "<f|%s|-><>.", names[i][1]);
        must_read(body, expected);
    }
}

Test(http_multipart, what_is_cut_off_is_not_whole)
{
    must_read("", "…");
    must_read("--B\r\n" FIELD("a") "\r\non", "<a|-|->on…");
    must_read("--B\r\n" FIELD("a") "\r\none\r\n--B", "<a|-|->one<>…");
    must_read("--B\r\n" FIELD("a") "\r\none\r\n--B-", "<a|-|->one<>…");
    must_read("--B\r\n" FIELD("a"), "…");
    must_read("--B--\r", "…");
}

Test(http_multipart, what_is_malformed_is_refused)
{
#define HEAD_IS(lines) "--B\r\n" lines "\r\n\r\n--B--"
    static const char begin[] = "!it does not begin with its boundary";
    static const char head[] = "!malformed head of a part";
    static const char control[] = "!control character in the head of a part";
    must_read("x--B--", begin);
    must_read("\r\n--B--", begin);
    must_read("--C--", begin);
    must_read("--B \r\n", "!malformed boundary");
    must_read("--B\n", "!malformed boundary");
    must_read("--B-x", "!malformed boundary");
    must_read("--B--x", "!something behind the last boundary");
    must_read("--B--\r\nx", "!something behind the last boundary");
    must_read(HEAD_IS(""), "!a part without a name");
    must_read(HEAD_IS("X: y\r\n"), "!a part without a name");
    must_read(HEAD_IS("X\r\n"), head);
    must_read(HEAD_IS("X : y\r\n"), head);
    must_read(HEAD_IS(": y\r\n"), head);
    must_read(HEAD_IS(" folded\r\n"), head);
    must_read(HEAD_IS("X: y\n"), control);
    must_read(HEAD_IS("X: y\rz\r\n"), control);
    must_read(HEAD_IS("X: \x01\r\n"), control);
    must_read(HEAD_IS("X: \x7f\r\n"), control);
    must_read(HEAD_IS("Content-Disposition: form-data\r\n"), head);
    must_read(HEAD_IS("Content-Disposition: attachment; name=a\r\n"), head);
    must_read(HEAD_IS("Content-Disposition: form-data; name=a; name=b\r\n"), head);
    must_read(HEAD_IS("Content-Disposition: form-data; name=a; filename=b; filename=c\r\n"), head);
    must_read(HEAD_IS("Content-Disposition: form-data; name=\"a\r\n"), head);
    must_read(HEAD_IS("Content-Disposition: form-data; name=\"a\\\"\r\n"), head);
    must_read(HEAD_IS("Content-Disposition: form-data; name=\r\n"), head);
    must_read(HEAD_IS("Content-Disposition: form-data; name=\"a\"x\r\n"), head);
    must_read(HEAD_IS("Content-Disposition: form-data name=a\r\n"), head);
    must_read(HEAD_IS(FIELD("a") FIELD("b")), head);
    must_read(HEAD_IS(FIELD("a") "Content-Type: a\r\nContent-Type: b\r\n"), head);
    must_read(HEAD_IS(FIELD("a") "Content-Transfer-Encoding: base64\r\n"), head);
}

Test(http_multipart, a_nul_in_a_head_is_refused)
{
    static const char body[] = "--B\r\nX: \0y\r\n";
    cr_assert(weft__http_multipart_init(&parser, "multipart/form-data; boundary=B"));
    cr_assert_eq(read_cut(body, sizeof(body) - 1, 3, 9)[0], '!');
}

Test(http_multipart, a_head_has_its_limit)
{
    static char body[WEFT__MULTIPART_HEAD + 200];
    static const char begin[] = "--B\r\n" FIELD("a") "X: ";
    size_t head = WEFT__MULTIPART_HEAD - (sizeof(begin) - 1 - 5) - 4;
    for (size_t more = 0; more < 2; more++) {
        memcpy(body, begin, sizeof(begin) - 1);
        memset(body + sizeof(begin) - 1, 'x', head + more);
        snprintf(body + sizeof(begin) - 1 + head + more, 50, "\r\n\r\ny\r\n--B--");
        must_read(body, more ? "!the head of a part is too long" : "<a|-|->y<>.");
    }
}

Test(http_multipart, the_type_tells_the_boundary)
{
    static const char *const good[] = {
        "multipart/form-data; boundary=B",
        "Multipart/Form-Data;boundary=\"B\"",
        "multipart/form-data ; charset=utf-8; Boundary=B",
        "multipart/form-data; boundary=B ",
    };
    static const char *const bad[] = {
        "",
        "multipart/mixed; boundary=B",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a b\"",
        "multipart/form-data; boundary=\"a\\\"b\"",
        "multipart/form-data; boundary=B; boundary=C",
        "multipart/form-data boundary=B",
        "multipart/form-datax; boundary=B",
        "multipart/form-data; boundary=\"B",
        ("multipart/form-data; "
         "boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert(weft__http_multipart_init(&parser, good[i]), "%s", good[i]);
        cr_assert_str_eq(parser.delimiter, "\r\n--B");
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not(weft__http_multipart_init(&parser, bad[i]), "%s", bad[i]);
    cr_assert_not(weft__http_multipart_init(&parser, NULL));
}
