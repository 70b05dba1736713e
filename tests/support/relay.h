/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_RELAY_H
#define WEFT_TESTS_RELAY_H

#include <weft/stream.h>

/* What comes on either stream goes to the other, until both have ended. Both are the caller's. */
weft_future *test_relay(weft_stream *one, weft_stream *other);

#endif
