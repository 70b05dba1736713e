/* SPDX-License-Identifier: MIT */
/*
 * Looking up names. libcurl would start a thread for each, and join it on the loop when the
 * transfer is given up, which takes as long as the resolver does.
 *
 * So weft_resolve() does, and libcurl is given the result: an entry for its own cache, one that
 * gets old ("+"), by which the transfer that it was made for finds the addresses.
 */
#include "net/http_client/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/address.h>

#include "net/http_client/text.h"

enum { MAX_ADDRESSES = 16, ADDRESS_TEXT = 96 };

/* "127.0.0.1" or "[::1]": without the port, and what libcurl does not read, an interface. */
static size_t format_host(const weft_address *address, char text[ADDRESS_TEXT])
{
    weft_address_format(address, text, ADDRESS_TEXT);
    char *interface = strchr(text, '%'), *port = strrchr(text, ':');
    if (interface)
        memcpy(interface, "]", 2);
    else if (port)
        *port = 0;
    return strlen(text);
}

static size_t count_family(const weft_addresses *addresses, int family)
{
    size_t count = 0;
    for (size_t i = 0; i < addresses->count; i++)
        count += weft_address_family(&addresses->list[i]) == family;
    return count;
}

/* NULL: out of memory. */
static char *format_entry(const struct weft__client_url *url, const weft_addresses *addresses)
{
    size_t count = addresses->count < MAX_ADDRESSES ? addresses->count : MAX_ADDRESSES;
    size_t size = strlen(url->host) + strlen(url->port) + 4 + count * ADDRESS_TEXT;
    char *entry = weft__companion_malloc(size);
    size_t len = entry ? (size_t)snprintf(entry, size, "+%s:%s:", url->host, url->port) : 0;
    for (size_t i = 0; entry && i < count; i++) {
        if (i > 0)
            entry[len++] = ',';
        len += format_host(&addresses->list[i], entry + len);
    }
    return entry;
}

int weft__client_known_add(struct weft__client_known *known, const struct weft__client_url *url,
                           weft_addresses *addresses)
{
    char *entry = format_entry(url, addresses);
    size_t fours = count_family(addresses, AF_INET), sixes = count_family(addresses, AF_INET6);
    known->has_both_families = known->has_both_families || (fours > 0 && sixes > 0);
    known->has_several = known->has_several || fours > 1 || sixes > 1;
    weft_addresses_free(addresses);
    known->entries[known->entries[0] ? 1 : 0] = entry;
    return entry ? 0 : -ENOMEM;
}

void weft__client_known_free(struct weft__client_known *known)
{
    weft__companion_free(known->entries[0]);
    weft__companion_free(known->entries[1]);
    *known = (struct weft__client_known){0};
}
