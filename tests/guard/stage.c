/* SPDX-License-Identifier: MIT */
#include "tests/guard/stage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/blocking.h>
#include <weft/guard.h>

enum { BIG = 64 << 20, PAGE = 4096 };

struct stage stage;

static struct sockaddr_in address;
static pthread_t helper;
static int orders[2],
    answers[2]; /* function pointers to the helper; a byte for each that must be told of */

struct order {
    void (*fn)(void);
    bool is_awaited;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void *help(void *arg)
{
    struct order order;
    (void)arg;
    while (read(orders[0], &order, sizeof(order)) == sizeof(order) && order.fn) {
        order.fn();
        if (order.is_awaited && write(answers[1], "", 1) != 1)
            fail("answer");
    }
    return NULL;
}

static void send_order(void (*fn)(void), bool is_awaited)
{
    struct order order;
    memset(&order, 0, sizeof(order));
    order.fn = fn;
    order.is_awaited = is_awaited;
    if (write(orders[1], &order, sizeof(order)) != sizeof(order))
        fail("order");
}

void stage_do(void (*fn)(void))
{
    char answer;
    WEFT_ALLOW_BLOCKING("the stage is set") {
        send_order(fn, true);
        if (read(answers[0], &answer, 1) != 1)
            fail("answer");
    }
}

void stage_soon(void (*fn)(void))
{
    send_order(fn, false);
}

static void (*release)(void);

/* Once: a sin may consist of several calls. */
static void before(void *arg, const char *call)
{
    void (*fn)(void) = release;
    (void)arg;
    (void)call;
    release = NULL;
    if (fn)
        send_order(fn, false);
}

void stage_when_blocked(void (*fn)(void))
{
    release = fn;
    weft_guard_before(fn ? before : NULL, NULL);
}

/* ---- Threads and processes that end when they are told to ---- */

static void *wait_for_the_end(void *arg)
{
    char byte;
    (void)arg;
    return read(stage.joins[0], &byte, 1) == 1 ? NULL : &stage;
}

void stage_start_thread(void)
{
    if (pthread_create(&stage.joined, NULL, wait_for_the_end, NULL) != 0)
        fail("pthread_create");
}

void stage_end_thread(void)
{
    if (write(stage.joins[1], "", 1) != 1)
        fail("write");
}

void stage_start_child(void)
{
    posix_spawn_file_actions_t actions;
    char *argv[] = {(char *)(uintptr_t) "cat", NULL}, *env[] = {NULL};
    if (pipe2(stage.feeds, O_CLOEXEC) < 0)
        fail("pipe2");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, stage.feeds[0], 0);
    if (posix_spawn(&stage.child, "/bin/cat", &actions, NULL, argv, env) != 0)
        fail("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(stage.feeds[0]);
}

void stage_end_child(void)
{
    /* By itself: in a call that it looks at, ThreadSanitizer does not see that this was ordered. */
    syscall(SYS_close, stage.feeds[1]);
}

/* ---- Descriptors ---- */

static void set_blocking(int fd, bool blocking)
{
    int flags = fcntl(fd, F_GETFL);
    if (fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0)
        fail("fcntl");
}

void stage_fill(int fd)
{
    static const char bytes[PAGE];
    set_blocking(fd, false);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        ;
    while (write(fd, bytes, 1) > 0)
        ;
    set_blocking(fd, true);
}

static void drain(int fd)
{
    char bytes[PAGE];
    set_blocking(fd, false);
    while (read(fd, bytes, sizeof(bytes)) > 0)
        ;
    set_blocking(fd, true);
}

static int drained;

static void drain_it(void)
{
    drain(drained);
}

void stage_drain(int fd)
{
    if (pthread_equal(pthread_self(), helper)) {
        drain(fd);
        return;
    }
    drained = fd;
    stage_do(drain_it);
}

static void open_sockets(void)
{
    socklen_t size = sizeof(address);
    stage.at = &address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stage.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stage.listener < 0 || bind(stage.listener, (struct sockaddr *)&address, size) < 0 ||
        listen(stage.listener, 8) < 0 ||
        getsockname(stage.listener, (struct sockaddr *)&address, &size) < 0)
        fail("listen");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stage.pair) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stage.full_pair) < 0)
        fail("socketpair");
}

static void open_files(void)
{
    char big[] = "/tmp/weft-guard-XXXXXX";
    snprintf(stage.path, sizeof(stage.path), "/tmp/weft-guard-XXXXXX");
    stage.file = mkostemp(stage.path, O_CLOEXEC);
    stage.other_file = open(stage.path, O_RDWR | O_CLOEXEC);
    stage.big = mkostemp(big, O_CLOEXEC);
    stage.big_buffer = malloc(BIG);
    if (stage.file < 0 || stage.other_file < 0 || stage.big < 0 || !stage.big_buffer ||
        ftruncate(stage.file, PAGE) < 0 || ftruncate(stage.big, BIG) < 0)
        fail("files");
    unlink(big);
    stage.mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, stage.file, 0);
    stage.terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (stage.mapped == MAP_FAILED || stage.terminal < 0)
        fail("open");
}

void stage_open(void)
{
    if (pipe2(orders, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0 ||
        pipe2(stage.pipe, O_CLOEXEC) < 0 || pipe2(stage.full, O_CLOEXEC) < 0 ||
        pipe2(stage.joins, O_CLOEXEC) < 0)
        fail("pipe2");
    open_sockets();
    open_files();
    pthread_mutex_init(&stage.mutex, NULL);
    pthread_rwlock_init(&stage.rwlock, NULL);
    pthread_cond_init(&stage.cond, NULL);
    pthread_barrier_init(&stage.barrier, NULL, 2);
    sem_init(&stage.semaphore, 0, 0);
    if (pthread_create(&helper, NULL, help, NULL) != 0)
        fail("pthread_create");
}

void stage_close(void)
{
    const int fds[] = {stage.pipe[0],      stage.pipe[1],  stage.full[0],  stage.full[1],
                       stage.pair[0],      stage.pair[1],  stage.listener, stage.full_pair[0],
                       stage.full_pair[1], stage.file,     stage.big,      stage.other_file,
                       stage.terminal,     stage.joins[0], stage.joins[1], orders[0],
                       orders[1],          answers[0],     answers[1]};
    send_order(NULL, false);
    pthread_join(helper, NULL);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        close(fds[i]);
    munmap(stage.mapped, PAGE);
    unlink(stage.path);
    free(stage.big_buffer);
    pthread_mutex_destroy(&stage.mutex);
    pthread_rwlock_destroy(&stage.rwlock);
    pthread_cond_destroy(&stage.cond);
    pthread_barrier_destroy(&stage.barrier);
    sem_destroy(&stage.semaphore);
}
