/* SPDX-License-Identifier: MIT */
/* Starting a process: from options to a pid and this process's ends of the pipes. */
#ifndef WEFT_CORE_SPAWN_H
#define WEFT_CORE_SPAWN_H

#include <sys/types.h>
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

#endif
