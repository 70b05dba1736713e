/* SPDX-License-Identifier: MIT */
/*
 * Looking up names. libcurl would start a thread for each, and join it on the loop when the transfer is
 * given up, which takes as long as the resolver does.
 *
 * So weft_resolve() does, and libcurl is given the result: an entry for its own cache, one that gets old
 * ("+"), by which the transfer that it was made for finds the addresses.
 */
#include "net/http_client/lookup.h"

#include <stdio.h>
#include <string.h>
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

char *weft__client_known(const struct weft__client_url *url, weft_addresses *addresses)
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
    weft_addresses_free(addresses);
    return entry;
}
