/* SPDX-License-Identifier: MIT */
#include "net/resolve/address.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>

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
        "127.0.0.1:8080",
        "0.0.0.0:0",
        "255.255.255.255:65535",
        "[::1]:80",
        "[::]:1",
        "[2001:db8::7]:443",
        "[fe80::1%lo]:22",
        "unix:/run/some.sock",
        "unix:rel",
        "unix:@abstract",
        "fd:3",
        "fd:0",
        "[::1]:65535",
        "[fe80::1%4000000]:22",
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
    cr_assert_eq(kind_of("fd:3"), WEFT__ADDRESS_FD);
    cr_assert_eq(kind_of("fd.:3"), WEFT__ADDRESS_NAME);
    cr_assert_eq(kind_of("localhost:http"), WEFT__ADDRESS_LOCALHOST);
    cr_assert_eq(kind_of("*:http"), WEFT__ADDRESS_ANY);
    cr_assert_eq(kind_of("localhost:gopher"), WEFT__ADDRESS_NAME);
    cr_assert_eq(kind_of("127.0.0.1:gopher"), WEFT__ADDRESS_NAME);
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

Test(address, services_that_all_know_are_numbers_at_once)
{
    cr_assert_str_eq(parsed("127.0.0.1:http"), "127.0.0.1:80");
    cr_assert_str_eq(parsed("[::1]:https"), "[::1]:443");
    cr_assert_str_eq(parsed("[fe80::1%lo]:ssh"), "[fe80::1%lo]:22");
    cr_assert_str_eq(parsed("0.0.0.0:domain"), "0.0.0.0:53");
    struct weft__address_spec spec;
    cr_assert_eq(weft__address_parse("example.org:imaps", &spec), 0);
    cr_assert_eq(spec.port, 993);
    cr_assert_str_eq(spec.service, "");
}

Test(address, other_services_make_a_name_of_any_host)
{
    struct weft__address_spec spec;
    cr_assert_eq(weft__address_parse("example.org:gopher", &spec), 0);
    cr_assert_str_eq(spec.host, "example.org");
    cr_assert_str_eq(spec.service, "gopher");
    cr_assert_eq(weft__address_parse("[fe80::1%lo]:x11-1", &spec), 0);
    cr_assert_eq(spec.kind, WEFT__ADDRESS_NAME);
    cr_assert_str_eq(spec.host, "fe80::1%lo");
    cr_assert_str_eq(spec.service, "x11-1");
    cr_assert_gt(spec.address.len, 0, "it is a number all the same");
    cr_assert_eq(weft__address_parse("localhost:gopher", &spec), 0);
    cr_assert_str_eq(spec.host, "localhost");
    cr_assert_eq(spec.address.len, 0);
}

Test(address, host_and_service_are_read_apart)
{
    struct weft__address_spec spec;
    cr_assert_eq(weft__address_parse_host("::1", "80", &spec), 0);
    cr_assert_eq(spec.kind, WEFT__ADDRESS_PLAIN);
    cr_assert_eq(weft__address_port(&spec.address), 80);
    cr_assert_eq(weft__address_parse_host("example.org", NULL, &spec), 0);
    cr_assert_eq(spec.kind, WEFT__ADDRESS_NAME);
    cr_assert_eq(weft__address_parse_host("LOCALHOST", "http", &spec), 0);
    cr_assert_eq(spec.kind, WEFT__ADDRESS_LOCALHOST);
    static const char *const refused[][2] = {
        {NULL, "80"},  {"", "80"},     {"*", "80"},   {"[::1]", "80"}, {"unix:/x", "80"},
        {"a", ""},     {"a", "65536"}, {"a", "a b"},  {"a", "-1"},     {"127.1", "80"},
        {"a:b", "80"}, {"fd:3", NULL}, {"a", "0x50"}, {"::1%", "80"},  {"a\n", "80"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        cr_assert_eq(weft__address_parse_host(refused[i][0], refused[i][1], &spec), -EINVAL,
                     "%s %s", refused[i][0], refused[i][1]);
}

Test(address, lists_are_in_the_order_in_which_to_try)
{
    struct weft__address_spec spec;
    struct weft__address list[2];
    char text[WEFT__ADDRESS_TEXT];
    cr_assert_eq(weft__address_parse("localhost:7", &spec), 0);
    cr_assert_eq(weft__address_list(&spec, 0, list), 2);
    cr_assert_str_eq(weft__address_format(&list[0], text), "127.0.0.1:7");
    cr_assert_str_eq(weft__address_format(&list[1], text), "[::1]:7");
    cr_assert_eq(weft__address_list(&spec, AF_INET6, list), 1);
    cr_assert_str_eq(weft__address_format(&list[0], text), "[::1]:7");
    cr_assert_eq(weft__address_list(&spec, AF_INET, list), 1);
    cr_assert_str_eq(weft__address_format(&list[0], text), "127.0.0.1:7");
    cr_assert_eq(weft__address_parse("[::1]:7", &spec), 0);
    cr_assert_eq(weft__address_list(&spec, AF_INET, list), 0);
    cr_assert_eq(weft__address_parse("unix:/x", &spec), 0);
    cr_assert_eq(weft__address_list(&spec, 0, list), 1);
    cr_assert_eq(weft__address_parse("*:7", &spec), 0);
    cr_assert_eq(weft__address_list(&spec, 0, list), 0);
    cr_assert_eq(weft__address_parse("fd:7", &spec), 0);
    cr_assert_eq(weft__address_list(&spec, 0, list), 0);
    cr_assert_eq(weft__address_parse("a:7", &spec), 0);
    cr_assert_eq(weft__address_list(&spec, 0, list), 0);
}

static const char *host_of(const char *text)
{
    static char host[WEFT__HOST_NAME];
    struct weft__address_spec spec;
    cr_assert_eq(weft__address_parse(text, &spec), 0, "%s", text);
    return weft__address_host(&spec, host);
}

Test(address, host_is_what_the_peer_knows_it_by)
{
    cr_assert_str_eq(host_of("example.org:80"), "example.org");
    cr_assert_str_eq(host_of("example.org:gopher"), "example.org");
    cr_assert_str_eq(host_of("LOCALHOST:80"), "localhost");
    cr_assert_str_eq(host_of("localhost:gopher"), "localhost");
    cr_assert_str_eq(host_of("127.0.0.1:80"), "127.0.0.1");
    cr_assert_str_eq(host_of("127.0.0.1:gopher"), "127.0.0.1");
    cr_assert_str_eq(host_of("[fe80::1%lo]:80"), "fe80::1");
    cr_assert_str_eq(host_of("unix:/x"), "");
    cr_assert_str_eq(host_of("fd:3"), "");
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
        "fd:",
        "fd:-1",
        "fd:x",
        "fd:3 ",
        "fd:2147483648",
        "fd:http",
        "127.0.0.1:ht tp",
        "127.0.0.1:ht/tp",
        "127.0.0.1:-http",
        "127.0.0.1:9http",
        "127.0.0.1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "127.1:gopher",
        "*:gopher",
        "fe80::1:abcd",
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

/* ---- For users ---- */

static weft_address public_address(const char *text)
{
    weft_address address;
    cr_assert_eq(weft_address_parse(text, &address), 0, "%s", text);
    return address;
}

Test(address, public_one_gives_back_its_text)
{
    static const char *const texts[] = {"1.2.3.4:5", "[::1]:80", "unix:/x", "unix:@x", "fd:9"};
    char text[WEFT_ADDRESS_TEXT];
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        weft_address address = public_address(texts[i]);
        cr_assert_eq(weft_address_format(&address, text, sizeof(text)), (int)strlen(texts[i]));
        cr_assert_str_eq(text, texts[i]);
        cr_assert_eq(weft_address_format(&address, text, strlen(texts[i]) + 1),
                     (int)strlen(texts[i]));
        cr_assert_eq(weft_address_format(&address, text, strlen(texts[i])), -ENOBUFS);
        cr_assert_str_eq(text, "");
        cr_assert_eq(weft_address_format(&address, NULL, 0), -ENOBUFS);
    }
    weft_address none = {0};
    cr_assert_eq(weft_address_format(&none, text, sizeof(text)), 1);
    cr_assert_str_eq(text, "?");
}

Test(address, public_one_is_of_what_needs_no_look_up)
{
    weft_address address = public_address("1.2.3.4:5");
    cr_assert_eq(weft_address_parse("example.org:80", &address), WEFT_ERESOLVE);
    cr_assert_eq(weft_address_parse("localhost:80", &address), WEFT_ERESOLVE);
    cr_assert_eq(weft_address_parse("1.2.3.4:gopher", &address), WEFT_ERESOLVE);
    cr_assert_eq(weft_address_parse("*:80", &address), -EINVAL);
    cr_assert_eq(weft_address_parse("nonsense", &address), -EINVAL);
    cr_assert_eq(weft_address_parse(NULL, &address), -EINVAL);
    weft_address as_before = public_address("1.2.3.4:5");
    cr_assert(weft_address_equal(&address, &as_before));
}

Test(address, public_one_shows_its_parts)
{
    weft_address ipv4 = public_address("1.2.3.4:5"), ipv6 = public_address("[::1]:80");
    weft_address path = public_address("unix:/x"), fd = public_address("fd:9"), none = {0};
    size_t len = 1;
    cr_assert_eq(weft_address_family(&ipv4), AF_INET);
    cr_assert_eq(weft_address_family(&ipv6), AF_INET6);
    cr_assert_eq(weft_address_family(&path), AF_UNIX);
    cr_assert_eq(weft_address_family(&fd), AF_UNSPEC);
    cr_assert_eq(weft_address_family(&none), AF_UNSPEC);
    cr_assert_eq(weft_address_port(&ipv4), 5);
    cr_assert_eq(weft_address_port(&ipv6), 80);
    cr_assert_eq(weft_address_port(&path), 0);
    cr_assert_eq(weft_address_port(&fd), 0);
    cr_assert_eq(weft_address_fd(&fd), 9);
    cr_assert_eq(weft_address_fd(&ipv4), -1);
    cr_assert_eq(weft_address_fd(&none), -1);
    cr_assert_null(weft_address_get(&fd, &len));
    cr_assert_eq(len, 0);
    cr_assert_null(weft_address_get(&none, &len));
    weft_address_set_port(&ipv6, 443);
    weft_address_set_port(&path, 443);
    cr_assert_eq(weft_address_port(&ipv6), 443);
    cr_assert_eq(weft_address_port(&path), 0);
}

Test(address, public_one_goes_to_the_system_and_comes_back)
{
    static const char *const texts[] = {"1.2.3.4:5", "[fe80::1%lo]:80", "unix:/x", "unix:@x"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        weft_address address = public_address(texts[i]), again;
        size_t len;
        const struct sockaddr *system = weft_address_get(&address, &len);
        cr_assert_eq(weft_address_set(&again, system, len), 0);
        cr_assert(weft_address_equal(&address, &again), "%s", texts[i]);
    }
    weft_address kept = public_address("1.2.3.4:5"), expected = kept;
    struct sockaddr_in in = {.sin_family = AF_INET};
    cr_assert_eq(weft_address_set(&kept, (struct sockaddr *)&in, sizeof(in) - 1), -EINVAL);
    cr_assert_eq(weft_address_set(&kept, (struct sockaddr *)&in, 1), -EAFNOSUPPORT);
    cr_assert_eq(weft_address_set(&kept, (struct sockaddr *)&in, SIZE_MAX), -EAFNOSUPPORT);
    in.sin_family = AF_NETLINK;
    cr_assert_eq(weft_address_set(&kept, (struct sockaddr *)&in, sizeof(in)), -EAFNOSUPPORT);
    cr_assert(weft_address_equal(&kept, &expected));
}

Test(address, equal_means_the_same_place)
{
    weft_address one = public_address("[::1]:80"), other = public_address("[0::1]:80");
    cr_assert(weft_address_equal(&one, &other));
    other = public_address("[::1]:81");
    cr_assert(!weft_address_equal(&one, &other));
    other = public_address("127.0.0.1:80");
    cr_assert(!weft_address_equal(&one, &other));
    one = public_address("fd:3");
    other = public_address("fd:4");
    cr_assert(!weft_address_equal(&one, &other));
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_flowinfo = 7};
    one = public_address("[::]:0");
    cr_assert_eq(weft_address_set(&other, (struct sockaddr *)&in6, sizeof(in6)), 0);
    cr_assert(weft_address_equal(&one, &other), "a flow is no place");
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/x"};
    one = public_address("unix:/x");
    cr_assert_eq(weft_address_set(&other, (struct sockaddr *)&un, sizeof(un)), 0);
    cr_assert(weft_address_equal(&one, &other), "what is behind the NUL is none of it");
}
