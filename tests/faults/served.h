/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_FAULTS_SERVED_H
#define WEFT_TESTS_FAULTS_SERVED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <weft/http_server.h>

/*
 * A server in a process of its own on the far host, whose memory, CPU and descriptors can be told from
 * those of its clients. It has
 *
 *     port 80    HTTP                        GET /hello  "hello"
 *     port 443   the same by TLS             GET /much   endless
 *     port 7     an echo                     POST /count  how long the body is
 */
enum { SERVED_HTTP = 80, SERVED_TLS = 443, SERVED_ECHO = 7 };

struct served {
    pid_t pid;
    int control;
};

struct served_options {
    struct weft_http_server_options http;
    unsigned most_files; /* RLIMIT_NOFILE of it; 0: as many as can be */
};

struct served_stats {
    size_t http, echo; /* connections open */
    uint64_t requests, refused, dropped;
    size_t reports;  /* of the loop's error handler */
    int last_report; /* a status */
};

/* After wire_begin(), and before any client is there. Returns when it listens. */
struct served served_start(const struct served_options *options);

struct served_stats served_stats(const struct served *served);

/* Wait until it has no connection any more, and let malloc() give back to the kernel what is free. */
void served_wait_for_none(const struct served *served);

/* Ends it; fails the test unless it has given everything back. */
void served_stop(struct served *served);

/* Of its memory, what is its own (RssAnon), in bytes. */
size_t served_memory(const struct served *served);

/* Whether that says anything: a sanitizer takes memory of its own. */
bool served_tells_memory(void);

/* How often it went to sleep, and how long it ran, so far. */
struct served_effort {
    uint64_t sleeps;
    uint64_t ran; /* ns */
};
struct served_effort served_effort(const struct served *served);

/* How many descriptors it has open. */
size_t served_fds(const struct served *served);

/* Raise this process's limit as far as it goes; how many connections of `wanted` it allows. */
size_t served_allowance(size_t wanted);

/* ---- Plain clients, which block ---- */

/* Connect from the near host; several at once. */
int served_connect(int port);
void served_connect_many(int port, int *ret, size_t count);

/* Send all of a text; false: the connection has failed. */
bool served_send(int fd, const char *text);

/* One request on a connection that is kept: true if the answer is 200 and "hello". */
#define SERVED_HELLO "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
bool served_says_hello(int fd);
bool served_answers_hello(int fd); /* its second half */

#endif
