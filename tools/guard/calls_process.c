/* SPDX-License-Identifier: MIT */
/*
 * Waiting for processes, and for locks that other processes hold. A wait is made without waiting first: a
 * process that has ended is reaped so, a lock that is free is taken so.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/guard/guard.h"

#define WAIT "weft_process_start() and weft_process_wait()"
#define RUN "weft_process_start()"
#define LOCK "weft_offload() with a way to stop it"

/* ---- Processes ---- */

static pid_t look(pid_t pid, int *ret_status, int options, struct rusage *usage)
{
    GUARD_REAL(wait4);
    return real(pid, ret_status, options | WNOHANG, usage);
}

#define REAPS(name, pid, status, options, usage, parameters, arguments) \
    GUARD_WRAPS pid_t name parameters                                   \
    {                                                                   \
        GUARD_REAL(name);                                               \
        if ((options)&WNOHANG || !guard__watches())                     \
            return real arguments;                                      \
        pid_t found = look(pid, status, options, usage);                \
        if (found != 0)                                                 \
            return found;                                               \
        struct guard__call call = guard__begin(#name, WAIT);            \
        found = real arguments;                                         \
        guard__end(&call, "process %d", (int)(pid));                    \
        return found;                                                   \
    }

REAPS(wait, -1, status, 0, NULL, (int *status), (status))
REAPS(waitpid, pid, status, options, NULL, (pid_t pid, int *status, int options),
      (pid, status, options))
REAPS(wait3, -1, status, options, usage, (int *status, int options, struct rusage *usage),
      (status, options, usage))
REAPS(wait4, pid, status, options, usage,
      (pid_t pid, int *status, int options, struct rusage *usage), (pid, status, options, usage))

GUARD_WRAPS int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    GUARD_REAL(waitid);
    siginfo_t own, *looked = info ? info : &own;
    if (options & WNOHANG || !guard__watches())
        return real(type, id, info, options);
    memset(looked, 0, sizeof(*looked));
    int ret = real(type, id, looked, options | WNOHANG);
    if (ret != 0 || looked->si_pid != 0)
        return ret;
    struct guard__call call = guard__begin("waitid", WAIT);
    ret = real(type, id, info, options);
    guard__end(&call, "%s %u", type == P_PID ? "process" : "id", (unsigned)id);
    return ret;
}

GUARD_WRAPS int system(const char *command)
{
    GUARD_REAL(system);
    if (!command || !guard__watches())
        return real(command);
    struct guard__call call = guard__begin("system", RUN);
    int ret = real(command);
    guard__end(&call, "\"%.150s\"", command);
    return ret;
}

GUARD_WRAPS FILE *popen(const char *command, const char *mode)
{
    GUARD_REAL(popen);
    if (!guard__watches())
        return real(command, mode);
    struct guard__call call = guard__begin("popen", RUN);
    FILE *ret = real(command, mode);
    guard__end(&call, "\"%.150s\"", command);
    return ret;
}

/* Which process cannot be asked: it is one that has ended if nothing was waited for. */
GUARD_WRAPS int pclose(FILE *stream)
{
    GUARD_REAL(pclose);
    struct rusage before, after;
    if (!guard__watches())
        return real(stream);
    struct guard__call call = guard__begin("pclose", WAIT);
    getrusage(RUSAGE_THREAD, &before);
    int ret = real(stream);
    getrusage(RUSAGE_THREAD, &after);
    if (after.ru_nvcsw != before.ru_nvcsw)
        guard__end(&call, "%s", "");
    else
        guard__drop(&call);
    return ret;
}

/* ---- Locks ---- */

static void end_lock(struct guard__call *call, int fd)
{
    char text[GUARD_TEXT];
    guard__end(call, "%s", guard__fd_text(text, fd));
}

static bool is_held(int ret)
{
    return ret < 0 && (errno == EWOULDBLOCK || errno == EACCES);
}

GUARD_WRAPS int flock(int fd, int how)
{
    GUARD_REAL(flock);
    if (how & LOCK_NB || how == LOCK_UN || !guard__watches())
        return real(fd, how);
    int ret = real(fd, how | LOCK_NB);
    if (!is_held(ret))
        return ret;
    struct guard__call call = guard__begin("flock", LOCK);
    ret = real(fd, how);
    end_lock(&call, fd);
    return ret;
}

#define LOCKS_PART(name, type)                                 \
    GUARD_WRAPS int name(int fd, int what, type size)          \
    {                                                          \
        GUARD_REAL(name);                                      \
        if (what != F_LOCK || !guard__watches())               \
            return real(fd, what, size);                       \
        int ret = real(fd, F_TLOCK, size);                     \
        if (!is_held(ret))                                     \
            return ret;                                        \
        struct guard__call call = guard__begin("lockf", LOCK); \
        ret = real(fd, what, size);                            \
        end_lock(&call, fd);                                   \
        return ret;                                            \
    }

LOCKS_PART(lockf, off_t)
LOCKS_PART(lockf64, off64_t)

/* What comes third is a pointer or a number, and is passed on as it is. */
#define CONTROLS(name)                                                       \
    GUARD_WRAPS int name(int fd, int what, ...)                              \
    {                                                                        \
        GUARD_REAL(name);                                                    \
        va_list args;                                                        \
        va_start(args, what);                                                \
        void *third = va_arg(args, void *);                                  \
        va_end(args);                                                        \
        if ((what != F_SETLKW && what != F_OFD_SETLKW) || !guard__watches()) \
            return real(fd, what, third);                                    \
        int ret = real(fd, what == F_SETLKW ? F_SETLK : F_OFD_SETLK, third); \
        if (!is_held(ret))                                                   \
            return ret;                                                      \
        struct guard__call call = guard__begin("fcntl", LOCK);               \
        ret = real(fd, what, third);                                         \
        char text[GUARD_TEXT];                                               \
        if (ret < 0 && errno == EDEADLK)                                     \
            guard__drop(&call);                                              \
        else                                                                 \
            guard__end(&call, "%s, F_SETLKW", guard__fd_text(text, fd));     \
        return ret;                                                          \
    }

CONTROLS(fcntl)
CONTROLS(fcntl64)
