/* SPDX-License-Identifier: MIT */
/*
 * victim SCENE: a program in trouble, for the tests of the command `weft`. It makes the trouble, prints
 * "ready", and ends when its stdin does.
 *
 *     tasks     tasks that wait: for a lock that another one has, for a queue, for a time with a limit, for
 *               a task behind a shield, for a job, for the children of a scope
 *     deadlock  two tasks, two locks
 *     stuck     a task in a step that does not end
 *     confined  the same, where the kernel refuses the call by which threads are looked at
 *     loops     two loops, one of them stuck
 *     cleanup   a task in a clean-up block
 *     names     tasks and a lane whose names are escape sequences, no ASCII, or no text at all
 *     many      twenty thousand tasks
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/confine.h"

static struct {
    weft_lock *first, *second;
    weft_queue *queue;
    weft_pool *pool; /* of a lane with a strange name; NULL: there is none */
    weft_lane *lane;
    weft_future *never;
    int pipe[2];  /* nothing is ever written to it */
    int begun[2]; /* a byte comes when the job has begun */
} the;

static void ready(void)
{
    puts("ready");
    fflush(stdout);
}

/* Until stdin ends. Blocks: the trouble itself. */
static void hang(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

/* ---- Who waits ---- */

struct naps {
    WEFT_FRAME;
};

static WEFT_ASYNC(naps)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(36000)));
    WEFT_END;
}

struct calls {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_wait_for(weft_call(naps), WEFT_S(72000)));
    WEFT_END;
}

/* Takes one lock, lets others run, wants another. */
struct locks {
    WEFT_FRAME;
    weft_lock *lock, *wanted;
};

static WEFT_ASYNC(locks)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    WEFT_YIELD;
    WEFT_YIELD;
    if (self->wanted)
        WEFT_AWAIT(weft_lock_acquire(self->wanted));
    WEFT_AWAIT(weft_ref(the.never));
    WEFT_FINALLY;
    if (weft_lock_is_locked(self->lock))
        (void)weft_lock_release(self->lock);
    WEFT_END;
}

struct reads_queue {
    WEFT_FRAME;
};

static WEFT_ASYNC(reads_queue)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_queue_get(the.queue));
    WEFT_END;
}

struct shields {
    WEFT_FRAME;
};

static WEFT_ASYNC(shields)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_shield(weft_spawn(naps)));
    WEFT_END;
}

struct reads_pipe {
    int from, begun;
};

static WEFT_BLOCKING(reads_pipe)
{
    char byte = 1;
    ssize_t moved = write(self->begun, &byte, 1);
    if (moved == 1)
        moved = read(self->from, &byte, 1);
    return moved < 0 ? weft_err(-EIO) : weft_ok(NULL);
}

struct offloads {
    WEFT_FRAME;
};

static WEFT_ASYNC(offloads)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread(reads_pipe, .from = the.pipe[0], .begun = the.begun[1]));
    WEFT_END;
}

struct opens_scope {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(opens_scope)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(&(struct weft_scope_options){.name = "children"});
    weft_scope_spawn(self->scope, naps);
    weft_scope_spawn(self->scope, reads_queue);
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

struct cleans_up {
    WEFT_FRAME;
    weft_cleanup *cleanup;
    int status;
};

static WEFT_ASYNC(cleans_up)
{
    WEFT_BEGIN;
    self->cleanup = weft_cleanup_enter(WEFT_S(36000));
    WEFT_CATCH(self->status, weft_ref(the.never));
    self->status = weft_cleanup_exit(self->cleanup, self->status);
    WEFT_END;
}

struct hangs {
    WEFT_FRAME;
};

static WEFT_ASYNC(hangs)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    ready();
    hang();
    WEFT_END;
}

/* ---- Scenes ---- */

static void begin_tasks(void)
{
    weft_unref(weft_spawn(locks, .lock = the.first));
    weft_unref(weft_spawn(locks, .lock = the.second, .wanted = the.first));
    weft_unref(weft_spawn(calls));
    weft_unref(weft_spawn(shields));
    weft_unref(weft_spawn(offloads));
    weft_unref(weft_spawn(opens_scope));
}

static void begin_deadlock(void)
{
    weft_unref(weft_spawn(locks, .lock = the.first, .wanted = the.second));
    weft_unref(weft_spawn(locks, .lock = the.second, .wanted = the.first));
}

static void begin_names(void)
{
    static const char *const names[] = {"\033[2Jred", "Überblick", "\"two\"\nlines\\",
                                        "\xff half \xc3", "\302\2332J"};
    the.pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    if (!the.pool || weft_loop_set_pool(weft_loop_current(), the.pool) < 0)
        abort();
    the.lane =
        weft_lane_new(the.pool, &(struct weft_lane_options){.name = "\033]0;\"\n\302\233\xff"});
    if (!the.lane)
        abort();
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        weft_future *task = weft_spawn(naps);
        if (weft_task_set_name(task, names[i]) < 0)
            abort();
        weft_unref(task);
    }
}

static void begin_many(void)
{
    for (int i = 0; i < 20000; i++)
        weft_unref(weft_spawn(naps));
}

static void *run_hanging(void *unused)
{
    weft_run(hangs);
    return unused;
}

static void begin(const char *scene)
{
    if (strcmp(scene, "tasks") == 0)
        begin_tasks();
    else if (strcmp(scene, "deadlock") == 0)
        begin_deadlock();
    else if (strcmp(scene, "cleanup") == 0)
        weft_unref(weft_spawn(cleans_up));
    else if (strcmp(scene, "names") == 0)
        begin_names();
    else if (strcmp(scene, "many") == 0)
        begin_many();
    else if (strcmp(scene, "stuck") == 0)
        weft_unref(weft_spawn(hangs));
}

struct victim {
    WEFT_FRAME;
    const char *scene;
    int turns;
};

static WEFT_ASYNC(victim)
{
    WEFT_BEGIN;
    begin(self->scene);
    if (strcmp(self->scene, "tasks") == 0)
        WEFT_AWAIT(weft_wait_readable(the.begun[0]));
    for (self->turns = 0; self->turns < 10; self->turns++)
        WEFT_YIELD;
    if (strcmp(self->scene, "stuck") != 0 && strcmp(self->scene, "loops") != 0)
        ready();
    WEFT_AWAIT(weft_wait_readable(STDIN_FILENO));
    WEFT_FINALLY;
    close(the.pipe[1]);                                            /* the job goes on, */
    (void)weft_future_resolve(the.never, weft_value_i64(0), NULL); /* and so does the clean-up */
    WEFT_END;
}

static bool set_up(void)
{
    the.first = weft_lock_new();
    the.second = weft_lock_new();
    the.queue = weft_queue_new(NULL);
    the.never = weft_future_new();
    return the.first && the.second && the.queue && pipe(the.pipe) == 0 && pipe(the.begun) == 0;
}

int main(int argc, char **argv)
{
    pthread_t other;
    const char *scene = argc == 2 ? argv[1] : "tasks";
    bool has_other = strcmp(scene, "loops") == 0;
    weft_loop *loop;
    if (strcmp(scene, "confined") == 0) {
        if (weft_test_refuse(SYS_process_vm_readv, EPERM) < 0)
            return 1;
        scene = "stuck";
    }
    loop = weft_loop_new(NULL);
    if (!loop || !set_up())
        return 1;
    if (has_other && pthread_create(&other, NULL, run_hanging, NULL) != 0)
        return 1;
    int status = weft_loop_run_until(loop, weft_spawn(victim, .scene = scene));
    if (weft_loop_shutdown(loop, NULL, NULL) < 0)
        status = -1;
    if (has_other)
        pthread_join(other, NULL);
    weft_lane_unref(the.lane);
    weft_pool_unref(the.pool);
    weft_unref(the.never);
    weft_queue_unref(the.queue);
    weft_lock_free(the.second);
    weft_lock_free(the.first);
    weft_loop_free(loop);
    return status < 0;
}
