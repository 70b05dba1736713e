/* SPDX-License-Identifier: MIT */
/*
 * A stage for calls that block: another thread holds what they wait for, and lets it go once the call is
 * about to wait. So nothing here depends on time.
 */
#ifndef WEFT_TESTS_GUARD_STAGE_H
#define WEFT_TESTS_GUARD_STAGE_H

#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/** What the sins are committed with. */
struct stage {
    int pipe[2];          /* empty, blocking */
    int full[2];          /* full at its second end */
    int pair[2];          /* of sockets, empty */
    int full_pair[2];     /* nothing can be sent by the second one */
    int listener;         /* on 127.0.0.1, blocking */
    int client;           /* a blocking socket that is not connected */
    int file, other_file; /* the same file, opened twice */
    int big;              /* a file that takes long to read */
    int terminal;         /* nobody types there */
    char path[64];        /* of `file` */
    char *big_buffer;
    char *mapped;           /* a page of `file` */
    struct sockaddr_in *at; /* of the listener */
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    pthread_cond_t cond;
    pthread_barrier_t barrier; /* for two */
    sem_t semaphore;           /* 0 */
    pthread_t joined;          /* ends when something is in `joins` */
    int joins[2];
    pid_t child; /* /bin/cat of `feeds` */
    int feeds[2];
};

extern struct stage stage;

void stage_open(void);
void stage_close(void);

/** Run this on the other thread now, and return when it has run. */
void stage_do(void (*fn)(void));

/** Run this on the other thread, some time from now on. */
void stage_soon(void (*fn)(void));

/** Run this on the other thread once this thread is about to block. NULL: nothing. */
void stage_when_blocked(void (*fn)(void));

/** Start a thread, or a process, that ends once it is told so. */
void stage_start_thread(void);
void stage_end_thread(void);
void stage_start_child(void);
void stage_end_child(void);

/** Take out what is in a descriptor. By the other thread, lest two do it at a time. */
void stage_drain(int fd);

/** Put as much into one as goes. */
void stage_fill(int fd);

#endif
