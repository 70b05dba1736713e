/* SPDX-License-Identifier: MIT */
/*
 * Looking up names: seconds, when a name server does not answer. A host that is written as an address is
 * looked up nowhere, and neither is none at all.
 */
#define _DEFAULT_SOURCE 1
#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>

#include "tools/guard/guard.h"

#define RESOLVE "weft_resolve(), or weft_connect() with the name"
#define ON_A_WORKER "weft_to_thread()"

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    char plain[INET6_ADDRSTRLEN];
    struct in_addr old_form;
    size_t length = strcspn(host, "%"); /* fe80::1%eth0 */
    if (inet_aton(host, &old_form))
        return true;
    if (length >= sizeof(plain))
        return false;
    memcpy(plain, host, length);
    plain[length] = '\0';
    return inet_pton(AF_INET6, plain, address) == 1;
}

GUARD_WRAPS int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                            struct addrinfo **ret_list)
{
    GUARD_REAL(getaddrinfo);
    bool is_local = !host || (hints && hints->ai_flags & AI_NUMERICHOST) || is_numeric(host);
    if (is_local || !guard__watches())
        return real(host, service, hints, ret_list);
    struct guard__call call = guard__begin("getaddrinfo", RESOLVE);
    int ret = real(host, service, hints, ret_list);
    guard__end(&call, "\"%.150s\"", host);
    return ret;
}

GUARD_WRAPS int getnameinfo(const struct sockaddr *address, socklen_t size, char *host,
                            socklen_t host_size, char *service, socklen_t service_size, int flags)
{
    GUARD_REAL(getnameinfo);
    if (flags & NI_NUMERICHOST || !host || host_size == 0 || !guard__watches())
        return real(address, size, host, host_size, service, service_size, flags);
    struct guard__call call = guard__begin("getnameinfo", ON_A_WORKER);
    int ret = real(address, size, host, host_size, service, service_size, flags);
    guard__end(&call, "%s", ret == 0 ? host : "");
    return ret;
}

GUARD_WRAPS struct hostent *gethostbyname(const char *host)
{
    GUARD_REAL(gethostbyname);
    if (is_numeric(host) || !guard__watches())
        return real(host);
    struct guard__call call = guard__begin("gethostbyname", RESOLVE);
    struct hostent *ret = real(host);
    guard__end(&call, "\"%.150s\"", host);
    return ret;
}

GUARD_WRAPS struct hostent *gethostbyname2(const char *host, int family)
{
    GUARD_REAL(gethostbyname2);
    if (is_numeric(host) || !guard__watches())
        return real(host, family);
    struct guard__call call = guard__begin("gethostbyname2", RESOLVE);
    struct hostent *ret = real(host, family);
    guard__end(&call, "\"%.150s\"", host);
    return ret;
}

GUARD_WRAPS int gethostbyname_r(const char *host, struct hostent *entry, char *buffer, size_t size,
                                struct hostent **ret_entry, int *ret_error)
{
    GUARD_REAL(gethostbyname_r);
    if (is_numeric(host) || !guard__watches())
        return real(host, entry, buffer, size, ret_entry, ret_error);
    struct guard__call call = guard__begin("gethostbyname_r", RESOLVE);
    int ret = real(host, entry, buffer, size, ret_entry, ret_error);
    guard__end(&call, "\"%.150s\"", host);
    return ret;
}

GUARD_WRAPS int gethostbyname2_r(const char *host, int family, struct hostent *entry, char *buffer,
                                 size_t size, struct hostent **ret_entry, int *ret_error)
{
    GUARD_REAL(gethostbyname2_r);
    if (is_numeric(host) || !guard__watches())
        return real(host, family, entry, buffer, size, ret_entry, ret_error);
    struct guard__call call = guard__begin("gethostbyname2_r", RESOLVE);
    int ret = real(host, family, entry, buffer, size, ret_entry, ret_error);
    guard__end(&call, "\"%.150s\"", host);
    return ret;
}

static const char *address_text(char text[INET6_ADDRSTRLEN], const void *address, int family)
{
    const char *written = inet_ntop(family, address, text, INET6_ADDRSTRLEN);
    return written ? written : "?";
}

GUARD_WRAPS struct hostent *gethostbyaddr(const void *address, socklen_t size, int family)
{
    GUARD_REAL(gethostbyaddr);
    char text[INET6_ADDRSTRLEN];
    if (!guard__watches())
        return real(address, size, family);
    struct guard__call call = guard__begin("gethostbyaddr", ON_A_WORKER);
    struct hostent *ret = real(address, size, family);
    guard__end(&call, "%s", address_text(text, address, family));
    return ret;
}

GUARD_WRAPS int gethostbyaddr_r(const void *address, socklen_t size, int family,
                                struct hostent *entry, char *buffer, size_t buffer_size,
                                struct hostent **ret_entry, int *ret_error)
{
    GUARD_REAL(gethostbyaddr_r);
    char text[INET6_ADDRSTRLEN];
    if (!guard__watches())
        return real(address, size, family, entry, buffer, buffer_size, ret_entry, ret_error);
    struct guard__call call = guard__begin("gethostbyaddr_r", ON_A_WORKER);
    int ret = real(address, size, family, entry, buffer, buffer_size, ret_entry, ret_error);
    guard__end(&call, "%s", address_text(text, address, family));
    return ret;
}

GUARD_WRAPS int getaddrinfo_a(int mode, struct gaicb *list[], int count, struct sigevent *event)
{
    GUARD_REAL(getaddrinfo_a);
    if (mode != GAI_WAIT || !guard__watches())
        return real(mode, list, count, event);
    struct guard__call call = guard__begin("getaddrinfo_a", RESOLVE);
    int ret = real(mode, list, count, event);
    guard__end(&call, "%d lookups", count);
    return ret;
}

GUARD_WRAPS int gai_suspend(const struct gaicb *const list[], int count,
                            const struct timespec *limit)
{
    GUARD_REAL(gai_suspend);
    if (!guard__watches())
        return real(list, count, limit);
    struct guard__call call = guard__begin("gai_suspend", RESOLVE);
    int ret = real(list, count, limit);
    guard__end(&call, "%d lookups", count);
    return ret;
}

/* What <resolv.h> calls res_query() and so on. */
#undef res_query
#undef res_search
#undef res_nquery
#undef res_nsearch

#define ASKS(name, parameters, arguments)                           \
    int name parameters;                                            \
    GUARD_WRAPS int name parameters                                 \
    {                                                               \
        GUARD_REAL(name);                                           \
        if (!guard__watches())                                      \
            return real arguments;                                  \
        struct guard__call call = guard__begin(#name, ON_A_WORKER); \
        int ret = real arguments;                                   \
        guard__end(&call, "\"%.150s\"", host);                      \
        return ret;                                                 \
    }

ASKS(res_query, (const char *host, int class, int type, unsigned char *answer, int size),
     (host, class, type, answer, size))
ASKS(res_search, (const char *host, int class, int type, unsigned char *answer, int size),
     (host, class, type, answer, size))
ASKS(res_nquery,
     (res_state state, const char *host, int class, int type, unsigned char *answer, int size),
     (state, host, class, type, answer, size))
ASKS(res_nsearch,
     (res_state state, const char *host, int class, int type, unsigned char *answer, int size),
     (state, host, class, type, answer, size))
