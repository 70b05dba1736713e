/* SPDX-License-Identifier: MIT */
/* Starting a process: from options to a pid and this process's ends of the pipes. */
#ifndef WEFT_CORE_SPAWN_H
#define WEFT_CORE_SPAWN_H

#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <weft/process.h>

struct weft__spawned {
    pid_t pid;
    int fds[3]; /* this process's ends, non-blocking and close-on-exec; -1: no pipe */
};

/** What a process is called in messages: its program, or its command. */
const char *weft__process_name(const struct weft_process_options *options);

/** 0, or a negative error and perhaps a message (of weft__malloc()): then nothing is left open. */
int weft__process_spawn(const struct weft_process_options *options, struct weft__spawned *ret,
                        char **ret_message);

/**
 * The system calls that can fail in ways worth testing: tests replace entries before anything runs.
 */
struct weft__process_sys {
    int (*pipe2)(int fds[2], int flags);
    int (*spawnp)(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                  const posix_spawnattr_t *attributes, char *const argv[], char *const env[]);
    int (*pidfd_open)(pid_t pid); /* ENOSYS: processes are watched by SIGCHLD */
    int (*waitid)(idtype_t type, id_t id, siginfo_t *info, int options);
};

extern struct weft__process_sys weft__process_sys;

#endif
