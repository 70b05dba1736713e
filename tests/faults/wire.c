/* SPDX-License-Identifier: MIT */
/*
 * A wire of our own: needs nothing of the kernel but namespaces and TUN devices, where netem is a module
 * that many kernels do not have.
 *
 *     near: wire0 (TUN) <--read, write--> the relay, a thread <--read, write--> far: wire0 (TUN)
 *
 * (IFF_NAPI: without it, the kernel drops what comes while it has no time.)
 *
 * The relay reads a packet, decides, and writes it to the other side now or, from a queue by time of
 * arrival, later. A decision is a function of seed, direction and number of the packet. What is neither
 * TCP nor UDP (the kernel's own housekeeping) passes and is not counted.
 *
 * A connection is reset by two forged packets made of the one that is dropped: to its receiver with that
 * packet's sequence number, to its sender with the number that it acknowledges, which is the only one
 * that its kernel takes.
 *
 * All state is under `mu`; the relay holds it while it decides, and not while it sleeps. `alarm` wakes it
 * when it is to end.
 */
#include "tests/faults/wire.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MTU = 1500, AT_ONCE = 64 };
#define MS INT64_C(1000000)
#define LATENESS (2 * MS)
#define LONGEST_QUEUE (10 * MS)

struct packet {
    struct packet *next;
    int64_t due;
    size_t len;
    unsigned char bytes[];
};

struct direction {
    int tun; /* what leaves this host is read here; what comes to it is written here */
    struct wire_faults faults;
    struct wire_counts counts;
    struct packet *queue; /* by `due` */
    int64_t free_at;      /* when the wire has sent what it has; with a rate */
};

enum strike { NOTHING, CUTS, RESETS };

static struct {
    int home, hosts[2]; /* namespaces */
    struct direction from[2];
    uint64_t seed;
    unsigned cut; /* enum wire_part */
    struct {
        enum strike what;
        enum wire_host from;
        unsigned left; /* packets before it happens */
        bool happened;
    } strike;
    int alarm;
    pthread_t relay;
    pthread_mutex_t mu;
} wire = {.mu = PTHREAD_MUTEX_INITIALIZER};

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 * MS + time.tv_nsec;
}

/* ---- Packets ---- */

static bool is_6(const unsigned char *bytes)
{
    return bytes[0] >> 4 == 6;
}

static size_t ip_len(const unsigned char *bytes)
{
    return is_6(bytes) ? sizeof(struct ip6_hdr) : (size_t)(bytes[0] & 15) * 4;
}

static int protocol(const unsigned char *bytes)
{
    return is_6(bytes) ? bytes[6] : bytes[9];
}

/* How many bytes of the application it carries. */
static size_t payload(const unsigned char *bytes, size_t len)
{
    struct tcphdr tcp;
    if (protocol(bytes) != IPPROTO_TCP)
        return 0;
    memcpy(&tcp, bytes + ip_len(bytes), sizeof(tcp));
    return len - ip_len(bytes) - (size_t)tcp.doff * 4;
}

/* ---- Forging ---- */

static uint32_t sum(const void *bytes, size_t len, uint32_t so_far)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i + 1 < len; i += 2)
        so_far += (uint32_t)at[i] << 8 | at[i + 1];
    return so_far;
}

static uint16_t folded(uint32_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return htons((uint16_t)~total);
}

struct reset {
    struct iphdr ip;
    struct tcphdr tcp;
};

/* Of IPv4, which is enough: the resets of IPv6 are the same to whoever meets them. */
static struct reset forge(in_addr_t from, in_addr_t to, const struct tcphdr *tcp)
{
    struct reset reset = {
        .ip = {.version = 4,
               .ihl = 5,
               .ttl = 64,
               .protocol = IPPROTO_TCP,
               .saddr = from,
               .daddr = to},
        .tcp = *tcp,
    };
    reset.ip.tot_len = htons(sizeof(reset));
    reset.ip.check = folded(sum(&reset.ip, sizeof(reset.ip), 0));
    uint32_t pseudo = sum(&reset.ip.saddr, 8, IPPROTO_TCP + sizeof(reset.tcp));
    reset.tcp.check = folded(sum(&reset.tcp, sizeof(reset.tcp), pseudo));
    return reset;
}

static void put(const struct direction *to, const void *bytes, size_t len)
{
    /* A full or vanished device loses packets, as wires do. */
    ssize_t done = write(to->tun, bytes, len);
    (void)done;
}

static void reset_both(enum wire_host from, const unsigned char *bytes)
{
    struct iphdr ip;
    struct tcphdr tcp;
    memcpy(&ip, bytes, sizeof(ip));
    memcpy(&tcp, bytes + ip_len(bytes), sizeof(tcp));
    struct tcphdr there = {
        .source = tcp.source, .dest = tcp.dest, .seq = tcp.seq, .doff = 5, .rst = 1};
    struct tcphdr back = {
        .source = tcp.dest, .dest = tcp.source, .seq = tcp.ack_seq, .doff = 5, .rst = 1};
    struct reset to_receiver = forge(ip.saddr, ip.daddr, &there);
    struct reset to_sender = forge(ip.daddr, ip.saddr, &back);
    put(&wire.from[!from], &to_receiver, sizeof(to_receiver));
    put(&wire.from[from], &to_sender, sizeof(to_sender));
}

/* ---- Decisions ---- */

/* splitmix64: a number for each packet, each question, each seed. */
static uint64_t draw(enum wire_host from, uint64_t number, unsigned question)
{
    uint64_t x = wire.seed + 0x9e3779b97f4a7c15 * (number * 8 + question * 2 + from + 1);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static bool happens(enum wire_host from, unsigned question, unsigned of_a_thousand)
{
    return draw(from, wire.from[from].counts.seen, question) % 1000 < of_a_thousand;
}

static void enqueue(struct direction *direction, const void *bytes, size_t len, int64_t due)
{
    struct packet *packet = malloc(sizeof(*packet) + len);
    if (!packet)
        return;
    packet->due = due;
    packet->len = len;
    memcpy(packet->bytes, bytes, len);
    struct packet **at = &direction->queue;
    while (*at && (*at)->due <= due)
        at = &(*at)->next;
    packet->next = *at;
    *at = packet;
}

/* When it has left, the wire having sent what was before it; -1: the queue is too long. */
static int64_t leaves_at(struct direction *direction, size_t len, int64_t moment)
{
    int64_t rate = direction->faults.rate;
    if (!rate)
        return moment;
    int64_t starts = direction->free_at > moment ? direction->free_at : moment;
    if (starts - moment > LONGEST_QUEUE)
        return -1;
    direction->free_at = starts + (int64_t)len * 1000 * MS / rate;
    return direction->free_at;
}

/* Something is to happen at this packet, or has happened: it does not come through. */
static bool strikes(enum wire_host from, const unsigned char *bytes, size_t len)
{
    if (wire.strike.what == NOTHING || wire.strike.happened || wire.strike.from != from ||
        !payload(bytes, len))
        return false;
    if (wire.strike.left) {
        wire.strike.left--;
        return false;
    }
    wire.strike.happened = true;
    if (wire.strike.what == CUTS)
        wire.cut = WIRE_WHOLE;
    else
        reset_both(from, bytes);
    return true;
}

static void pass(enum wire_host from, const unsigned char *bytes, size_t len)
{
    struct direction *direction = &wire.from[from];
    const struct wire_faults *faults = &direction->faults;
    int64_t moment = now();
    int64_t due = leaves_at(direction, len, moment);
    if (due < 0 || happens(from, 0, faults->lost)) {
        direction->counts.lost++;
        return;
    }
    due += faults->delay;
    if (happens(from, 1, faults->late)) {
        direction->counts.late++;
        due += faults->lateness ? faults->lateness : LATENESS;
    }
    direction->counts.passed++;
    bool twice = happens(from, 2, faults->twice);
    direction->counts.twice += twice;
    for (int i = 0; i <= twice; i++) {
        if (due <= moment && !direction->queue)
            put(&wire.from[!from], bytes, len);
        else
            enqueue(direction, bytes, len, due);
    }
}

static void decide(enum wire_host from, const unsigned char *bytes, size_t len)
{
    struct direction *direction = &wire.from[from];
    bool is_cut = wire.cut & (is_6(bytes) ? WIRE_IPV6 : WIRE_IPV4);
    bool counts = protocol(bytes) == IPPROTO_TCP || protocol(bytes) == IPPROTO_UDP;
    if (!counts) {
        if (!is_cut)
            put(&wire.from[!from], bytes, len);
        return;
    }
    direction->counts.seen++;
    if (is_cut || strikes(from, bytes, len))
        direction->counts.cut++;
    else
        pass(from, bytes, len);
}

/* ---- The relay ---- */

/* Send what is due. When there is more to send: -1: there is not. */
static int64_t send_due(enum wire_host from)
{
    struct direction *direction = &wire.from[from];
    int64_t moment = now();
    while (direction->queue && direction->queue->due <= moment) {
        struct packet *packet = direction->queue;
        direction->queue = packet->next;
        put(&wire.from[!from], packet->bytes, packet->len);
        free(packet);
    }
    return direction->queue ? direction->queue->due : -1;
}

static void take(enum wire_host from)
{
    unsigned char bytes[MTU];
    for (int i = 0; i < AT_ONCE; i++) {
        ssize_t len = read(wire.from[from].tun, bytes, sizeof(bytes));
        if (len <= 0)
            return;
        decide(from, bytes, (size_t)len);
    }
}

static int64_t next_due(void)
{
    int64_t near = send_due(WIRE_NEAR);
    int64_t far = send_due(WIRE_FAR);
    return near < 0 || (far >= 0 && far < near) ? far : near;
}

static void *relay(void *arg)
{
    (void)arg;
    struct pollfd fds[] = {{wire.from[WIRE_NEAR].tun, POLLIN, 0},
                           {wire.from[WIRE_FAR].tun, POLLIN, 0},
                           {wire.alarm, POLLIN, 0}};
    while (!fds[2].revents) {
        pthread_mutex_lock(&wire.mu);
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents)
                take((enum wire_host)i);
        }
        int64_t due = next_due();
        pthread_mutex_unlock(&wire.mu);
        int64_t left = due < 0 ? 0 : due - now();
        struct timespec pause = {left / (1000 * MS), left % (1000 * MS)};
        if (left < 0)
            pause = (struct timespec){0};
        if (ppoll(fds, 3, due < 0 ? NULL : &pause, NULL) < 0)
            fds[0].revents = fds[1].revents = 0;
    }
    return NULL;
}

/* ---- The hosts ---- */

static void must(bool condition, const char *what)
{
    cr_assert(condition, "the wire: %s: %s", what, strerror(errno));
}

static void be_in(int namespace)
{
    must(setns(namespace, CLONE_NEWNET) == 0, "setns");
}

void wire_be_at(enum wire_host host)
{
    be_in(wire.hosts[host]);
}

static int this_namespace(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    must(fd >= 0, "this namespace");
    return fd;
}

static void set_up(int socket, const char *name)
{
    struct ifreq request = {.ifr_qlen = 20000};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    ioctl(socket, SIOCSIFTXQLEN, &request); /* only the system's root may; 500 will do else */
    must(ioctl(socket, SIOCGIFFLAGS, &request) == 0, "SIOCGIFFLAGS");
    request.ifr_flags |= IFF_UP;
    must(ioctl(socket, SIOCSIFFLAGS, &request) == 0, "SIOCSIFFLAGS");
}

static void set_4(int socket, unsigned long what, const char *text)
{
    struct ifreq request = {.ifr_name = "wire0"};
    struct sockaddr_in address = {.sin_family = AF_INET};
    inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    must(ioctl(socket, what, &request) == 0, text);
}

static bool binds_6(int socket6, const struct in6_addr *address)
{
    struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_addr = *address};
    return bind(socket6, (struct sockaddr *)&local, sizeof(local)) == 0;
}

/* The kernel needs a moment until it is one to bind to. */
static void set_6(const char *text)
{
    struct in6_ifreq request = {.ifr6_prefixlen = 64, .ifr6_ifindex = (int)if_nametoindex("wire0")};
    int socket6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET6, text, &request.ifr6_addr);
    must(socket6 >= 0 && ioctl(socket6, SIOCSIFADDR, &request) == 0, text);
    while (!binds_6(socket6, &request.ifr6_addr)) {
        must(errno == EADDRNOTAVAIL, text);
        sched_yield();
    }
    close(socket6);
}

/* So many that the kernel finds a free one at once, with tens of thousands in use. */
static void widen_ports(void)
{
    int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
    must(fd >= 0 && write(fd, "1024 65535", 10) == 10, "ip_local_port_range");
    close(fd);
}

/* A namespace with a device and addresses. */
static void make_host(enum wire_host host, const char *text4, const char *text6)
{
    struct ifreq request = {.ifr_name = "wire0", .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_NAPI};
    must(unshare(CLONE_NEWNET) == 0, "unshare");
    wire.hosts[host] = this_namespace();
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    must(tun >= 0 && ioctl(tun, TUNSETIFF, &request) == 0, "/dev/net/tun");
    int socket4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(socket4 >= 0, "a socket");
    set_4(socket4, SIOCSIFADDR, text4);
    set_4(socket4, SIOCSIFNETMASK, "255.255.255.0");
    set_up(socket4, "wire0");
    set_up(socket4, "lo");
    set_6(text6);
    widen_ports();
    close(socket4);
    wire.from[host] = (struct direction){.tun = tun};
}

void wire_begin(uint64_t seed)
{
    wire.home = this_namespace();
    wire.seed = seed;
    wire.cut = 0;
    wire.strike.what = NOTHING;
    make_host(WIRE_FAR, WIRE_FAR_4, WIRE_FAR_6);
    make_host(WIRE_NEAR, WIRE_NEAR_4, WIRE_NEAR_6);
    wire.alarm = eventfd(0, EFD_CLOEXEC);
    must(wire.alarm >= 0, "eventfd");
    must(pthread_create(&wire.relay, NULL, relay, NULL) == 0, "a thread");
}

void wire_end(void)
{
    must(eventfd_write(wire.alarm, 1) == 0, "eventfd");
    pthread_join(wire.relay, NULL);
    be_in(wire.home);
    for (int i = 0; i < 2; i++) {
        while (wire.from[i].queue) {
            struct packet *packet = wire.from[i].queue;
            wire.from[i].queue = packet->next;
            free(packet);
        }
        close(wire.from[i].tun);
        close(wire.hosts[i]);
    }
    close(wire.home);
    close(wire.alarm);
}

/* ---- What a test says ---- */

void wire_set(enum wire_host from, const struct wire_faults *faults)
{
    pthread_mutex_lock(&wire.mu);
    wire.from[from].faults = *faults;
    pthread_mutex_unlock(&wire.mu);
}

struct wire_counts wire_counted(enum wire_host from)
{
    pthread_mutex_lock(&wire.mu);
    struct wire_counts counts = wire.from[from].counts;
    pthread_mutex_unlock(&wire.mu);
    return counts;
}

void wire_cut(enum wire_part part)
{
    pthread_mutex_lock(&wire.mu);
    wire.cut = part;
    pthread_mutex_unlock(&wire.mu);
}

void wire_heal(void)
{
    pthread_mutex_lock(&wire.mu);
    wire.cut = 0;
    wire.strike.what = NOTHING;
    pthread_mutex_unlock(&wire.mu);
}

static void strike_at(enum strike what, enum wire_host from, unsigned n)
{
    pthread_mutex_lock(&wire.mu);
    wire.strike.what = what;
    wire.strike.from = from;
    wire.strike.left = n;
    wire.strike.happened = false;
    pthread_mutex_unlock(&wire.mu);
}

void wire_cut_at(enum wire_host from, unsigned n)
{
    strike_at(CUTS, from, n);
}

void wire_reset_at(enum wire_host from, unsigned n)
{
    strike_at(RESETS, from, n);
}

bool wire_has_struck(void)
{
    pthread_mutex_lock(&wire.mu);
    bool happened = wire.strike.happened;
    pthread_mutex_unlock(&wire.mu);
    return happened;
}

/* ---- Bytes ---- */

static char byte_at(uint64_t place)
{
    return (char)((place * 0x9e3779b97f4a7c15) >> 56);
}

void wire_pattern(char *to, size_t len, uint64_t place)
{
    for (size_t i = 0; i < len; i++)
        to[i] = byte_at(place + i);
}

bool wire_is_pattern(const char *bytes, size_t len, uint64_t place)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != byte_at(place + i))
            return false;
    }
    return true;
}
