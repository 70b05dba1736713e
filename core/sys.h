/* SPDX-License-Identifier: MIT */
/*
 * The system and library calls that can fail in ways worth testing, of all layers, in one table.
 *
 * Tests of weft replace entries, before anything runs, to fail as they like or to count; users'
 * tests make one fail by its name: weft_testing_fail_call(). Nothing else writes to the table. An
 * entry is called as weft__sys.accept4(…).
 */
#ifndef WEFT_CORE_SYS_H
#define WEFT_CORE_SYS_H

#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/**
 * X(how it fails, type, name, parameters, arguments). ERRNO: -1 and errno; CODE: it returns the error.
 * open_reserve() opens a descriptor to be given up when there are no others; getaddrinfo(),
 * getnameinfo(), pthread_create() and the calls for files are made on workers.
 */
#define WEFT__SYS_CALLS(X)                                                                         \
    X(ERRNO, int, accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags),          \
      (fd, address, len, flags))                                                                   \
    X(ERRNO, int, bind, (int fd, const struct sockaddr *address, socklen_t len),                   \
      (fd, address, len))                                                                          \
    X(ERRNO, int, close, (int fd), (fd))                                                           \
    X(ERRNO, int, connect, (int fd, const struct sockaddr *address, socklen_t len),                \
      (fd, address, len))                                                                          \
    X(ERRNO, ssize_t, copy_file_range, (int from, int to, size_t size),                            \
      (from, NULL, to, NULL, size, 0))                                                             \
    X(ERRNO, int, event_add, (struct event * event, const struct timeval *timeout),                \
      (event, timeout))                                                                            \
    X(ERRNO, int, eventfd, (unsigned count, int flags), (count, flags))                            \
    X(ERRNO, int, fdatasync, (int fd), (fd))                                                       \
    X(ERRNO, int, fstat, (int fd, struct stat *status), (fd, status))                              \
    X(ERRNO, int, fsync, (int fd), (fd))                                                           \
    X(ERRNO, int, ftruncate, (int fd, off_t length), (fd, length))                                 \
    X(CODE, int, getaddrinfo,                                                                      \
      (const char *host, const char *service, const struct addrinfo *hints,                        \
       struct addrinfo **ret),                                                                     \
      (host, service, hints, ret))                                                                 \
    X(CODE, int, getnameinfo,                                                                      \
      (const struct sockaddr *address, socklen_t len, char *host, socklen_t host_size,             \
       char *service, socklen_t service_size, int flags),                                          \
      (address, len, host, host_size, service, service_size, flags))                               \
    X(ERRNO, int, listen, (int fd, int backlog), (fd, backlog))                                    \
    X(ERRNO, int, open, (const char *path, int flags, mode_t mode), (path, flags, mode))           \
    X(ERRNO, int, openat, (int folder, const char *path, int flags, mode_t mode),                  \
      (folder, path, flags, mode))                                                                 \
    X(ERRNO, int, open_reserve, (void), ())                                                        \
    X(ERRNO, int, pidfd_open, (pid_t pid, unsigned flags), (pid, flags))                           \
    X(ERRNO, int, pipe2, (int fds[2], int flags), (fds, flags))                                    \
    X(CODE, int, posix_spawnp,                                                                     \
      (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,                   \
       const posix_spawnattr_t *attributes, char *const argv[], char *const env[]),                \
      (pid, file, actions, attributes, argv, env))                                                 \
    X(ERRNO, ssize_t, preadv, (int fd, const struct iovec *pieces, int count, off_t offset),       \
      (fd, pieces, count, offset))                                                                 \
    X(CODE, int, pthread_create,                                                                   \
      (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg),   \
      (thread, attributes, start, arg))                                                            \
    X(ERRNO, ssize_t, pwritev, (int fd, const struct iovec *pieces, int count, off_t offset),      \
      (fd, pieces, count, offset))                                                                 \
    X(ERRNO, ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))               \
    X(ERRNO, ssize_t, readv, (int fd, const struct iovec *pieces, int count), (fd, pieces, count)) \
    X(ERRNO, ssize_t, recv, (int fd, void *buffer, size_t size, int flags),                        \
      (fd, buffer, size, flags))                                                                   \
    X(ERRNO, int, recvmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags),         \
      (fd, messages, count, flags, NULL))                                                          \
    X(ERRNO, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))  \
    X(ERRNO, int, renameat, (int folder, const char *from, const char *to),                        \
      (folder, from, folder, to))                                                                  \
    X(ERRNO, ssize_t, sendfile, (int to, int from, off_t *offset, size_t size),                    \
      (to, from, offset, size))                                                                    \
    X(ERRNO, int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags),         \
      (fd, messages, count, flags))                                                                \
    X(ERRNO, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),                  \
      (fd, message, flags))                                                                        \
    X(ERRNO, int, socket, (int family, int type, int protocol), (family, type, protocol))          \
    X(ERRNO, int, socketpair, (int family, int type, int protocol, int fds[2]),                    \
      (family, type, protocol, fds))                                                               \
    X(ERRNO, int, timer_create, (clockid_t clock, struct sigevent * event, timer_t * ret),         \
      (clock, event, ret))                                                                         \
    X(ERRNO, int, timerfd_create, (clockid_t clock, int flags), (clock, flags))                    \
    X(ERRNO, int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))      \
    X(ERRNO, int, waitid, (idtype_t type, id_t id, siginfo_t * info, int options),                 \
      (type, id, info, options))                                                                   \
    X(ERRNO, ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))          \
    X(ERRNO, ssize_t, writev, (int fd, const struct iovec *pieces, int count), (fd, pieces, count))

enum weft__sys_call {
#define WEFT__SYS_ENUM(how, type, name, parameters, arguments) WEFT__SYS_##name,
    WEFT__SYS_CALLS(WEFT__SYS_ENUM)
#undef WEFT__SYS_ENUM
        WEFT__SYS_COUNT
};

struct weft__sys {
#define WEFT__SYS_ENTRY(how, type, name, parameters, arguments) type(*name) parameters;
    WEFT__SYS_CALLS(WEFT__SYS_ENTRY)
#undef WEFT__SYS_ENTRY
};

extern struct weft__sys weft__sys;

/** Let the n-th call from now on, counting from 1, fail with `error`, once; 0: none. False: there is no
 * call of that name. Thread: any. */
bool weft__sys_fail(const char *name, unsigned n, int error);

/** How often the call of that name was made to fail by the weft__sys_fail() for it: 0 or 1. */
bool weft__sys_failed(const char *name);

#endif
