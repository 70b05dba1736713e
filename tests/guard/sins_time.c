/* SPDX-License-Identifier: MIT */
/* Sleeps, names, and waits for descriptors. */
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "tests/guard/sins.h"
#include "tests/guard/stage.h"
#include "tests/support/sanitizer.h"

static const struct timespec a_moment = {0, 1000000};

static void commit_sleep(void)
{
    SIN_OF(sleep(1)); /* on purpose */
}

static void commit_usleep(void)
{
    SIN_OF(usleep(1000)); /* on purpose */
}

static void commit_nanosleep(void)
{
    SIN_OF(nanosleep(&a_moment, NULL)); /* on purpose */
}

static void commit_clock_nanosleep(void)
{
    SIN_OF(clock_nanosleep(CLOCK_MONOTONIC, 0, &a_moment, NULL)); /* on purpose */
}

static void commit_thrd_sleep(void)
{
    SIN_OF(thrd_sleep(&a_moment, NULL));
}

static void commit_sigtimedwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    SIN_OF(sigtimedwait(&set, NULL, &a_moment));
}

/* ---- Signals, which are blocked until they are waited for ---- */

static _Atomic(pthread_t) sinner; /* ThreadSanitizer does not see that it was ordered */

static void send_signal(void)
{
    pthread_kill(sinner, SIGUSR2);
}

static void block_signal(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGUSR2);
    sinner = pthread_self();
    pthread_sigmask(SIG_BLOCK, set, NULL);
    stage_when_blocked(send_signal);
}

static void commit_sigwait(void)
{
    sigset_t set;
    int number;
    block_signal(&set);
    SIN_OF(sigwait(&set, &number));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void commit_sigwaitinfo(void)
{
    sigset_t set;
    block_signal(&set);
    SIN_OF(sigwaitinfo(&set, NULL));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void on_signal(int number)
{
    sin_result = number;
}

static void commit_sigsuspend(void)
{
    sigset_t set, none;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR2, &action, NULL);
    sigemptyset(&none);
    block_signal(&set);
    SIN_OF(sigsuspend(&none));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- Names: what is in /etc/hosts is looked up like all others ---- */

static void commit_getaddrinfo(void)
{
    struct addrinfo *list = NULL;
    SIN_OF(getaddrinfo("localhost", "80", NULL, &list));
    if (list)
        freeaddrinfo(list);
}

static void commit_getnameinfo(void)
{
    char host[256];
    const struct sockaddr *at = (struct sockaddr *)stage.at;
    SIN_OF(getnameinfo(at, sizeof(*stage.at), host, sizeof(host), NULL, 0, 0));
}

static void commit_gethostbyname(void)
{
    SIN_OF(gethostbyname("localhost") != NULL);
}

static void commit_gethostbyname2(void)
{
    SIN_OF(gethostbyname2("localhost", AF_INET) != NULL);
}

static void commit_gethostbyname_r(void)
{
    struct hostent entry, *found;
    char buffer[1024];
    int error;
    SIN_OF(gethostbyname_r("localhost", &entry, buffer, sizeof(buffer), &found, &error));
}

static void commit_gethostbyaddr(void)
{
    SIN_OF(gethostbyaddr(&stage.at->sin_addr, sizeof(stage.at->sin_addr), AF_INET) != NULL);
}

static void commit_gethostbyaddr_r(void)
{
    struct hostent entry, *found;
    char buffer[1024];
    int error;
    const struct in_addr *at = &stage.at->sin_addr;
    SIN_OF(gethostbyaddr_r(at, sizeof(*at), AF_INET, &entry, buffer, 1024, &found, &error));
}

#ifndef WEFT_TEST_NO_THREADS_OF_LIBC
static void commit_getaddrinfo_a(void)
{
    struct gaicb question = {.ar_name = "localhost"}, *list[] = {&question};
    SIN_OF(getaddrinfo_a(GAI_WAIT, list, 1, NULL));
    if (question.ar_result)
        freeaddrinfo(question.ar_result);
}
#endif

/* ---- Descriptors ---- */

static void commit_poll(void)
{
    struct pollfd look = {.fd = stage.pipe[0], .events = POLLIN};
    SIN_OF(poll(&look, 1, 1));
}

static void commit_ppoll(void)
{
    struct pollfd look = {.fd = stage.pipe[0], .events = POLLIN};
    SIN_OF(ppoll(&look, 1, &a_moment, NULL));
}

static void commit_select(void)
{
    struct timeval limit = {0, 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(stage.pipe[0], &set);
    SIN_OF(select(stage.pipe[0] + 1, &set, NULL, NULL, &limit));
}

static void commit_pselect(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(stage.pipe[0], &set);
    SIN_OF(pselect(stage.pipe[0] + 1, &set, NULL, NULL, &a_moment, NULL));
}

static void commit_epoll_wait(void)
{
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    SIN_OF(epoll_wait(epoll, &event, 1, 1));
    close(epoll);
}

static void commit_epoll_pwait(void)
{
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    SIN_OF(epoll_pwait(epoll, &event, 1, 1, NULL));
    close(epoll);
}

static void commit_epoll_pwait2(void)
{
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    SIN_OF(epoll_pwait2(epoll, &event, 1, &a_moment, NULL));
    close(epoll);
}

const struct sin time_sins[] = {
    {"sleep", "1 s", commit_sleep},
    {"usleep", "1000 us", commit_usleep},
    {"nanosleep", "1 ms", commit_nanosleep},
    {"clock_nanosleep", "1 ms", commit_clock_nanosleep},
    {"thrd_sleep", "1 ms", commit_thrd_sleep},
    {"sigtimedwait", "up to 1 ms", commit_sigtimedwait},
    {"getaddrinfo", "\"localhost\"", commit_getaddrinfo},
    {"getnameinfo", "", commit_getnameinfo},
    {"gethostbyname", "\"localhost\"", commit_gethostbyname},
    {"gethostbyname2", "\"localhost\"", commit_gethostbyname2},
    {"gethostbyname_r", "\"localhost\"", commit_gethostbyname_r},
    {"gethostbyaddr", "127.0.0.1", commit_gethostbyaddr},
    {"poll", "1 descriptors, up to 1 ms", commit_poll},
    {"ppoll", "1 descriptors, up to 1 ms", commit_ppoll},
    {"select", "up to 1 ms", commit_select},
    {"pselect", "up to 1 ms", commit_pselect},
    {"epoll_wait", "epoll, up to 1 ms", commit_epoll_wait},
    {"epoll_pwait", "epoll, up to 1 ms", commit_epoll_pwait},
    {"epoll_pwait2", "epoll, up to 1 ms", commit_epoll_pwait2},
    {"sigwait", "", commit_sigwait},
    {"sigwaitinfo", "", commit_sigwaitinfo},
    {"sigsuspend", "", commit_sigsuspend},
    {"gethostbyaddr_r", "127.0.0.1", commit_gethostbyaddr_r},
#ifndef WEFT_TEST_NO_THREADS_OF_LIBC
    {"getaddrinfo_a", "1 lookups", commit_getaddrinfo_a},
#endif
    {NULL, NULL, NULL},
};
