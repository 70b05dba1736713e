/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the texts of socket addresses.
 *
 * Reading is strict, so that a text means one thing or nothing. Above all, what only looks like an
 * IPv4 address ("127.1", "0x7f.1", "1.2.3.4.5") is refused and not handed to getaddrinfo(), which
 * would make something of it: a last label that is a number belongs to an IPv4 address in its usual
 * form or to no address at all.
 *
 * Services that everybody knows are read by a table of our own, since the system's is a file, or a
 * server, and nothing here blocks. An address of any other service is one to be looked up, whatever
 * its host is.
 *
 * A weft_address is the bytes of a struct weft__address, copied in and out: users have neither its
 * type nor the system's headers.
 */
#include "net/resolve/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weft/error.h>

#define UNIX_PREFIX "unix:"
#define FD_PREFIX "fd:"
#define UNIX_PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

_Static_assert(sizeof(struct weft__address) == sizeof(weft_address), "one is the other");

/* By name; the numbers that IANA gave them, for TCP and UDP alike. */
static const struct service {
    const char *name;
    uint16_t port;
} services[] = {
    {"domain", 53}, {"ftp", 21},         {"http", 80},   {"https", 443},  {"imap", 143},
    {"imaps", 993}, {"ldap", 389},       {"ldaps", 636}, {"mqtt", 1883},  {"mysql", 3306},
    {"ntp", 123},   {"pop3", 110},       {"pop3s", 995}, {"redis", 6379}, {"smtp", 25},
    {"ssh", 22},    {"submission", 587}, {"telnet", 23},
};

/* ---- Reading ---- */

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

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_service_name(const char *text)
{
    size_t len = strlen(text);
    if (!is_letter(text[0]) || len >= WEFT__SERVICE_NAME)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(text[i]) && text[i] != '+')
            return false;
    }
    return true;
}

/* A number, or a service: its number if we know it. */
static int parse_service(const char *text, struct weft__address_spec *ret)
{
    if (is_digit(text[0]))
        return parse_port(text, &ret->port);
    if (!is_service_name(text))
        return -EINVAL;
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        if (!strcmp(text, services[i].name)) {
            ret->port = services[i].port;
            return 0;
        }
    }
    memcpy(ret->service, text, strlen(text) + 1);
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

/* Up to the NUL behind a path, so that one address is always as long. */
static socklen_t trim_unix(const struct sockaddr_un *un, socklen_t len)
{
    if (len <= UNIX_PATH_OFFSET || !un->sun_path[0])
        return len;
    size_t room = len - UNIX_PATH_OFFSET, path = strnlen(un->sun_path, room);
    return (socklen_t)(UNIX_PATH_OFFSET + path + (path < room));
}

int weft__address_set(struct weft__address *address, const struct sockaddr *from, socklen_t len)
{
    address->len = 0;
    if (len < sizeof(from->sa_family) || len > sizeof(address->u))
        return -EAFNOSUPPORT;
    if (from->sa_family != AF_INET && from->sa_family != AF_INET6 && from->sa_family != AF_UNIX)
        return -EAFNOSUPPORT;
    if ((from->sa_family == AF_INET && len != sizeof(address->u.in)) ||
        (from->sa_family == AF_INET6 && len != sizeof(address->u.in6)))
        return -EINVAL;
    memset(&address->u, 0, sizeof(address->u));
    memcpy(&address->u, from, len);
    address->len = from->sa_family == AF_UNIX ? trim_unix(&address->u.un, len) : len;
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
static int parse_ipv6(struct weft__address_spec *ret)
{
    char digits[INET6_ADDRSTRLEN];
    size_t len = strcspn(ret->host, "%");
    if (len >= sizeof(digits))
        return -EINVAL;
    memcpy(digits, ret->host, len);
    digits[len] = 0;
    weft__address_set_any(&ret->address, AF_INET6, ret->port);
    if (ret->host[len] && parse_scope(ret->host + len + 1, &ret->address.u.in6.sin6_scope_id) < 0)
        return -EINVAL;
    return inet_pton(AF_INET6, digits, &ret->address.u.in6.sin6_addr) == 1 ? 0 : -EINVAL;
}

/* "fd:" is read. */
static int parse_fd(const char *number, struct weft__address_spec *ret)
{
    unsigned fd;
    if (parse_number(number, INT_MAX, &fd) < 0)
        return -EINVAL;
    ret->kind = WEFT__ADDRESS_FD;
    ret->address.u.fd.family = WEFT__AF_FD;
    ret->address.u.fd.number = (int)fd;
    ret->address.len = sizeof(ret->address.u.fd);
    return 0;
}

static int parse_ipv4_or_name(struct weft__address_spec *ret)
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

/* Host and port, or service, are filled in. A number whose service is to be looked up stays in
 * `address`, with the port 0. */
static int parse_host(struct weft__address_spec *ret, bool is_ipv6)
{
    int status = is_ipv6 ? parse_ipv6(ret) : parse_ipv4_or_name(ret);
    if (ret->service[0]) {
        if (ret->kind == WEFT__ADDRESS_ANY)
            return -EINVAL;
        if (ret->kind == WEFT__ADDRESS_LOCALHOST)
            ret->address.len = 0;
        ret->kind = WEFT__ADDRESS_NAME;
    }
    if (ret->kind != WEFT__ADDRESS_NAME)
        ret->host[0] = 0;
    return status;
}

int weft__address_parse(const char *text, struct weft__address_spec *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!text)
        return -EINVAL;
    if (!strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)))
        return parse_unix(text + strlen(UNIX_PREFIX), ret);
    if (!strncmp(text, FD_PREFIX, strlen(FD_PREFIX)))
        return parse_fd(text + strlen(FD_PREFIX), ret);

    const char *colon = strrchr(text, ':');
    if (!colon || parse_service(colon + 1, ret) < 0)
        return -EINVAL;
    bool bracketed = text[0] == '[';
    if (bracketed && (colon - text < 2 || colon[-1] != ']'))
        return -EINVAL;
    const char *host = text + bracketed;
    size_t len = (size_t)(colon - host) - bracketed;
    if (len >= sizeof(ret->host))
        return -EINVAL;
    memcpy(ret->host, host, len);
    return parse_host(ret, bracketed);
}

int weft__address_parse_host(const char *host, const char *service, struct weft__address_spec *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!host || strlen(host) >= sizeof(ret->host) || !strcmp(host, "*"))
        return -EINVAL;
    if (service && parse_service(service, ret) < 0)
        return -EINVAL;
    memcpy(ret->host, host, strlen(host) + 1);
    return parse_host(ret, strchr(host, ':') != NULL);
}

size_t weft__address_list(const struct weft__address_spec *spec, int family,
                          struct weft__address ret[2])
{
    size_t count = 0;
    if (spec->kind != WEFT__ADDRESS_PLAIN && spec->kind != WEFT__ADDRESS_LOCALHOST)
        return 0;
    if (!family || spec->address.u.any.sa_family == family)
        ret[count++] = spec->address;
    if (spec->kind == WEFT__ADDRESS_LOCALHOST && family != AF_INET)
        weft__address_set_loopback(&ret[count++], AF_INET6, spec->port);
    return count;
}

int weft__address_fd(const struct weft__address *address)
{
    return address->len && address->u.fd.family == WEFT__AF_FD ? address->u.fd.number : -1;
}

/* ---- Writing ---- */

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
    } else if (weft__address_fd(address) >= 0) {
        snprintf(text, WEFT__ADDRESS_TEXT, FD_PREFIX "%d", weft__address_fd(address));
    }
    return text;
}

const char *weft__address_host(const struct weft__address_spec *spec, char text[WEFT__HOST_NAME])
{
    const struct weft__address *address = &spec->address;
    text[0] = 0;
    if (spec->kind == WEFT__ADDRESS_LOCALHOST)
        return "localhost";
    if (spec->kind == WEFT__ADDRESS_NAME && !address->len)
        memcpy(text, spec->host, sizeof(spec->host));
    else if (address->u.any.sa_family == AF_INET)
        inet_ntop(AF_INET, &address->u.in.sin_addr, text, WEFT__HOST_NAME);
    else if (address->u.any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &address->u.in6.sin6_addr, text, WEFT__HOST_NAME);
    return text;
}

/* ---- For users ---- */

struct weft__address weft__address_inside(const weft_address *address)
{
    struct weft__address inside;
    memcpy(&inside, address, sizeof(inside));
    return inside;
}

weft_address weft__address_outside(const struct weft__address *address)
{
    weft_address outside;
    memcpy(&outside, address, sizeof(outside));
    return outside;
}

int weft_address_parse(const char *text, weft_address *ret)
{
    struct weft__address_spec spec;
    if (weft__address_parse(text, &spec) < 0 || spec.kind == WEFT__ADDRESS_ANY)
        return -EINVAL;
    if (spec.kind == WEFT__ADDRESS_NAME || spec.kind == WEFT__ADDRESS_LOCALHOST)
        return WEFT_ERESOLVE;
    *ret = weft__address_outside(&spec.address);
    return 0;
}

int weft_address_format(const weft_address *address, char *buffer, size_t size)
{
    char text[WEFT__ADDRESS_TEXT];
    const struct weft__address inside = weft__address_inside(address);
    size_t len = strlen(weft__address_format(&inside, text));
    bool fits = len < size;
    if (size)
        memcpy(buffer, fits ? text : "", fits ? len + 1 : 1);
    return fits ? (int)len : -ENOBUFS;
}

int weft_address_set(weft_address *ret, const struct sockaddr *from, size_t len)
{
    struct weft__address inside;
    size_t most = sizeof(inside.u) + 1;
    int status = weft__address_set(&inside, from, (socklen_t)(len < most ? len : most));
    if (status == 0)
        *ret = weft__address_outside(&inside);
    return status;
}

const struct sockaddr *weft_address_get(const weft_address *address, size_t *ret_len)
{
    const struct weft__address inside = weft__address_inside(address);
    bool is_of_kernel = inside.len && weft__address_fd(&inside) < 0;
    *ret_len = is_of_kernel ? inside.len : 0;
    const void *at = address->weft_opaque.weft_bytes + offsetof(struct weft__address, u);
    return is_of_kernel ? at : NULL;
}

int weft_address_family(const weft_address *address)
{
    size_t len;
    const struct sockaddr *inside = weft_address_get(address, &len);
    return inside ? inside->sa_family : AF_UNSPEC;
}

uint16_t weft_address_port(const weft_address *address)
{
    const struct weft__address inside = weft__address_inside(address);
    return weft__address_port(&inside);
}

void weft_address_set_port(weft_address *address, uint16_t port)
{
    struct weft__address inside = weft__address_inside(address);
    weft__address_set_port(&inside, port);
    *address = weft__address_outside(&inside);
}

int weft_address_fd(const weft_address *address)
{
    const struct weft__address inside = weft__address_inside(address);
    return weft__address_fd(&inside);
}

/* Bytes that are not its own are 0: all ways to make one see to it. But an IPv6 one has a flow, too,
 * which is no part of where it leads. */
bool weft_address_equal(const weft_address *a, const weft_address *b)
{
    struct weft__address one = weft__address_inside(a), other = weft__address_inside(b);
    if (weft_address_family(a) == AF_INET6)
        one.u.in6.sin6_flowinfo = 0;
    if (weft_address_family(b) == AF_INET6)
        other.u.in6.sin6_flowinfo = 0;
    return one.len == other.len && !memcmp(&one.u, &other.u, one.len);
}
