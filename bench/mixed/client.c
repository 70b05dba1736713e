/* SPDX-License-Identifier: MIT */
/*
 * The mixed load's client: `client WORKLOAD PEER PORT CONNECTIONS SECONDS SLOW_PERCENT RATE`.
 *
 * Requests of two classes, /fast and /slow, on keep-alive connections; which it is, is random.
 * RATE > 0: an open loop. Requests arrive RATE times a second, as Poisson's; a latency counts from
 * the arrival, also when the request then had to wait for a free connection, so an overloaded server
 * cannot look fast. RATE 0: a closed loop, each connection sends its next request when it has the
 * answer. The first second is a warm-up and not counted.
 *
 * Prints requests/s and each class's quantiles, and how many requests there were in all, warm-up
 * included.
 */
#include <math.h>
#include <stdbool.h>
#include <strings.h>

#include "../common/client.h"

enum { MAX_EVENTS = 256, QUEUE = 1 << 20, MAX_ANSWER = 8192 };

static const char fast[] = "GET /fast HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char slow[] = "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";

/* A request, from its arrival on. */
struct request {
    uint64_t arrived;
    bool is_slow;
};

struct connection {
    int fd;
    struct request request;
    size_t len;
    char answer[MAX_ANSWER];
};

static struct {
    unsigned slow_percent;
    double rate;
    uint64_t random, warm_until;
    double next_arrival;
    struct connection **idle; /* a stack */
    size_t idle_count;
    struct request queue[QUEUE]; /* a ring of those that have no connection yet */
    size_t head, tail;
    struct latencies fast, slow;
    uint64_t answers; /* also those of the warm-up */
} all = {.random = UINT64_C(88172645463325252)};

/* xorshift64* */
static uint64_t random_number(void)
{
    all.random ^= all.random >> 12;
    all.random ^= all.random << 25;
    all.random ^= all.random >> 27;
    return all.random * UINT64_C(2685821657736338717);
}

static struct request new_request(uint64_t arrived)
{
    return (struct request){arrived, (random_number() >> 32) % 100 < all.slow_percent};
}

static void count(const struct request *request, uint64_t now)
{
    if (request->arrived >= all.warm_until)
        latencies_add(request->is_slow ? &all.slow : &all.fast, now - request->arrived);
}

static void send_request(struct request request)
{
    struct connection *conn = all.idle[--all.idle_count];
    const char *text = request.is_slow ? slow : fast;
    conn->request = request;
    conn->len = 0;
    if (send(conn->fd, text, sizeof(fast) - 1, MSG_NOSIGNAL) != sizeof(fast) - 1)
        die("send");
}

/* Is the whole answer there? */
static bool is_complete(struct connection *conn)
{
    conn->answer[conn->len] = '\0';
    const char *end = strstr(conn->answer, "\r\n\r\n");
    if (!end)
        return false;
    const char *length = strcasestr(conn->answer, "\r\ncontent-length:");
    if (!length || length > end || strncmp(conn->answer + 8, " 200", 4) != 0) {
        fprintf(stderr, "not such an answer: %.60s\n", conn->answer);
        exit(1);
    }
    size_t head = (size_t)(end + 4 - conn->answer);
    return conn->len >= head + strtoul(length + 17, NULL, 10);
}

static void on_readable(struct connection *conn)
{
    ssize_t got = recv(conn->fd, conn->answer + conn->len, MAX_ANSWER - 1 - conn->len, 0);
    if (got <= 0)
        die("the connection ended");
    conn->len += (size_t)got;
    if (!is_complete(conn))
        return;
    count(&conn->request, now_ns());
    all.answers++;
    all.idle[all.idle_count++] = conn;
}

/* Those that have arrived by now; what a full queue has no place for is lost. */
static void let_arrive(uint64_t now)
{
    while (all.next_arrival <= (double)now) {
        struct request request = new_request((uint64_t)all.next_arrival);
        if (all.tail - all.head < QUEUE)
            all.queue[all.tail++ % QUEUE] = request;
        double uniform = (double)(random_number() >> 11) / 9007199254740992.0;
        all.next_arrival += -log(1.0 - uniform) * 1e9 / all.rate;
    }
    while (all.head < all.tail && all.idle_count > 0)
        send_request(all.queue[all.head++ % QUEUE]);
}

static void run(int epoll, uint64_t until)
{
    struct epoll_event events[MAX_EVENTS];
    for (uint64_t now = now_ns(); now < until; now = now_ns()) {
        if (all.rate > 0)
            let_arrive(now);
        while (all.rate <= 0 && all.idle_count > 0)
            send_request(new_request(now_ns()));
        int ready = epoll_wait(epoll, events, MAX_EVENTS, 0);
        for (int i = 0; i < ready; i++)
            on_readable(events[i].data.ptr);
    }
    for (; all.head < all.tail; all.head++) /* these have waited, too */
        count(&all.queue[all.head % QUEUE], now_ns());
}

static void tell(char *const *names, int seconds)
{
    latencies_sort(&all.fast);
    latencies_sort(&all.slow);
    emit(names[0], names[1], "req_per_s", (double)(all.fast.count + all.slow.count) / seconds,
         "1/s");
    emit(names[0], names[1], "fast_p50", latencies_quantile(&all.fast, 0.5), "us");
    emit(names[0], names[1], "fast_p99", latencies_quantile(&all.fast, 0.99), "us");
    emit(names[0], names[1], "fast_p999", latencies_quantile(&all.fast, 0.999), "us");
    emit(names[0], names[1], "slow_p50", latencies_quantile(&all.slow, 0.5), "us");
    emit(names[0], names[1], "slow_p99", latencies_quantile(&all.slow, 0.99), "us");
    emit(names[0], names[1], "requests", (double)all.answers, "1");
}

int main(int argc, char **argv)
{
    int connections = argc == 8 ? atoi(argv[4]) : 0, seconds = argc == 8 ? atoi(argv[5]) : 0;
    if (connections < 1 || seconds < 1) {
        fprintf(stderr, "usage: client WORKLOAD PEER PORT CONNECTIONS SECONDS SLOW_PERCENT RATE\n");
        return 2;
    }
    all.slow_percent = (unsigned)atoi(argv[6]);
    all.rate = atof(argv[7]);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    all.idle = allocate((size_t)connections, sizeof(struct connection *));
    for (int i = 0; i < connections; i++) {
        struct connection *conn = allocate(1, sizeof(*conn));
        conn->fd = client_connect(atoi(argv[3]));
        client_watch(epoll, conn->fd, conn, EPOLLIN);
        all.idle[all.idle_count++] = conn;
    }
    uint64_t began = now_ns();
    all.next_arrival = (double)began;
    all.warm_until = began + CLIENT_SECOND;
    run(epoll, all.warm_until + (uint64_t)seconds * CLIENT_SECOND);
    tell(argv + 1, seconds);
    return 0;
}
