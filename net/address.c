/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the texts of socket addresses.
 *
 * Reading is strict, so that a text means one thing or nothing. Above all, what only looks like an
 * IPv4 address ("127.1", "0x7f.1", "1.2.3.4.5") is refused and not handed to getaddrinfo(), which
 * would make something of it: a last label that is a number belongs to an IPv4 address in its usual
 * form or to no address at all.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNIX_PREFIX "unix:"
#define UNIX_PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
}

static int parse_number(const char *text, unsigned max, unsigned *ret)
{
    unsigned number = 0;
    size_t digits = 0;
    for (; is_digit(text[digits]); digits++) {
        number = number * 10 + (unsigned)(text[digits] - '0');
        if (digits >= 9)
            return -EINVAL;
    }
    if (!digits || text[digits] || number > max)
        return -EINVAL;
    *ret = number;
    return 0;
}

static int parse_port(const char *text, uint16_t *ret)
{
    unsigned port = 0;
    if (strlen(text) > 5 || parse_number(text, UINT16_MAX, &port) < 0)
        return -EINVAL;
    *ret = (uint16_t)port;
    return 0;
}

/* Would getaddrinfo() take the label for a number, as inet_aton() does? */
static bool is_numeric_label(const char *label)
{
    bool hex = label[0] == '0' && (label[1] == 'x' || label[1] == 'X');
    for (label += hex ? 2 : 0; *label; label++) {
        if (!(hex ? is_hex(*label) : is_digit(*label)))
            return false;
    }
    return true;
}

static bool is_host_name(const char *host)
{
    size_t len = strlen(host);
    if (!len || len > 253 || host[0] == '.' || host[0] == '-' || strstr(host, ".."))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(host[i]))
            return false;
    }
    const char *dot = strrchr(host, '.');
    return !is_numeric_label(dot ? dot + 1 : host) || (dot && !dot[1]);
}

void weft__address_set_loopback(struct weft__address *address, int family, uint16_t port)
{
    weft__address_set_any(address, family, port);
    if (family == AF_INET6)
        address->u.in6.sin6_addr = in6addr_loopback;
    else
        address->u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

void weft__address_set_any(struct weft__address *address, int family, uint16_t port)
{
    memset(address, 0, sizeof(*address));
    address->u.any.sa_family = (sa_family_t)family;
    address->len = family == AF_INET6 ? sizeof(address->u.in6) : sizeof(address->u.in);
    weft__address_set_port(address, port);
}

int weft__address_set(struct weft__address *address, const struct sockaddr *from, socklen_t len)
{
    address->len = 0;
    if (len < sizeof(from->sa_family) || len > sizeof(address->u))
        return -EAFNOSUPPORT;
    if (from->sa_family != AF_INET && from->sa_family != AF_INET6 && from->sa_family != AF_UNIX)
        return -EAFNOSUPPORT;
    memset(&address->u, 0, sizeof(address->u));
    memcpy(&address->u, from, len);
    address->len = len;
    return 0;
}

uint16_t weft__address_port(const struct weft__address *address)
{
    if (address->len && address->u.any.sa_family == AF_INET)
        return ntohs(address->u.in.sin_port);
    if (address->len && address->u.any.sa_family == AF_INET6)
        return ntohs(address->u.in6.sin6_port);
    return 0;
}

void weft__address_set_port(struct weft__address *address, uint16_t port)
{
    if (address->u.any.sa_family == AF_INET)
        address->u.in.sin_port = htons(port);
    else if (address->u.any.sa_family == AF_INET6)
        address->u.in6.sin6_port = htons(port);
}

static int parse_unix(const char *path, struct weft__address_spec *ret)
{
    struct sockaddr_un *un = &ret->address.u.un;
    size_t len = strlen(path);
    bool is_abstract = path[0] == '@';
    if (!len || len >= sizeof(un->sun_path) || (is_abstract && len == 1))
        return -EINVAL;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len);
    if (is_abstract)
        un->sun_path[0] = 0;
    ret->address.len = (socklen_t)(UNIX_PATH_OFFSET + len + (is_abstract ? 0 : 1));
    return 0;
}

static int parse_scope(const char *scope, uint32_t *ret)
{
    unsigned index = if_nametoindex(scope);
    if (!index && (parse_number(scope, 999999999, &index) < 0 || !index))
        return -EINVAL;
    *ret = index;
    return 0;
}

/* "fe80::1%eth0", without the brackets. */
static int parse_ipv6(char *host, struct weft__address_spec *ret)
{
    weft__address_set_any(&ret->address, AF_INET6, ret->port);
    char *scope = strchr(host, '%');
    if (scope) {
        *scope++ = 0;
        if (parse_scope(scope, &ret->address.u.in6.sin6_scope_id) < 0)
            return -EINVAL;
    }
    return inet_pton(AF_INET6, host, &ret->address.u.in6.sin6_addr) == 1 ? 0 : -EINVAL;
}

static int parse_host(struct weft__address_spec *ret)
{
    weft__address_set_any(&ret->address, AF_INET, ret->port);
    if (inet_pton(AF_INET, ret->host, &ret->address.u.in.sin_addr) == 1)
        return 0;
    if (!strcmp(ret->host, "*")) {
        ret->kind = WEFT__ADDRESS_ANY;
        weft__address_set_any(&ret->address, AF_INET6, ret->port);
        return 0;
    }
    if (!strcasecmp(ret->host, "localhost")) {
        ret->kind = WEFT__ADDRESS_LOCALHOST;
        weft__address_set_loopback(&ret->address, AF_INET, ret->port);
        return 0;
    }
    ret->kind = WEFT__ADDRESS_NAME;
    ret->address.len = 0;
    return is_host_name(ret->host) ? 0 : -EINVAL;
}

int weft__address_parse(const char *text, struct weft__address_spec *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!text)
        return -EINVAL;
    if (!strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)))
        return parse_unix(text + strlen(UNIX_PREFIX), ret);

    const char *colon = strrchr(text, ':');
    if (!colon || parse_port(colon + 1, &ret->port) < 0)
        return -EINVAL;
    bool bracketed = text[0] == '[';
    if (bracketed && (colon - text < 2 || colon[-1] != ']'))
        return -EINVAL;
    const char *host = text + bracketed;
    size_t len = (size_t)(colon - host) - bracketed;
    if (len >= sizeof(ret->host))
        return -EINVAL;
    memcpy(ret->host, host, len);

    int status = bracketed ? parse_ipv6(ret->host, ret) : parse_host(ret);
    if (ret->kind != WEFT__ADDRESS_NAME)
        ret->host[0] = 0;
    return status;
}

static void format_ipv6(const struct sockaddr_in6 *in6, char text[WEFT__ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "";
    char name[IF_NAMESIZE + 1] = "";
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
    if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, name + 1))
        name[0] = '%';
    else if (in6->sin6_scope_id)
        snprintf(name, sizeof(name), "%%%u", (unsigned)in6->sin6_scope_id);
    snprintf(text, WEFT__ADDRESS_TEXT, "[%s%s]:%u", host, name, (unsigned)ntohs(in6->sin6_port));
}

static void format_unix(const struct weft__address *address, char text[WEFT__ADDRESS_TEXT])
{
    const char *path = address->u.un.sun_path;
    int len = address->len > UNIX_PATH_OFFSET ? (int)(address->len - UNIX_PATH_OFFSET) : 0;
    bool is_abstract = len > 1 && !path[0];
    snprintf(text, WEFT__ADDRESS_TEXT, UNIX_PREFIX "%s%.*s", is_abstract ? "@" : "",
             len - is_abstract, path + is_abstract);
}

const char *weft__address_format(const struct weft__address *address, char text[WEFT__ADDRESS_TEXT])
{
    char host[INET_ADDRSTRLEN] = "";
    snprintf(text, WEFT__ADDRESS_TEXT, "?");
    if (!address->len)
        return text;
    if (address->u.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->u.in.sin_addr, host, sizeof(host));
        snprintf(text, WEFT__ADDRESS_TEXT, "%s:%u", host, (unsigned)ntohs(address->u.in.sin_port));
    } else if (address->u.any.sa_family == AF_INET6) {
        format_ipv6(&address->u.in6, text);
    } else if (address->u.any.sa_family == AF_UNIX) {
        format_unix(address, text);
    }
    return text;
}
