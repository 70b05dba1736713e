/* SPDX-License-Identifier: MIT */
/*
 * Multicast groups of datagram endpoints (RFC 3678's calls, which know both families). The kernel
 * forgets them with the socket: there is nothing to keep here.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "core/loop.h"
#include "net/datagram/datagram.h"
#include "net/net.h"

static bool is_group(const struct weft__address *address, int family)
{
    if (address->len && address->u.any.sa_family == AF_INET)
        return family != AF_UNIX && IN_MULTICAST(ntohl(address->u.in.sin_addr.s_addr));
    return address->len && address->u.any.sa_family == AF_INET6 && family == AF_INET6 &&
           IN6_IS_ADDR_MULTICAST(&address->u.in6.sin6_addr);
}

static int change(const weft_udp *udp, int option, const weft_address *group, const char *interface)
{
    struct weft__address address = weft__address_inside(group);
    struct group_req request = {0};
    if (udp->fd < 0)
        return -ESHUTDOWN;
    if (!is_group(&address, udp->family))
        return -EINVAL;
    bool is_ipv4 = address.u.any.sa_family == AF_INET;
    request.gr_interface = is_ipv4 ? 0 : address.u.in6.sin6_scope_id;
    if (interface)
        request.gr_interface = if_nametoindex(interface);
    if (interface && !request.gr_interface)
        return -ENODEV;
    memcpy(&request.gr_group, &address.u, address.len);
    int level = is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
    return setsockopt(udp->fd, level, option, &request, sizeof(request)) < 0 ? -errno : 0;
}

int weft_udp_join(weft_udp *udp, const weft_address *group, const char *interface)
{
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__elsewhere();
    return change(udp, MCAST_JOIN_GROUP, group, interface);
}

int weft_udp_leave(weft_udp *udp, const weft_address *group, const char *interface)
{
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__elsewhere();
    return change(udp, MCAST_LEAVE_GROUP, group, interface);
}
