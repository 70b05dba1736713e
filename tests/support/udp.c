/* SPDX-License-Identifier: MIT */
#include "tests/support/udp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/support/loop.h"
#include "tests/support/net.h"

weft_udp *test_a, *test_b;
weft_address test_a_address, test_b_address;

weft_udp *weft_test_udp_open(struct weft_udp_options options)
{
    weft_udp *udp = weft_udp_open(&options);
    cr_assert_not_null(udp, "%s", strerror(errno));
    return udp;
}

weft_udp *weft_test_udp_at(const char *address)
{
    return weft_test_udp_open((struct weft_udp_options){.bind = address});
}

weft_address weft_test_udp_address(const weft_udp *udp)
{
    weft_address address;
    cr_assert_eq(weft_udp_local(udp, &address), 0);
    return address;
}

const char *weft_test_udp_text(const weft_address *address)
{
    static char text[WEFT_ADDRESS_TEXT];
    weft_address_format(address, text, sizeof(text));
    return text;
}

weft_udp *weft_test_udp_towards(const weft_address *address)
{
    return weft_test_udp_open((struct weft_udp_options){.connect = weft_test_udp_text(address)});
}

weft_datagram *weft_test_udp_taken(weft_future *future, int *ret_status)
{
    return (weft_datagram *)(void *)weft_test_bytes(future, ret_status);
}

bool weft_test_udp_gives(weft_future *future, const char *text)
{
    int status;
    weft_datagram *got = weft_test_udp_taken(future, &status);
    bool same = status == 0 && got->len == strlen(text) && !strcmp(got->data, text);
    weft_datagram_free(got);
    return same;
}

struct weft_udp_stats weft_test_udp_stats(const weft_udp *udp)
{
    struct weft_udp_stats stats;
    weft_udp_get_stats(udp, &stats);
    return stats;
}

int weft_test_udp_send(weft_udp *from, const weft_address *to, const char *text)
{
    return weft_udp_send_to(from, to, text, strlen(text));
}

void weft_test_udp_open_two(void)
{
    test_a = weft_test_udp_at("127.0.0.1:0");
    test_b = weft_test_udp_at("127.0.0.1:0");
    test_a_address = weft_test_udp_address(test_a);
    test_b_address = weft_test_udp_address(test_b);
}

void weft_test_udp_end(void)
{
    weft_udp_free(test_a);
    weft_udp_free(test_b);
    weft_test_loop_end();
}

int weft_test_udp_open_error(struct weft_udp_options options)
{
    cr_assert_null(weft_udp_open(&options));
    return -errno;
}
