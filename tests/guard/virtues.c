/* SPDX-License-Identifier: MIT */
/*
 * Calls that might block and do not, all in a step of a task: none is reported. What was ready, what nobody
 * held, what does not wait, what is no name; and what is allowed, or made where no step is.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <weft/blocking.h>
#include <weft/fd.h>
#include <weft/guard.h>
#include <weft/pool.h>
#include <weft/task.h>
#include <weft/time.h>

#include "tests/guard/stage.h"

static _Thread_local volatile long result;
static int wrong;
static char bytes[64];

static void feed_pipe(void)
{
    result = write(stage.pipe[1], "1234\n", 5);
}

/* ---- Each a virtue ---- */

static void sleep_for_no_time(void)
{
    static const struct timespec none;
    sleep(0);               /* on purpose */
    usleep(0);              /* on purpose */
    nanosleep(&none, NULL); /* on purpose */
    struct timespec past = {1, 0};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL); /* on purpose */
}

static void look_up_addresses(void)
{
    static const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
    static const char *const hosts[] = {"127.0.0.1", "::1", "fe80::1%lo", NULL};
    char host[64];
    for (size_t i = 0; i < 4; i++) {
        struct addrinfo *list = NULL;
        if (getaddrinfo(hosts[i], "80", NULL, &list) == 0)
            freeaddrinfo(list);
    }
    struct addrinfo *list = NULL;
    result = getaddrinfo("localhost", "80", &numeric, &list);
    result = gethostbyname("127.0.0.1") != NULL;
    getnameinfo((struct sockaddr *)stage.at, sizeof(*stage.at), host, sizeof(host), NULL, 0,
                NI_NUMERICHOST);
}

/* Nothing is asked for, or what never waits. */
static void ask_for_nothing(void)
{
    static volatile size_t none = 0; /* the compiler does not know it */
    stage_fill(stage.full[1]);
    if (read(stage.pipe[0], bytes, none) != 0 || write(stage.full[1], bytes, none) != 0)
        wrong++;
    stage_drain(stage.full[0]);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (recv(fd, bytes, sizeof(bytes), MSG_ERRQUEUE) != -1)
        wrong++;
    close(fd);
}

static void look_without_waiting(void)
{
    struct pollfd look = {.fd = stage.pipe[0], .events = POLLIN};
    struct timeval none = {0, 0};
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    poll(&look, 1, 0);
    select(0, NULL, NULL, NULL, &none);
    epoll_wait(epoll, &event, 1, 0);
    close(epoll);
}

static void wait_for_what_is_there(void)
{
    struct pollfd look = {.fd = stage.pipe[1], .events = POLLOUT};
    struct epoll_event event = {.events = EPOLLOUT};
    fd_set set;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poll(&look, 1, -1) != 1 || ppoll(&look, 1, NULL, NULL) != 1)
        wrong++;
    FD_ZERO(&set);
    FD_SET(stage.pipe[1], &set);
    if (select(stage.pipe[1] + 1, NULL, &set, NULL, NULL) != 1 || !FD_ISSET(stage.pipe[1], &set))
        wrong++;
    epoll_ctl(epoll, EPOLL_CTL_ADD, stage.pipe[1], &event);
    if (epoll_wait(epoll, &event, 1, -1) != 1)
        wrong++;
    close(epoll);
}

static void read_what_is_ready(void)
{
    feed_pipe();
    result = read(stage.pipe[0], bytes, sizeof(bytes));
    result = write(stage.pair[1], "a", 1);
    result = recv(stage.pair[0], bytes, 1, 0);
    FILE *stream = fdopen(fcntl(stage.pipe[0], F_DUPFD_CLOEXEC, 0), "r");
    feed_pipe();
    if (!fgets(bytes, sizeof(bytes), stream))
        wrong++;
    fclose(stream);
}

static void try_what_is_not_ready(void)
{
    if (recv(stage.pair[0], bytes, 1, MSG_DONTWAIT) != -1)
        wrong++;
    fcntl(stage.pipe[0], F_SETFL, O_NONBLOCK);
    if (read(stage.pipe[0], bytes, 1) != -1)
        wrong++;
    fcntl(stage.pipe[0], F_SETFL, 0);
    fcntl(stage.listener, F_SETFL, O_NONBLOCK);
    if (accept(stage.listener, NULL, NULL) != -1)
        wrong++;
    fcntl(stage.listener, F_SETFL, 0);
}

static void connect_without_waiting(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    result = connect(fd, (struct sockaddr *)stage.at, sizeof(*stage.at));
    result = connect(datagrams, (struct sockaddr *)stage.at, sizeof(*stage.at));
    close(datagrams);
    struct pollfd look = {.fd = stage.listener, .events = POLLIN};
    WEFT_ALLOW_BLOCKING("until the client is there")
        poll(&look, 1, -1);
    close(accept(stage.listener, NULL, NULL)); /* that is ready now */
    close(fd);
}

/* Not to be connected any longer waits for nobody. */
static void disconnect(void)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, &nobody, sizeof(nobody)) != 0)
        wrong++;
    close(fd);
}

/* A stream has more than is ready: in its buffer of wide characters, behind one that was put back. */
static void read_what_a_stream_keeps(void)
{
    FILE *stream = fdopen(fcntl(stage.pipe[0], F_DUPFD_CLOEXEC, 0), "r");
    feed_pipe();
    if (fgetc(stream) != '1' || ungetc('x', stream) != 'x' || fgetc(stream) != 'x' ||
        fgetc(stream) != '2')
        wrong++;
    fclose(stream);
    stream = fdopen(fcntl(stage.pipe[0], F_DUPFD_CLOEXEC, 0), "r");
    feed_pipe();
    if (fgetwc(stream) != L'1' || fgetwc(stream) != L'2')
        wrong++;
    fclose(stream);
}

/* Who has met the end of what is typed is told so again, without a look at the terminal. */
static void read_on_at_the_end(void)
{
    static const char end[] = {4}; /* Ctrl-D */
    char name[64];
    grantpt(stage.terminal);
    unlockpt(stage.terminal);
    if (ptsname_r(stage.terminal, name, sizeof(name)) != 0)
        wrong++;
    FILE *stream = fdopen(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC), "r");
    result = write(stage.terminal, end, 1);
    if (fgetc(stream) != EOF || !feof(stream) || fgetc(stream) != EOF)
        wrong++;
    fclose(stream);
}

static void print_where_there_is_room(void)
{
    FILE *stream = fdopen(fcntl(stage.full[1], F_DUPFD_CLOEXEC, 0), "w");
    fprintf(stream, "%d\n", 1);
    fflush(stream);
    stage_fill(stage.full[1]);
    fprintf(stream, "%d\n", 2); /* stays in the buffer */
    fputs("three\n", stream);
    stage_drain(stage.full[0]);
    fclose(stream);
    stage_drain(stage.full[0]);
}

/* It has no descriptor, but for glibc it has number 0: which is a pipe that cannot be written to. */
static void print_into_memory(void)
{
    char *text = NULL;
    size_t size;
    dup2(stage.pipe[0], STDIN_FILENO);
    FILE *stream = open_memstream(&text, &size);
    fprintf(stream, "%d\n", 1);
    fclose(stream);
    free(text);
}

static void use_files(void)
{
    struct stat status;
    FILE *stream = fopen(stage.path, "r+e");
    fprintf(stream, "%d\n", 1);
    fclose(stream);
    int fd = open(stage.path, O_RDWR | O_CLOEXEC);
    result = read(fd, bytes, sizeof(bytes));
    fstat(fd, &status);
    close(fd);
    result = msync(stage.mapped, 4096, MS_ASYNC);
    if (fsync(stage.pipe[0]) != -1 || fsync(-1) != -1) /* which cannot be */
        wrong++;
}

static void take_what_is_free(void)
{
    static pthread_mutex_t again;
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&again, &recursive);
    pthread_mutex_lock(&again);
    pthread_mutex_lock(&again);
    pthread_mutex_unlock(&again);
    pthread_mutex_unlock(&again);
    pthread_mutex_lock(&stage.mutex);
    pthread_mutex_unlock(&stage.mutex);
    pthread_rwlock_rdlock(&stage.rwlock);
    pthread_rwlock_rdlock(&stage.rwlock);
    pthread_rwlock_unlock(&stage.rwlock);
    pthread_rwlock_unlock(&stage.rwlock);
    sem_post(&stage.semaphore);
    sem_wait(&stage.semaphore);
    flock(stage.file, LOCK_EX);
    flock(stage.file, LOCK_UN);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fcntl(stage.file, F_SETLKW, &lock);
    lock.l_type = F_UNLCK;
    fcntl(stage.file, F_SETLKW, &lock);
}

/* It would wait for itself: that is an error, and no wait. */
static void lock_what_is_held_here(void)
{
    pthread_mutex_t mutex;
    pthread_mutexattr_t checked;
    pthread_mutexattr_init(&checked);
    pthread_mutexattr_settype(&checked, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &checked);
    pthread_mutex_lock(&mutex);
    if (pthread_mutex_lock(&mutex) == 0)
        wrong++;
    pthread_mutex_unlock(&mutex);
    pthread_mutex_destroy(&mutex);
}

/* ---- A limit that is over: to try, in other words ---- */

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void hold(void)
{
    pthread_mutex_lock(&held);
    pthread_rwlock_wrlock(&stage.rwlock);
}

static void let_go(void)
{
    pthread_mutex_unlock(&held);
    pthread_rwlock_unlock(&stage.rwlock);
}

static void wait_until_long_ago(void)
{
    static const struct timespec past = {1, 0};
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    stage_do(hold);
    if (pthread_mutex_timedlock(&held, &past) != ETIMEDOUT ||
        pthread_rwlock_timedrdlock(&stage.rwlock, &past) != ETIMEDOUT ||
        pthread_rwlock_timedwrlock(&stage.rwlock, &past) != ETIMEDOUT)
        wrong++;
    stage_do(let_go);
    if (sem_timedwait(&stage.semaphore, &past) != -1 || errno != ETIMEDOUT)
        wrong++;
    pthread_mutex_lock(&mutex);
    if (pthread_cond_timedwait(&stage.cond, &mutex, &past) != ETIMEDOUT)
        wrong++;
    pthread_mutex_unlock(&mutex);
    stage_start_thread();
    if (pthread_timedjoin_np(stage.joined, NULL, &past) != ETIMEDOUT)
        wrong++;
    stage_end_thread();
    WEFT_ALLOW_BLOCKING("it ends")
        pthread_join(stage.joined, NULL);
}

/* What cannot be is an error at once. */
static void wait_for_what_cannot_be(void)
{
    static const struct timespec odd = {0, -1};
    if (nanosleep(&odd, NULL) != -1) /* on purpose */
        wrong++;
}

static void *end_at_once(void *arg)
{
    return arg;
}

/* It has ended: the kernel has taken its number out of /proc. */
static void join_what_has_ended(void)
{
    pthread_t thread;
    void *value;
    pthread_create(&thread, NULL, end_at_once, &wrong);
    WEFT_ALLOW_BLOCKING("it ends by itself")
        while (pthread_tryjoin_np(thread, &value) != 0)
            sched_yield();
    if (value != &wrong)
        wrong++;
    stage_start_child();
    stage_end_child();
    siginfo_t info;
    WEFT_ALLOW_BLOCKING("it ends by itself")
        waitid(P_PID, (id_t)stage.child, &info, WEXITED | WNOWAIT);
    if (waitpid(stage.child, NULL, 0) != stage.child)
        wrong++;
    if (waitpid(-1, NULL, WNOHANG) != -1 || wait(NULL) != -1)
        wrong++;
}

static void be_allowed(void)
{
    uint64_t scopes = weft_blocking_scopes(), allowed = weft_guard_allowed();
    WEFT_ALLOW_BLOCKING("this test") {
        if (strcmp(weft_blocking_allowed(), "this test") != 0)
            wrong++;
        usleep(1); /* on purpose */
        WEFT_ALLOW_BLOCKING("within it") {
            usleep(1); /* on purpose */
            break;
        }
    }
    if (weft_blocking_allowed() || weft_blocking_scopes() != scopes + 2 ||
        weft_guard_allowed() != allowed + 2)
        wrong++;
}

/* ---- Where no step is ---- */

/* A child of a fork has no loop. It ends with how much was seen of what it did. */
static void nap_in_a_child(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        struct weft_guard_report report;
        weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
        usleep(1); /* on purpose */
        syscall(SYS_exit_group, weft_guard_watch_get(watch, 0, &report) ? 1 : 0);
    }
    WEFT_ALLOW_BLOCKING("it ends")
        waitpid(child, &status, 0);
    if (status != 0)
        wrong++;
}

static void *sleep_elsewhere(void *arg)
{
    usleep(1); /* on purpose */
    return arg;
}

struct naps {
    int us;
};

static WEFT_BLOCKING(naps)
{
    usleep((useconds_t)self->us); /* on purpose: a job may */
    return weft_ok(NULL, NULL);
}

struct virtue {
    const char *name;
    void (*practise)(void);
};

static const struct virtue virtues[] = {
    {"sleep for no time", sleep_for_no_time},
    {"look up addresses", look_up_addresses},
    {"look without waiting", look_without_waiting},
    {"wait for what is there", wait_for_what_is_there},
    {"read what is ready", read_what_is_ready},
    {"try what is not ready", try_what_is_not_ready},
    {"connect without waiting", connect_without_waiting},
    {"print where there is room", print_where_there_is_room},
    {"print into memory", print_into_memory},
    {"use files", use_files},
    {"take what is free", take_what_is_free},
    {"lock what is held here", lock_what_is_held_here},
    {"join what has ended", join_what_has_ended},
    {"be allowed", be_allowed},
    {"ask for nothing", ask_for_nothing},
    {"disconnect", disconnect},
    {"read what a stream keeps", read_what_a_stream_keeps},
    {"read on at the end", read_on_at_the_end},
    {"wait until long ago", wait_until_long_ago},
    {"wait for what cannot be", wait_for_what_cannot_be},
    {"nap in a child", nap_in_a_child},
};

static void check(const struct virtue *virtue)
{
    struct weft_guard_report report;
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    int before = wrong;
    virtue->practise();
    for (size_t i = 0; weft_guard_watch_get(watch, i, &report); i++) {
        fprintf(stderr, "%s: %s(%s) at %s was reported\n", virtue->name, report.call,
                report.argument, report.place);
        wrong++;
    }
    if (wrong != before)
        fprintf(stderr, "%s: wrong\n", virtue->name);
    weft_guard_watch_end(watch);
}

struct virtuous {
    WEFT_FRAME;
    size_t at;
    pthread_t thread;
};

static WEFT_ASYNC(virtuous)
{
    WEFT_BEGIN;
    for (self->at = 0; self->at < sizeof(virtues) / sizeof(virtues[0]); self->at++) {
        check(&virtues[self->at]);
        WEFT_YIELD;
    }
    WEFT_AWAIT(weft_sleep(WEFT_MS(1))); /* the loop itself may sleep */
    WEFT_AWAIT(weft_to_thread(naps, .us = 1));
    WEFT_RETURN(0);
    WEFT_END;
}

int main(void)
{
    pthread_t thread;
    stage_open();
    usleep(1); /* on purpose: outside of any step */
    pthread_create(&thread, NULL, sleep_elsewhere, NULL);
    int status = weft_run(virtuous);
    pthread_join(thread, NULL);
    stage_close();
    if (weft_guard_reported() > 0)
        wrong++;
    fprintf(stderr, "%zu virtues, %d wrong\n", sizeof(virtues) / sizeof(virtues[0]), wrong);
    return status || wrong;
}
