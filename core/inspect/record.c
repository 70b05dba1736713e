/* SPDX-License-Identifier: MIT */
/*
 * A record of .eh_frame: numbers as DWARF writes them. It comes from a file that anybody may have made: nothing is taken from
 * behind the end, and who has taken all that was wanted asks once whether it was there.
 */
#include "core/inspect/record.h"

#include <string.h>

struct weft__record weft__record_of(const unsigned char *begin, size_t size, uint64_t address)
{
    return (struct weft__record){
        .at = begin, .end = begin + size, .address = address, .begin = begin};
}

bool weft__record_is_over(const struct weft__record *bytes)
{
    return bytes->is_bad || bytes->at >= bytes->end;
}

uint64_t weft__record_take(struct weft__record *bytes, size_t size)
{
    uint64_t value = 0;
    if ((size_t)(bytes->end - bytes->at) < size) {
        bytes->is_bad = true;
        return 0;
    }
    memcpy(&value, bytes->at, size); /* both machines are little-endian */
    bytes->at += size;
    return value;
}

int64_t weft__record_take_signed(struct weft__record *bytes, size_t size)
{
    unsigned unused = 64 - 8 * (unsigned)size;
    return (int64_t)(weft__record_take(bytes, size) << unused) >> unused;
}

/* Seven bits a byte, the lowest first. `ret_last`: the last byte; `ret_shift`: the bits that there were. */
static uint64_t take_leb(struct weft__record *bytes, uint64_t *ret_last, unsigned *ret_shift)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = weft__record_take(bytes, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    *ret_last = byte;
    *ret_shift = shift;
    return value;
}

uint64_t weft__record_take_uleb(struct weft__record *bytes)
{
    uint64_t last;
    unsigned shift;
    return take_leb(bytes, &last, &shift);
}

int64_t weft__record_take_sleb(struct weft__record *bytes)
{
    uint64_t last;
    unsigned shift;
    uint64_t value = take_leb(bytes, &last, &shift);
    if (shift < 64 && (last & 0x40))
        value |= UINT64_MAX << shift;
    return (int64_t)value;
}

struct weft__record weft__record_take_block(struct weft__record *bytes)
{
    uint64_t len = weft__record_take_uleb(bytes);
    if (len > (uint64_t)(bytes->end - bytes->at))
        len = (uint64_t)(bytes->end - bytes->at);
    struct weft__record block = *bytes;
    block.end = bytes->at + len;
    bytes->at += len;
    return block;
}

uint64_t weft__record_take_pointer(struct weft__record *bytes, unsigned encoding)
{
    uint64_t here = bytes->address + (uint64_t)(bytes->at - bytes->begin), value;
    switch (encoding & 0x0f) {
    case 0x01:
        value = weft__record_take_uleb(bytes);
        break;
    case 0x02:
        value = weft__record_take(bytes, 2);
        break;
    case 0x03:
        value = weft__record_take(bytes, 4);
        break;
    case 0x09:
        value = (uint64_t)weft__record_take_sleb(bytes);
        break;
    case 0x0a:
        value = (uint64_t)weft__record_take_signed(bytes, 2);
        break;
    case 0x0b:
        value = (uint64_t)weft__record_take_signed(bytes, 4);
        break;
    default: /* 0x00, 0x04, 0x0c */
        value = weft__record_take(bytes, 8);
    }
    return (encoding & 0x70) == 0x10 ? value + here : value;
}
