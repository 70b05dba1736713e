/* SPDX-License-Identifier: MIT */
/*
 * SHA-1 and base64. The handshake of WebSockets wants the hash of sixty bytes, which proves only that the
 * server read the request: so the message is padded in one piece of memory on the stack, and longer ones are
 * not for here.
 */
#include "net/http/websocket/sha1.h"

#include <assert.h>
#include <string.h>

enum { BLOCK = 64 };

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    static const uint32_t constants[] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    uint32_t mixed = b ^ c ^ d;
    if (round / 20 == 0)
        mixed = (b & c) | (~b & d);
    else if (round / 20 == 2)
        mixed = (b & c) | (b & d) | (c & d);
    return mixed + constants[round / 20];
}

static void hash_block(uint32_t state[5], const uint8_t *block)
{
    uint32_t w[80];
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t s[5];
    memcpy(s, state, sizeof(s));
    for (unsigned i = 0; i < 80; i++) {
        uint32_t next = rotate(s[0], 5) + mix(i, s[1], s[2], s[3]) + s[4] + w[i];
        s[4] = s[3];
        s[3] = s[2];
        s[2] = rotate(s[1], 30);
        s[1] = s[0];
        s[0] = next;
    }
    for (size_t i = 0; i < 5; i++)
        state[i] += s[i];
}

void weft__sha1(const void *data, size_t len, uint8_t ret[WEFT__SHA1])
{
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint8_t padded[WEFT__SHA1_MOST + 2 * BLOCK] = {0};
    assert(len <= WEFT__SHA1_MOST);
    size_t end = (len + 8) / BLOCK * BLOCK + BLOCK;
    memcpy(padded, data, len);
    padded[len] = 0x80;
    for (size_t i = 0; i < 8; i++)
        padded[end - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
    for (size_t at = 0; at < end; at += BLOCK)
        hash_block(state, padded + at);
    for (size_t i = 0; i < WEFT__SHA1; i++)
        ret[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void weft__base64(const void *data, size_t len, char *ret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        three |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        three |= i + 2 < len ? bytes[i + 2] : 0;
        *ret++ = digits[three >> 18];
        *ret++ = digits[three >> 12 & 63];
        *ret++ = i + 1 < len ? digits[three >> 6 & 63] : '=';
        *ret++ = i + 2 < len ? digits[three & 63] : '=';
    }
    *ret = 0;
}
