/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_UDP_H
#define WEFT_TESTS_UDP_H

#include <weft/udp.h>

/* Endpoints that have to open: with these options, bound to a text, connected to an address. */
weft_udp *weft_test_udp_open(struct weft_udp_options options);
weft_udp *weft_test_udp_at(const char *address);
weft_udp *weft_test_udp_towards(const weft_address *address);

weft_address weft_test_udp_address(const weft_udp *udp);
struct weft_udp_stats weft_test_udp_stats(const weft_udp *udp);

/* Two endpoints of 127.0.0.1, and where they are: weft_test_udp_open_two(), or opened by the test. */
extern weft_udp *test_a, *test_b;
extern weft_address test_a_address, test_b_address;
void weft_test_udp_open_two(void);

/* Free both, if they are there, and end the loop. */
void weft_test_udp_end(void);

/* With these options none can be opened: -errno. */
int weft_test_udp_open_error(struct weft_udp_options options);

/* Text of an address, until the next call. */
const char *weft_test_udp_text(const weft_address *address);

/* weft_udp_send_to() of a text. */
int weft_test_udp_send(weft_udp *from, const weft_address *to, const char *text);

/*
 * Run until the future (consumed) is done: its datagram, to be freed; NULL: it failed, *ret_status.
 */
weft_datagram *weft_test_udp_taken(weft_future *future, int *ret_status);

/* True if the future (consumed) gives just this text. */
bool weft_test_udp_gives(weft_future *future, const char *text);

#endif
