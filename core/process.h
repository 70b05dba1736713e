/* SPDX-License-Identifier: MIT */
/* Processes from the inside. See core/process.c. */
#ifndef WEFT_CORE_PROCESS_H
#define WEFT_CORE_PROCESS_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <weft/process.h>

#include "core/future.h"
#include "core/link.h"
#include "core/loop.h"
#include "core/signal.h"

struct weft__talk;
struct weft__process_wait;

enum weft__process_state {
    WEFT__PROCESS_RUNS,
    WEFT__PROCESS_STOPS,  /* SIGTERM was sent, the grace runs */
    WEFT__PROCESS_KILLED, /* SIGKILL was sent */
    WEFT__PROCESS_ENDED   /* and waited for */
};

/** The loop's part. All [loop]. */
struct weft__processes {
    struct weft__part part; /* first */
    weft_loop *loop;        /* [const] */
    bool settled;
    bool hears;            /* `children` hears SIGCHLD */
    weft__hearer children; /* for processes without a pidfd */
    weft__link *list;
};

/** All [loop]. */
struct weft_process {
    weft__link link; /* first; in the part's list */
    struct weft__processes *part;
    uint32_t loop_id; /* [const] */
    enum weft__process_state state;
    pid_t pid;               /* [const] */
    int pidfd;               /* -1: none, watched by SIGCHLD; or ended */
    struct event exit_event; /* on pidfd; without one, a timer */
    struct event grace_event;
    int fds[3]; /* our ends of the pipes; -1: none, or taken */
    char *name; /* [const] owned */
    weft_ns grace;
    bool group;     /* [const] it leads one */
    bool check;     /* [const] */
    bool freed;     /* its owner has forgotten it: the memory goes when it has ended */
    bool counted;   /* in loop->jobs */
    bool unchecked; /* SIGCHLD came: look whether it was for this one */
    unsigned pins;  /* on the C stack below: the memory stays */
    int status;     /* when ENDED: the exit status, or -ECHILD with `lost` */
    bool lost;
    struct weft__process_wait *first, **tail; /* who waits, oldest first */
    struct weft__talk *talk;                  /* communicate, or NULL */
};

/** Start one. 0 or an error with perhaps a message (of weft__malloc()). */
int weft__process_new(weft_loop *loop, const struct weft_process_options *options,
                      weft_process **ret, char **ret_message);

/** SIGTERM, and SIGKILL after the grace; nothing if it stops or has ended. */
void weft__process_begin_stop(weft_process *process);

static inline weft_process *weft__process_of(weft__link *link)
{
    return (weft_process *)(void *)link;
}

/** The loop's part, made if need be. 0, -ENOMEM or -ESHUTDOWN. */
int weft__processes_get(weft_loop *loop, struct weft__processes **ret);

/** Has it ended? If so, that is told to all, and the process may be gone on return. */
bool weft__process_check_end(weft_process *process);

/** It has ended, or is to be thought so: tell all. The process may be gone on return. */
void weft__process_become_ended(weft_process *process, int status, bool lost);

/** Who raised `pins` is through with it: if it was freed meanwhile and has ended, it goes. */
void weft__process_unpin(weft_process *process);

/** SIGKILL, to the group if it leads one. */
void weft__process_kill_now(weft_process *process);

/** Free the memory. */
void weft__process_release(weft_process *process);

/** Count it among the loop's jobs, or no more, as somebody waits for it or not. */
void weft__process_recount(weft_process *process);

/** Close our end of a pipe. */
void weft__process_close_fd(weft_process *process, int which);

/** Say of what waits for a process which one that is: see core/inspect/eye.h. */
void weft__explain_process(struct weft__eye *eye, const weft_process *at,
                           struct weft__waiting *ret);

/* ---- core/process_talk.c ---- */

/** The process has ended; the talk goes on with what is in the pipes, or is over. */
void weft__talk_process_ended(struct weft__talk *talk);

/** Fail with `status` once the process has ended; stops it. */
void weft__talk_fail(struct weft__talk *talk, int status, char *message);

/** The process is gone: fail now. */
void weft__talk_abort(struct weft__talk *talk, int status);

#endif
