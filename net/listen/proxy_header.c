/* SPDX-License-Identifier: MIT */
/*
 * Reading the PROXY header, strictly: it decides whom a server believes to talk to.
 *
 *     version 1    "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n", TCP6, or UNKNOWN and anything;
 *                  at most 107 bytes
 *     version 2    12 bytes of signature, version and command, family and protocol, the length of
 *                  what follows: both addresses, as their family says, then TLVs
 *
 * It is read from the beginning each time that more has come, which costs little: nearly always it
 * comes in one piece. The first byte that cannot be is where it is refused, so a client that speaks
 * something else does not wait for the deadline.
 *
 * A header that says nothing of addresses is as good as any: LOCAL (the proxy's own connection),
 * UNKNOWN and UNSPEC. What is in them is not looked at. Neither is what TLVs say, but their lengths
 * must add up.
 *
 * Refused in version 1: what the specification leaves no room for, such as two spaces, a number
 * with a zero before it, a line end that is not "\r\n", an IPv4 address in any other form than four
 * numbers. In version 2: other versions and commands, families and protocols that are not assigned
 * or do not belong together, a length that is less than the addresses need.
 */
#include "net/listen/proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <weft/error.h>

static const char v1_begin[] = "PROXY ";
static const char v2_begin[] = "\r\n\r\n\0\r\nQUIT\n";

enum { V1_BEGIN = sizeof(v1_begin) - 1, V2_BEGIN = sizeof(v2_begin) - 1 };

static int refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return WEFT_EPROTO;
}

/* ---- Version 1 ---- */

/* What is left of the line. */
struct line {
    const char *at, *end;
};

/* The next word of at most `size` - 1 characters, with the one space, or the end, behind it. False:
 * none, or a longer one. */
static bool next_word(struct line *line, char *word, size_t size)
{
    const char *space = memchr(line->at, ' ', (size_t)(line->end - line->at));
    size_t len = (size_t)((space ? space : line->end) - line->at);
    if (!len || len >= size || memchr(line->at, 0, len) || (space && space + 1 == line->end))
        return false;
    memcpy(word, line->at, len);
    word[len] = 0;
    line->at += len + (space != NULL);
    return true;
}

static bool next_ip(struct line *line, int family, struct weft__address *ret)
{
    char word[INET6_ADDRSTRLEN];
    weft__address_set_any(ret, family, 0);
    void *to = family == AF_INET ? (void *)&ret->u.in.sin_addr : (void *)&ret->u.in6.sin6_addr;
    return next_word(line, word, sizeof(word)) && inet_pton(family, word, to) == 1;
}

static bool next_port(struct line *line, struct weft__address *ret)
{
    char word[sizeof("65535")];
    unsigned port = 0;
    if (!next_word(line, word, sizeof(word)) || (word[0] == '0' && word[1]))
        return false;
    for (const char *digit = word; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        port = port * 10 + (unsigned)(*digit - '0');
    }
    if (port > UINT16_MAX)
        return false;
    weft__address_set_port(ret, (uint16_t)port);
    return true;
}

/* Anything may follow it. */
static bool is_unknown(const struct line *line)
{
    static const char unknown[] = "UNKNOWN";
    size_t len = sizeof(unknown) - 1, have = (size_t)(line->end - line->at);
    return have >= len && !memcmp(line->at, unknown, len) && (have == len || line->at[len] == ' ');
}

static int parse_v1_line(struct line line, struct weft__proxy_header *ret, const char **ret_why)
{
    char protocol[sizeof("TCP4")];
    if (is_unknown(&line))
        return 0;
    if (!next_word(&line, protocol, sizeof(protocol)))
        return refuse(ret_why, "PROXY header: neither TCP4, TCP6 nor UNKNOWN");
    int family = !strcmp(protocol, "TCP4") ? AF_INET : AF_INET6;
    if (family == AF_INET6 && strcmp(protocol, "TCP6") != 0)
        return refuse(ret_why, "PROXY header: neither TCP4, TCP6 nor UNKNOWN");
    if (!next_ip(&line, family, &ret->source) || !next_ip(&line, family, &ret->destination))
        return refuse(ret_why, "PROXY header: not two addresses of its protocol");
    if (!next_port(&line, &ret->source) || !next_port(&line, &ret->destination))
        return refuse(ret_why, "PROXY header: not two ports");
    return line.at == line.end ? 0 : refuse(ret_why, "PROXY header: more than two ports");
}

/* The first end of a line, of either kind; NULL: there is none yet. */
static const char *find_end(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\r' || bytes[i] == '\n')
            return bytes + i;
    }
    return NULL;
}

static int parse_v1(const char *bytes, size_t len, struct weft__proxy_header *ret,
                    const char **ret_why)
{
    size_t most = len < WEFT__PROXY_V1_MOST ? len : WEFT__PROXY_V1_MOST;
    const char *end = find_end(bytes, most);
    size_t had = end ? (size_t)(end - bytes) + 1 : most;
    if (end ? *end == '\n' || had == WEFT__PROXY_V1_MOST : most == WEFT__PROXY_V1_MOST)
        return refuse(ret_why, "PROXY header: no end of the line where it has to be");
    if (!end || had == most)
        return -EAGAIN;
    if (end[1] != '\n')
        return refuse(ret_why, "PROXY header: no end of the line where it has to be");
    ret->len = had + 1;
    return parse_v1_line((struct line){bytes + V1_BEGIN, end}, ret, ret_why);
}

/* ---- Version 2 ---- */

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };

static size_t number(const char *bytes)
{
    return (size_t)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1];
}

static void set_in(struct weft__address *address, const char *ip, const char *port)
{
    weft__address_set_any(address, AF_INET, (uint16_t)number(port));
    memcpy(&address->u.in.sin_addr, ip, 4);
}

static void set_in6(struct weft__address *address, const char *ip, const char *port)
{
    weft__address_set_any(address, AF_INET6, (uint16_t)number(port));
    memcpy(&address->u.in6.sin6_addr, ip, 16);
}

/* The zeros at its end are no part of it; of an abstract name they could be, but no one can tell. */
static void set_unix(struct weft__address *address, const char *path)
{
    size_t len = sizeof(address->u.un.sun_path);
    while (len && !path[len - 1])
        len--;
    if (path[0])
        len = strnlen(path, len);
    memset(address, 0, sizeof(*address));
    address->u.un.sun_family = AF_UNIX;
    memcpy(address->u.un.sun_path, path, len);
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* How long both addresses are; 0: none, UNSPEC. -1: there is no such family with this protocol. */
static int addresses_len(unsigned char family)
{
    switch (family) {
    case 0x00:
        return 0;
    case 0x11:
    case 0x12:
        return 12;
    case 0x21:
    case 0x22:
        return 36;
    case 0x31:
    case 0x32:
        return 216;
    default:
        return -1;
    }
}

static void set_addresses(struct weft__proxy_header *header, unsigned char family,
                          const char *bytes)
{
    switch (family >> 4) {
    case 1:
        set_in(&header->source, bytes, bytes + 8);
        set_in(&header->destination, bytes + 4, bytes + 10);
        break;
    case 2:
        set_in6(&header->source, bytes, bytes + 32);
        set_in6(&header->destination, bytes + 16, bytes + 34);
        break;
    default:
        set_unix(&header->source, bytes);
        set_unix(&header->destination, bytes + 108);
        break;
    }
}

/* A type, a length of two bytes, a value: until nothing is left. */
static bool tlvs_add_up(const char *bytes, size_t len)
{
    while (len >= 3) {
        size_t size = 3 + number(bytes + 1);
        if (size > len)
            return false;
        bytes += size;
        len -= size;
    }
    return len == 0;
}

static int parse_v2(const char *bytes, size_t len, struct weft__proxy_header *ret,
                    const char **ret_why)
{
    unsigned char command = len > 12 ? (unsigned char)bytes[12] : V2_LOCAL;
    if (command != V2_LOCAL && command != V2_PROXY)
        return refuse(ret_why, "PROXY header: not version 2, or no such command");
    unsigned char family = len > 13 && command == V2_PROXY ? (unsigned char)bytes[13] : 0;
    int addresses = addresses_len(family);
    if (addresses < 0)
        return refuse(ret_why, "PROXY header: no such family and protocol");
    if (len < WEFT__PROXY_V2_LEAST)
        return -EAGAIN;
    size_t rest = number(bytes + 14);
    if (rest < (size_t)addresses)
        return refuse(ret_why, "PROXY header: shorter than its addresses");
    if (len < WEFT__PROXY_V2_LEAST + rest)
        return -EAGAIN;
    ret->len = WEFT__PROXY_V2_LEAST + rest;
    if (!addresses)
        return 0;
    bytes += WEFT__PROXY_V2_LEAST;
    set_addresses(ret, family, bytes);
    if (!tlvs_add_up(bytes + addresses, rest - (size_t)addresses))
        return refuse(ret_why, "PROXY header: its fields are longer than itself");
    return 0;
}

/* ---- Either ---- */

static bool begins(const char *bytes, size_t len, const char *begin, size_t begin_len)
{
    return memcmp(bytes, begin, len < begin_len ? len : begin_len) == 0;
}

int weft__proxy_header_parse(const char *bytes, size_t len, struct weft__proxy_header *ret,
                             const char **ret_why)
{
    struct weft__proxy_header header = {0};
    int status = -EAGAIN;
    if (!len)
        return -EAGAIN;
    if (begins(bytes, len, v1_begin, V1_BEGIN))
        status = len > V1_BEGIN ? parse_v1(bytes, len, &header, ret_why) : -EAGAIN;
    else if (begins(bytes, len, v2_begin, V2_BEGIN))
        status = len > V2_BEGIN ? parse_v2(bytes, len, &header, ret_why) : -EAGAIN;
    else
        return refuse(ret_why, "no PROXY header");
    if (status == 0)
        *ret = header;
    return status;
}
