/* SPDX-License-Identifier: MIT */
/*
 * A word from one thread to another and back, by each means that there is. Both threads run the
 * same code, answer(), once as the one that asks and once as the one that answers.
 */
#ifndef BENCH_FLOOR_ROUND_TRIP_H
#define BENCH_FLOOR_ROUND_TRIP_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../common/bench.h"

enum means {
    BY_EPOLL,      /* the descriptor is polled, by epoll_wait() that sleeps */
    BY_EPOLL_SPUN, /* the same, by epoll_wait() that does not */
    BY_READ,       /* a read() that blocks */
    BY_FUTEX,
    BY_COND,
    BY_CACHE_LINE /* both spin */
};

enum channel { NO_FD, EVENTFD, PIPE, TCP };

enum { ANYWHERE = -1 };

static const struct round_trip {
    const char *name;
    enum means means;
    enum channel channel;
    int answers_on; /* the CPU; who asks is on CPU 0 */
    long count;
} round_trips[] = {
    {"eventfd_epoll_rt_unpinned", BY_EPOLL, EVENTFD, ANYWHERE, 20000},
    {"futex_rt_unpinned", BY_FUTEX, NO_FD, ANYWHERE, 20000},
    {"cacheline_rt_2core", BY_CACHE_LINE, NO_FD, 1, 1000000},
    {"eventfd_epoll_rt_2core", BY_EPOLL, EVENTFD, 1, 20000},
    {"eventfd_epoll_rt_1core", BY_EPOLL, EVENTFD, 0, 20000},
    {"eventfd_epollspin_rt_2core", BY_EPOLL_SPUN, EVENTFD, 1, 100000},
    {"pipe_epoll_rt_2core", BY_EPOLL, PIPE, 1, 20000},
    {"pipe_epoll_rt_1core", BY_EPOLL, PIPE, 0, 20000},
    {"eventfd_block_rt_2core", BY_READ, EVENTFD, 1, 20000},
    {"eventfd_block_rt_1core", BY_READ, EVENTFD, 0, 20000},
    {"pipe_block_rt_2core", BY_READ, PIPE, 1, 20000},
    {"futex_rt_2core", BY_FUTEX, NO_FD, 1, 20000},
    {"futex_rt_1core", BY_FUTEX, NO_FD, 0, 20000},
    {"cond_rt_2core", BY_COND, NO_FD, 1, 20000},
    {"cond_rt_1core", BY_COND, NO_FD, 0, 20000},
    {"tcp_loopback_rt_2core", BY_READ, TCP, 1, 20000},
};

/* What each of the two is told by; on cache lines of their own. */
static struct side {
    _Alignas(64) atomic_long line;
    atomic_int futex;
    pthread_cond_t cond;
    int is_told; /* [trip_mu] */
    int read_fd, write_fd, epoll;
} asker = {.cond = PTHREAD_COND_INITIALIZER}, answerer = {.cond = PTHREAD_COND_INITIALIZER};

static pthread_mutex_t trip_mu = PTHREAD_MUTEX_INITIALIZER;

static inline void write_word(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof(one)) != sizeof(one))
        die("write");
}

/* One that does not block has been polled before. */
static inline void read_word(int fd)
{
    uint64_t value;
    while (read(fd, &value, sizeof(value)) != sizeof(value))
        ;
}

static inline void poll_word(int epoll, int timeout)
{
    struct epoll_event event;
    while (epoll_wait(epoll, &event, 1, timeout) < 1)
        ;
}

static inline void futex(atomic_int *word, int operation, int value)
{
    syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static inline void tell(enum means means, struct side *other, long turn)
{
    switch (means) {
    case BY_EPOLL:
    case BY_EPOLL_SPUN:
    case BY_READ:
        write_word(other->write_fd);
        break;
    case BY_FUTEX:
        atomic_store(&other->futex, 1);
        futex(&other->futex, FUTEX_WAKE_PRIVATE, 1);
        break;
    case BY_COND:
        pthread_mutex_lock(&trip_mu);
        other->is_told = 1;
        pthread_cond_signal(&other->cond);
        pthread_mutex_unlock(&trip_mu);
        break;
    case BY_CACHE_LINE:
        atomic_store_explicit(&other->line, turn, memory_order_release);
        break;
    }
}

static inline void wait_until_told(enum means means, struct side *self, long turn)
{
    switch (means) {
    case BY_EPOLL:
    case BY_EPOLL_SPUN:
        poll_word(self->epoll, means == BY_EPOLL ? -1 : 0);
        read_word(self->read_fd);
        break;
    case BY_READ:
        read_word(self->read_fd);
        break;
    case BY_FUTEX:
        while (!atomic_exchange(&self->futex, 0))
            futex(&self->futex, FUTEX_WAIT_PRIVATE, 0);
        break;
    case BY_COND:
        pthread_mutex_lock(&trip_mu);
        while (!self->is_told)
            pthread_cond_wait(&self->cond, &trip_mu);
        self->is_told = 0;
        pthread_mutex_unlock(&trip_mu);
        break;
    case BY_CACHE_LINE:
        while (atomic_load_explicit(&self->line, memory_order_acquire) != turn)
            ;
        break;
    }
}

static inline void *answer(void *arg)
{
    const struct round_trip *trip = arg;
    if (trip->answers_on != ANYWHERE)
        pin_cpu(trip->answers_on);
    for (long i = 1; i <= trip->count; i++) {
        wait_until_told(trip->means, &answerer, i);
        tell(trip->means, &asker, i);
    }
    return NULL;
}

static inline void open_eventfd(struct side *side, int flags)
{
    side->read_fd = eventfd(0, flags);
    side->write_fd = dup(side->read_fd);
}

static inline void open_pipe(struct side *side, int flags)
{
    int ends[2];
    if (pipe2(ends, flags) < 0)
        die("pipe2");
    side->read_fd = ends[0];
    side->write_fd = ends[1];
}

/* A connection: what one writes the other reads. */
static inline void open_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        die("listen");
    asker.read_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(asker.read_fd, (struct sockaddr *)&address, length) < 0)
        die("connect");
    answerer.read_fd = accept(listener, NULL, NULL);
    setsockopt(asker.read_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(answerer.read_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    asker.write_fd = dup(answerer.read_fd);
    answerer.write_fd = dup(asker.read_fd);
    close(listener);
}

static inline void watch(struct side *side)
{
    struct epoll_event event = {.events = EPOLLIN};
    side->epoll = epoll_create1(0);
    epoll_ctl(side->epoll, EPOLL_CTL_ADD, side->read_fd, &event);
}

static inline void open_channel(const struct round_trip *trip)
{
    int flags = trip->means == BY_READ ? 0 : O_NONBLOCK; /* as EFD_NONBLOCK */
    struct side *sides[] = {&asker, &answerer};
    for (int i = 0; i < 2 && trip->channel != TCP; i++)
        (trip->channel == EVENTFD ? open_eventfd : open_pipe)(sides[i], flags);
    if (trip->channel == TCP)
        open_tcp();
    watch(&asker);
    watch(&answerer);
}

static inline void close_channel(void)
{
    int fds[] = {asker.read_fd,    asker.write_fd,    asker.epoll,
                 answerer.read_fd, answerer.write_fd, answerer.epoll};
    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        close(fds[i]);
}

/* Asks on CPU 0, unless it is all the same where; says how long a round trip takes. */
static inline double round_trip_ns(const struct round_trip *trip)
{
    cpu_set_t before;
    sched_getaffinity(0, sizeof(before), &before);
    asker.line = answerer.line = 0;
    if (trip->channel != NO_FD)
        open_channel(trip);
    pthread_t thread = start_thread(answer, (void *)trip);
    if (trip->answers_on != ANYWHERE)
        pin_cpu(0);
    uint64_t start = now_ns();
    for (long i = 1; i <= trip->count; i++) {
        tell(trip->means, &answerer, i);
        wait_until_told(trip->means, &asker, i);
    }
    double ns = (double)(now_ns() - start) / (double)trip->count;
    pthread_join(thread, NULL);
    if (trip->channel != NO_FD)
        close_channel();
    sched_setaffinity(0, sizeof(before), &before);
    return ns;
}

#endif
