/* SPDX-License-Identifier: MIT */
/*
 * Starting a process, by posix_spawn(): it does not copy this process's memory, and blocks all
 * signals until the child has its own dispositions, so that no handler of ours runs in there.
 *
 * The child's three descriptors are opened here rather than in the child, so that a failure can be
 * told with the file's name. All are close-on-exec and numbered 3 or more: duplicating them to 0, 1
 * and 2 then never overwrites one that is still needed, and takes the flag away. Whatever else is
 * open in this process without close-on-exec is closed in the child.
 *
 * The child begins with the default of every signal and with none blocked: neither a worker's mask
 * nor an ignored SIGPIPE of the host is passed on.
 *
 * Failure modes: each step fails before anything was started, and what was opened is closed.
 */
#include "core/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>
#include <weft/error.h>

#include "core/memory.h"
#include "core/sys.h"
#include "core/text.h"

static const char *const stdio_names[] = {"in", "out", "err"};

/* ---- The child's descriptors ---- */

/* What the child gets, and this process's ends. -1: nothing. */
struct plan {
    int child[3], own[3];
    char *message; /* of the first failure; owned */
};

static void close_all(int fds[3])
{
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* Number `fd` 3 or more; it is closed if that fails. */
static int lift(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int error = errno;
    close(fd);
    errno = error;
    return lifted;
}

static int open_pipe(int which, struct plan *plan)
{
    int fds[2];
    if (weft__sys.pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    int childs = which == 0 ? 0 : 1;
    plan->own[which] = fds[1 - childs];
    fcntl(plan->own[which], F_SETFL, O_NONBLOCK);
    return fds[childs];
}

static int open_file(int which, const struct weft_stdio *stdio)
{
    int flags = O_CLOEXEC | O_NOCTTY;
    if (which == 0)
        flags |= O_RDONLY;
    else
        flags |= O_WRONLY | O_CREAT | (stdio->kind == WEFT__STDIO_APPEND ? O_APPEND : O_TRUNC);
    return open(stdio->path, flags, 0666);
}

static int open_child_end(int which, const struct weft_stdio *stdio, struct plan *plan)
{
    switch (stdio->kind) {
    case WEFT__STDIO_PIPE:
        return open_pipe(which, plan);
    case WEFT__STDIO_NULL:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    case WEFT__STDIO_FD:
        return fcntl(stdio->fd, F_DUPFD_CLOEXEC, 3);
    case WEFT__STDIO_FILE:
    case WEFT__STDIO_APPEND:
        return open_file(which, stdio);
    case WEFT__STDIO_INHERIT:
    case WEFT__STDIO_MERGE:
    default:
        return -1;
    }
}

static bool is_opened(const struct weft_stdio *stdio)
{
    return stdio->kind != WEFT__STDIO_INHERIT && stdio->kind != WEFT__STDIO_MERGE;
}

static int open_one(int which, const struct weft_stdio *stdio, struct plan *plan)
{
    if (!is_opened(stdio))
        return 0;
    plan->child[which] = lift(open_child_end(which, stdio, plan));
    if (plan->child[which] >= 0)
        return 0;
    int status = -errno;
    if (stdio->path)
        plan->message = weft__format("%s, for `%s`: %s", stdio->path, stdio_names[which],
                                     weft_strerror(status));
    else
        plan->message = weft__format("for `%s`: %s", stdio_names[which], weft_strerror(status));
    return status;
}

static int open_all(const struct weft_process_options *options, struct plan *plan)
{
    int status = open_one(0, &options->in, plan);
    if (status == 0)
        status = open_one(1, &options->out, plan);
    if (status == 0)
        status = open_one(2, &options->err, plan);
    return status;
}

/* ---- Spawning ---- */

static int add_actions(posix_spawn_file_actions_t *actions,
                       const struct weft_process_options *options, const struct plan *plan)
{
    int error = 0;
    for (int i = 0; i < 3 && !error; i++)
        if (plan->child[i] >= 0)
            error = posix_spawn_file_actions_adddup2(actions, plan->child[i], i);
    if (!error && options->err.kind == WEFT__STDIO_MERGE)
        error = posix_spawn_file_actions_adddup2(actions, 1, 2);
    if (!error && options->cwd)
        error = posix_spawn_file_actions_addchdir_np(actions, options->cwd);
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes, const struct weft_process_options *options)
{
    sigset_t all, none;
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigfillset(&all);
    sigemptyset(&none);
    if (options->new_group)
        flags |= POSIX_SPAWN_SETPGROUP; /* its number is the child's */
    int error = posix_spawnattr_setflags(attributes, (short)flags);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error)
        error = posix_spawnattr_setsigmask(attributes, &none);
    return error;
}

static int spawn_with(const struct weft_process_options *options, const struct plan *plan,
                      posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                      pid_t *ret_pid)
{
    const char *const shell_argv[] = {"/bin/sh", "-c", options->shell, NULL};
    const char *const *argv = options->shell ? shell_argv : options->argv;
    char *const *env = options->env ? (char *const *)options->env : environ;
    int error = add_actions(actions, options, plan);
    if (!error)
        error = set_attributes(attributes, options);
    if (!error)
        error =
            weft__sys.posix_spawnp(ret_pid, argv[0], actions, attributes, (char *const *)argv, env);
    return error;
}

/* 0 or a positive errno, as is usual with posix_spawn(). */
static int spawn(const struct weft_process_options *options, const struct plan *plan,
                 pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = spawn_with(options, plan, &actions, &attributes, ret_pid);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int check_folder(const char *path)
{
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    close(folder);
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Both the folder and the program may be what is missing: the child cannot say which. */
static char *explain(const struct weft_process_options *options, int status)
{
    int folder = options->cwd ? check_folder(options->cwd) : 0;
    if (folder < 0)
        return weft__format("cwd %s: %s", options->cwd, weft_strerror(folder));
    return weft__format("%s: %s", weft__process_name(options), weft_strerror(status));
}

const char *weft__process_name(const struct weft_process_options *options)
{
    return options->shell ? options->shell : options->argv[0];
}

static const char *misuse(const struct weft_process_options *options)
{
    const struct weft_stdio *stdio[] = {&options->in, &options->out, &options->err};
    if (options->size != 0 && options->size != sizeof(*options))
        return "options of another version";
    if (!options->argv == !options->shell || (options->argv && !options->argv[0]))
        return "either argv or shell";
    for (int i = 0; i < 3; i++) {
        if (stdio[i]->kind < 0 || stdio[i]->kind > WEFT__STDIO_MERGE)
            return "an unknown kind of stdio";
        if (stdio[i]->kind == WEFT__STDIO_MERGE && i != 2)
            return "WEFT_STDIO_MERGE is for err";
        if (stdio[i]->kind == WEFT__STDIO_APPEND && i == 0)
            return "WEFT_STDIO_APPEND is for out and err";
        if (stdio[i]->kind >= WEFT__STDIO_FILE && stdio[i]->kind <= WEFT__STDIO_APPEND &&
            !stdio[i]->path)
            return "a file without a path";
    }
    return options->grace < 0 ? "a negative grace" : NULL;
}

int weft__process_spawn(const struct weft_process_options *options, struct weft__spawned *ret,
                        char **ret_message)
{
    struct plan plan = {.child = {-1, -1, -1}, .own = {-1, -1, -1}};
    const char *wrong = misuse(options);
    if (wrong) {
        *ret_message = weft__format("%s", wrong);
        return -EINVAL;
    }
    int status = open_all(options, &plan);
    if (status == 0) {
        status = -spawn(options, &plan, &ret->pid);
        if (status < 0)
            plan.message = explain(options, status);
    }
    close_all(plan.child);
    if (status < 0)
        close_all(plan.own);
    for (int i = 0; i < 3; i++)
        ret->fds[i] = plan.own[i];
    *ret_message = plan.message;
    return status;
}
