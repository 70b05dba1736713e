/* SPDX-License-Identifier: MIT */
#include "net/address.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

TestSuite(address, .timeout = 20);

static const char *parsed(const char *text)
{
    static char formatted[WEFT__ADDRESS_TEXT];
    struct weft__address_spec spec;
    if (weft__address_parse(text, &spec) < 0)
        return "refused";
    return weft__address_format(&spec.address, formatted);
}

static enum weft__address_kind kind_of(const char *text)
{
    struct weft__address_spec spec;
    cr_assert_eq(weft__address_parse(text, &spec), 0, "%s", text);
    return spec.kind;
}

Test(address, text_of_what_was_read_is_the_same)
{
    static const char *const texts[] = {
        "127.0.0.1:8080", "0.0.0.0:0",         "255.255.255.255:65535", "[::1]:80",
        "[::]:1",         "[2001:db8::7]:443", "[fe80::1%lo]:22",       "unix:/run/some.sock",
        "unix:rel",       "unix:@abstract",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        cr_assert_str_eq(parsed(texts[i]), texts[i]);
}

Test(address, kinds_are_told_apart)
{
    cr_assert_eq(kind_of("10.0.0.1:1"), WEFT__ADDRESS_PLAIN);
    cr_assert_eq(kind_of("[::1]:1"), WEFT__ADDRESS_PLAIN);
    cr_assert_eq(kind_of("unix:/x"), WEFT__ADDRESS_PLAIN);
    cr_assert_eq(kind_of("localhost:1"), WEFT__ADDRESS_LOCALHOST);
    cr_assert_eq(kind_of("LocalHost:1"), WEFT__ADDRESS_LOCALHOST);
    cr_assert_eq(kind_of("*:1"), WEFT__ADDRESS_ANY);
    cr_assert_eq(kind_of("example.org:1"), WEFT__ADDRESS_NAME);
    cr_assert_eq(kind_of("example.org.:1"), WEFT__ADDRESS_NAME);
    cr_assert_eq(kind_of("a-b_c.x1:1"), WEFT__ADDRESS_NAME);
    cr_assert_eq(kind_of("3com.com:1"), WEFT__ADDRESS_NAME);
}

Test(address, name_and_port_are_taken_apart)
{
    struct weft__address_spec spec;
    cr_assert_eq(weft__address_parse("example.org:8443", &spec), 0);
    cr_assert_str_eq(spec.host, "example.org");
    cr_assert_eq(spec.port, 8443);
    cr_assert_eq(spec.address.len, 0);
    cr_assert_eq(weft__address_parse("[::1]:80", &spec), 0);
    cr_assert_str_eq(spec.host, "");
    cr_assert_eq(weft__address_port(&spec.address), 80);
}

Test(address, what_is_no_address_is_refused)
{
    static const char *const texts[] = {
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        ":80",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:0x50",
        "127.0.0.1:000080",
        "::1",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[::1%]:80",
        "[::1%nosuchif]:80",
        "[::1%0]:80",
        "[g::]:80",
        "[localhost]:80",
        "a b:80",
        "a/b:80",
        ".a:80",
        "a..b:80",
        "-a:80",
        "a\n:80",
        "127.1:80",
        "1.2.3.4.5:80",
        "0x7f000001:80",
        "0x7f.1:80",
        "2130706433:80",
        "1.2.3.256:80",
        "**:80",
        "*",
        "unix:",
        "unix:@",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        cr_assert_str_eq(parsed(texts[i]), "refused", "%s", texts[i]);
    struct weft__address_spec spec;
    cr_assert_eq(weft__address_parse(NULL, &spec), -EINVAL);
}

Test(address, names_are_as_long_as_they_may_be_and_no_longer)
{
    char text[400];
    for (size_t len = 250; len < 260; len++) {
        memset(text, 'a', len);
        snprintf(text + len, sizeof(text) - len, ":80");
        cr_assert_str_eq(parsed(text), len <= 253 ? "?" : "refused", "%zu", len);
    }
    for (size_t len = 105; len < 112; len++) {
        size_t prefix = strlen("unix:");
        memcpy(text, "unix:", prefix);
        memset(text + prefix, 'a', len);
        text[prefix + len] = 0;
        cr_assert_str_eq(parsed(text), len <= 107 ? text : "refused", "%zu", len);
    }
}

Test(address, text_of_anything_fits)
{
    char text[WEFT__ADDRESS_TEXT];
    struct weft__address address = {0};
    cr_assert_str_eq(weft__address_format(&address, text), "?");
    weft__address_set_any(&address, AF_INET6, 65535);
    memset(&address.u.in6.sin6_addr, 0xff, sizeof(address.u.in6.sin6_addr));
    address.u.in6.sin6_scope_id = 4000000000U;
    cr_assert_str_eq(weft__address_format(&address, text),
                     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4000000000]:65535");
    struct sockaddr_un full = {.sun_family = AF_UNIX};
    memset(full.sun_path, 'p', sizeof(full.sun_path)); /* the kernel need not terminate it */
    cr_assert_eq(weft__address_set(&address, (struct sockaddr *)&full, sizeof(full)), 0);
    cr_assert_eq(strlen(weft__address_format(&address, text)), 5 + sizeof(full.sun_path));
    struct sockaddr other = {.sa_family = AF_NETLINK};
    cr_assert_eq(weft__address_set(&address, &other, sizeof(other)), -EAFNOSUPPORT);
    cr_assert_str_eq(weft__address_format(&address, text), "?");
}
