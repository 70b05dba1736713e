/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_WORLD_CRC_H
#define WEFT_TESTS_WORLD_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of zlib, of what had the CRC `crc` (0 at first) and of these bytes behind it. */
static inline uint32_t crc_of(uint32_t crc, const char *data, size_t len)
{
    static uint32_t table[256];
    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        uint32_t entry = i;
        for (int bit = 0; bit < 8; bit++)
            entry = entry & 1 ? entry >> 1 ^ 0xEDB88320u : entry >> 1;
        table[i] = entry;
    }
    crc = ~crc;
    for (size_t i = 0; i < len; i++)
        crc = table[(crc ^ (unsigned char)data[i]) & 0xFF] ^ crc >> 8;
    return ~crc;
}

#endif
