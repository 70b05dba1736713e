/* SPDX-License-Identifier: MIT */
/* A copy of a record of .eh_frame, and numbers taken from it. See core/inspect/record.c. */
#ifndef WEFT_CORE_INSPECT_RECORD_H
#define WEFT_CORE_INSPECT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft__record {
    const unsigned char *at, *end, *begin;
    uint64_t address; /* of what was copied to `begin` */
    bool is_bad;      /* it ended early */
};

/** A copy of what lies at `address`. */
struct weft__record weft__record_of(const unsigned char *begin, size_t size, uint64_t address);

/** Nothing is left, or something was taken that was not there. */
bool weft__record_is_over(const struct weft__record *bytes);

/** A number of so many bytes, 8 at most. What is not there is 0, and makes the bytes bad; so do the others. */
uint64_t weft__record_take(struct weft__record *bytes, size_t size);
int64_t weft__record_take_signed(struct weft__record *bytes, size_t size);

/** One of as many bytes as it needs. */
uint64_t weft__record_take_uleb(struct weft__record *bytes);
int64_t weft__record_take_sleb(struct weft__record *bytes);

/** A part of them that has its length in front; shorter if it is not all there. */
struct weft__record weft__record_take_block(struct weft__record *bytes);

/** A pointer, encoded as a DW_EH_PE_… says. */
uint64_t weft__record_take_pointer(struct weft__record *bytes, unsigned encoding);

#endif
