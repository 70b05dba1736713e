/* SPDX-License-Identifier: MIT */
/* Waits for processes, and for locks of files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/blocking.h>

#include "tests/guard/sins.h"
#include "tests/guard/stage.h"

static void commit_wait(void)
{
    stage_start_child();
    stage_when_blocked(stage_end_child);
    SIN_OF(wait(NULL));
}

static void commit_waitpid(void)
{
    stage_start_child();
    stage_when_blocked(stage_end_child);
    SIN_OF(waitpid(stage.child, NULL, 0));
}

static void commit_wait4(void)
{
    struct rusage usage;
    stage_start_child();
    stage_when_blocked(stage_end_child);
    SIN_OF(wait4(stage.child, NULL, 0, &usage));
}

static void commit_waitid(void)
{
    siginfo_t info;
    stage_start_child();
    stage_when_blocked(stage_end_child);
    SIN_OF(waitid(P_PID, (id_t)stage.child, &info, WEXITED));
}

static void commit_wait3(void)
{
    struct rusage usage;
    stage_start_child();
    stage_when_blocked(stage_end_child);
    SIN_OF(wait3(NULL, 0, &usage));
}

/* It reads the end of what it is written only when it is closed, and naps then. */
static void commit_pclose(void)
{
    FILE *stream;
    WEFT_ALLOW_BLOCKING("it is not what is tested")
        stream = popen("cat; sleep 0.01", "w"); /* on purpose */
    SIN_OF(pclose(stream));
}

static void commit_system(void)
{
    SIN_OF(system("exit 0"));
}

static void commit_popen(void)
{
    FILE *stream;
    SIN(stream = popen("exit 0", "r"));
    if (stream)
        pclose(stream);
}

/* ---- Locks: the same file, opened twice, is as good as two processes ---- */

static void unlock_flock(void)
{
    flock(stage.other_file, LOCK_UN);
}

static void commit_flock(void)
{
    flock(stage.other_file, LOCK_EX);
    stage_when_blocked(unlock_flock);
    SIN_OF(flock(stage.file, LOCK_EX));
    flock(stage.file, LOCK_UN);
}

static void set_other_lock(short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    fcntl(stage.other_file, F_OFD_SETLK, &lock);
}

static void unlock_other(void)
{
    set_other_lock(F_UNLCK);
}

static void commit_lockf(void)
{
    set_other_lock(F_WRLCK);
    stage_when_blocked(unlock_other);
    SIN_OF(lockf(stage.file, F_LOCK, 0));
    sin_result = lockf(stage.file, F_ULOCK, 0);
}

static void commit_setlkw(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    set_other_lock(F_WRLCK);
    stage_when_blocked(unlock_other);
    SIN_OF(fcntl(stage.file, F_SETLKW, &lock));
    lock.l_type = F_UNLCK;
    fcntl(stage.file, F_SETLK, &lock);
}

static void commit_ofd_setlkw(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    set_other_lock(F_WRLCK);
    stage_when_blocked(unlock_other);
    SIN_OF(fcntl(stage.file, F_OFD_SETLKW, &lock));
    lock.l_type = F_UNLCK;
    fcntl(stage.file, F_OFD_SETLK, &lock);
}

const struct sin process_sins[] = {
    {"wait", "process", commit_wait},
    {"waitpid", "process", commit_waitpid},
    {"wait4", "process", commit_wait4},
    {"waitid", "process", commit_waitid},
    {"wait3", "process", commit_wait3},
    {"pclose", "", commit_pclose},
    {"system", "\"exit 0\"", commit_system},
    {"popen", "\"exit 0\"", commit_popen},
    {"flock", "/tmp/weft-guard-", commit_flock},
    {"lockf", "/tmp/weft-guard-", commit_lockf},
    {"fcntl", "F_SETLKW", commit_setlkw},
    {"fcntl", "F_SETLKW", commit_ofd_setlkw},
    {NULL, NULL, NULL},
};
