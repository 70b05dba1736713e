/* SPDX-License-Identifier: MIT */
/*
 * Processes: their life as the loop sees it. core/spawn.c starts them, core/process_talk.c talks to
 * them.
 *
 *     RUNS --weft_process_stop(), a cancelled communicate, the loop ends--> STOPS
 *     STOPS --the grace is over--> KILLED
 *     RUNS, STOPS --weft_process_free()--> KILLED, and freed when ENDED
 *     RUNS, STOPS, KILLED --waited for--> ENDED
 *
 * The end is heard of by a pidfd, one event a process, or where there is none (an old kernel, a
 * filter of system calls, no descriptor left) by SIGCHLD: then all such processes of the loop are
 * looked at. The host may block that signal in all threads, or take its handler away: so each of them
 * is looked at now and then as well. Only our own children are waited for, each by its own number, so
 * the host's are left alone. If the host waits for ours, or ignores SIGCHLD, the status is lost:
 * -ECHILD.
 *
 * Signals go by the pidfd too, so that they cannot hit another process which got the number; and
 * to a group only as long as its leader has not been waited for, which keeps the number.
 *
 * The grace is kept by a libevent timer, in real time: a process does not live in virtual time.
 *
 * References: the object is the owner's until weft_process_free(), then its own until the process
 * has ended. Completing a future that nobody holds may report a failure, that is, call user code,
 * which may free the process: whoever does so and goes on has pinned it.
 *
 * Failure modes: see core/spawn.c for those of starting. No memory for the timer: SIGKILL at once.
 * No memory for a pidfd's event: SIGCHLD.
 */
#include "core/process.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/inspect/eye.h"
#include "core/memory.h"
#include "core/spawn.h"
#include "core/sys.h"

#define DEFAULT_GRACE WEFT_S(5)
enum { LOOK_EVERY_US = 100 * 1000 };

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* A future that waits for the end. */
struct weft__process_wait {
    weft_future future; /* first */
    weft_process *process;
    struct weft__process_wait *next;
};

/* ---- Memory ---- */

void weft__process_close_fd(weft_process *process, int which)
{
    if (process->fds[which] >= 0)
        close(process->fds[which]);
    process->fds[which] = -1;
}

void weft__process_release(weft_process *process)
{
    weft__link_remove(&process->link);
    weft__free(process->name);
    weft__free(process);
}

void weft__process_unpin(weft_process *process)
{
    if (--process->pins == 0 && process->freed && process->state == WEFT__PROCESS_ENDED)
        weft__process_release(process);
}

void weft__process_recount(weft_process *process)
{
    bool ends = process->state == WEFT__PROCESS_STOPS || process->state == WEFT__PROCESS_KILLED;
    bool counts = process->first || process->talk || ends;
    size_t *jobs = &process->part->loop->jobs;
    if (counts && !process->counted)
        ++*jobs;
    else if (!counts && process->counted)
        --*jobs;
    process->counted = counts;
}

/* ---- Those who wait ---- */

static void add_wait(weft_process *process, struct weft__process_wait *wait)
{
    wait->process = process;
    *process->tail = wait;
    process->tail = &wait->next;
    weft__process_recount(process);
}

static void remove_wait(weft_process *process, struct weft__process_wait *wait)
{
    struct weft__process_wait **link = &process->first;
    while (*link != wait)
        link = &(*link)->next;
    *link = wait->next;
    if (process->tail == &wait->next)
        process->tail = link;
    weft__process_recount(process);
}

static bool cancel_wait(weft_future *future)
{
    struct weft__process_wait *wait = WEFT__CONTAINER(future, struct weft__process_wait, future);
    remove_wait(wait->process, wait);
    weft__complete_failed(future, -ECANCELED, NULL);
    weft_unref(future);
    return true;
}

void weft__explain_process(struct weft__eye *eye, const weft_process *at, struct weft__waiting *ret)
{
    static const char *const states[] = {[WEFT__PROCESS_RUNS] = "runs",
                                         [WEFT__PROCESS_STOPS] = "was sent SIGTERM",
                                         [WEFT__PROCESS_KILLED] = "was killed",
                                         [WEFT__PROCESS_ENDED] = "has ended"};
    weft_process process;
    ret->needs = WEFT__NEEDS_WORLD;
    if (!weft__eye_see(eye, &process, at, sizeof(process)) || process.state > WEFT__PROCESS_ENDED)
        return;
    ret->pid = process.pid;
    ret->name = weft__eye_text(eye, process.name);
    ret->stage = states[process.state];
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__process_wait wait;
    if (weft__eye_see(eye, &wait, at, sizeof(wait)))
        weft__explain_process(eye, wait.process, ret);
}

WEFT__OPS(wait_ops) = {.name = "process", .cancel = cancel_wait, .explain = explain};

/* The process must be pinned. `status` 0: with the exit status. */
static void complete_waits(weft_process *process, int status)
{
    if (status == 0 && process->lost)
        status = -ECHILD;
    for (struct weft__process_wait *wait; (wait = process->first);) {
        remove_wait(process, wait);
        if (status < 0)
            weft__complete_failed(&wait->future, status, NULL);
        else
            weft__complete(&wait->future, weft_value_i64(process->status), NULL);
        weft_unref(&wait->future);
    }
}

/* ---- The end of a process ---- */

static void unwatch(weft_process *process)
{
    event_del(&process->grace_event);
    event_del(&process->exit_event);
    if (process->pidfd >= 0)
        close(process->pidfd);
    process->pidfd = -1;
}

void weft__process_become_ended(weft_process *process, int status, bool lost)
{
    assert(process->state != WEFT__PROCESS_ENDED);
    unwatch(process);
    process->state = WEFT__PROCESS_ENDED;
    process->status = status;
    process->lost = lost;
    process->pins++;
    complete_waits(process, 0);
    if (process->talk)
        weft__talk_process_ended(process->talk);
    weft__process_recount(process);
    weft__process_unpin(process);
}

static int wait_now(const weft_process *process, siginfo_t *info, int options)
{
    bool by_fd = process->pidfd >= 0;
    int got;
    *info = (siginfo_t){0};
    do
        got = weft__sys.waitid(by_fd ? (idtype_t)P_PIDFD : P_PID,
                               (id_t)(by_fd ? process->pidfd : process->pid), info,
                               WEXITED | WNOHANG | options);
    while (got < 0 && errno == EINTR);
    return got;
}

static int send_signal(const weft_process *process, int signum)
{
#ifdef SYS_pidfd_send_signal
    if (process->pidfd >= 0 && syscall(SYS_pidfd_send_signal, process->pidfd, signum, NULL, 0) == 0)
        return 0;
    if (process->pidfd >= 0 && errno != ENOSYS)
        return -errno;
#endif
    return kill(process->pid, signum) < 0 ? -errno : 0;
}

static void send_to_all(const weft_process *process, int signum)
{
    if (process->group)
        kill(-process->pid, signum);
    else
        send_signal(process, signum);
}

/* Its members are to end with the leader, whose number is kept until it is waited for. */
static void end_group(const weft_process *process)
{
    siginfo_t info;
    if (process->group && process->state != WEFT__PROCESS_RUNS &&
        wait_now(process, &info, WNOWAIT) == 0 && info.si_pid)
        send_to_all(process, SIGKILL);
}

bool weft__process_check_end(weft_process *process)
{
    siginfo_t info;
    end_group(process);
    if (wait_now(process, &info, 0) < 0) {
        weft__process_become_ended(process, -ECHILD, true);
        return true;
    }
    if (!info.si_pid)
        return false;
    weft__process_become_ended(
        process, info.si_code == CLD_EXITED ? info.si_status : -info.si_status, false);
    return true;
}

static void on_exit_event(evutil_socket_t fd, short what, void *process)
{
    (void)fd;
    (void)what;
    weft__process_check_end(process);
}

/* ---- SIGCHLD ---- */

static weft_process *first_unchecked(const struct weft__processes *part)
{
    weft__link *link = part->list;
    while (link && !weft__process_of(link)->unchecked)
        link = link->next;
    return link ? weft__process_of(link) : NULL;
}

/* Telling of one end may free other processes: so they are marked first. */
static void on_child(weft__hearer *hearer, uint64_t count)
{
    struct weft__processes *part = WEFT__CONTAINER(hearer, struct weft__processes, children);
    (void)count;
    for (weft__link *link = part->list; link; link = link->next)
        weft__process_of(link)->unchecked = weft__process_of(link)->state != WEFT__PROCESS_ENDED &&
                                            weft__process_of(link)->pidfd < 0;
    for (weft_process *process; (process = first_unchecked(part));) {
        process->unchecked = false;
        weft__process_check_end(process);
    }
}

static void watch_by_signal(weft_process *process)
{
    static const struct timeval now_and_then = {.tv_usec = LOOK_EVERY_US};
    struct weft__processes *part = process->part;
    event_assign(&process->exit_event, part->loop->base, -1, EV_PERSIST, on_exit_event, process);
    (void)event_add(&process->exit_event, &now_and_then); /* else SIGCHLD has to do */
    if (!part->hears) {
        part->children.signum = SIGCHLD;
        part->children.mailbox = part->loop->mailbox;
        part->children.heard = on_child;
        part->hears = weft__signal_hear(&part->children) == 0;
    }
    weft__process_check_end(process); /* nobody heard of it if it was before that */
}

static void watch(weft_process *process)
{
    struct event_base *base = process->part->loop->base;
    process->pidfd = weft__sys.pidfd_open(process->pid, 0);
    if (process->pidfd >= 0) {
        event_assign(&process->exit_event, base, process->pidfd, EV_READ | EV_PERSIST,
                     on_exit_event, process);
        if (weft__sys.event_add(&process->exit_event, NULL) == 0)
            return;
        close(process->pidfd);
        process->pidfd = -1;
    }
    watch_by_signal(process);
}

/* ---- Stopping ---- */

void weft__process_kill_now(weft_process *process)
{
    process->state = WEFT__PROCESS_KILLED;
    send_to_all(process, SIGKILL);
    weft__process_recount(process);
}

static void on_grace_over(evutil_socket_t fd, short what, void *process)
{
    (void)fd;
    (void)what;
    weft__process_kill_now(process);
}

void weft__process_begin_stop(weft_process *process)
{
    if (process->state != WEFT__PROCESS_RUNS)
        return;
    struct timeval grace = {.tv_sec = process->grace / WEFT_S(1),
                            .tv_usec = process->grace % WEFT_S(1) / WEFT_US(1)};
    process->state = WEFT__PROCESS_STOPS;
    send_to_all(process, SIGTERM);
    if (weft__sys.event_add(&process->grace_event, &grace) < 0)
        weft__process_kill_now(process);
    weft__process_recount(process);
}

/* ---- Starting ---- */

static weft_process *make(struct weft__processes *part, const struct weft_process_options *options)
{
    const char *name = options->shell ? options->shell : options->argv ? options->argv[0] : NULL;
    weft_process *process = weft__calloc(1, sizeof(*process));
    if (!process)
        return NULL;
    process->part = part;
    process->loop_id = part->loop->id;
    process->tail = &process->first;
    process->pidfd = -1;
    process->grace = options->grace ? options->grace : DEFAULT_GRACE;
    process->group = options->new_group;
    process->check = options->check;
    process->name = weft__strdup(name ? name : "");
    if (!process->name) {
        weft__free(process);
        return NULL;
    }
    event_assign(&process->grace_event, part->loop->base, -1, 0, on_grace_over, process);
    return process;
}

int weft__process_new(weft_loop *loop, const struct weft_process_options *options,
                      weft_process **ret, char **ret_message)
{
    struct weft__processes *part;
    struct weft__spawned spawned;
    *ret_message = NULL;
    int status = weft__processes_get(loop, &part);
    if (status < 0)
        return status;
    weft_process *process = make(part, options);
    if (!process)
        return -ENOMEM;
    status = weft__process_spawn(options, &spawned, ret_message);
    if (status < 0) {
        weft__free(process->name);
        weft__free(process);
        return status;
    }
    for (int i = 0; i < 3; i++)
        process->fds[i] = spawned.fds[i];
    process->pid = spawned.pid;
    weft__link_add(&part->list, &process->link);
    watch(process);
    *ret = process;
    return 0;
}

static void destroy_process(void *process)
{
    weft_process_free(process);
}

WEFT__OPS(start_ops) = {.name = "process start"};

weft_future *weft_process_start(const struct weft_process_options *options)
{
    weft_loop *loop = weft__here();
    weft_process *process;
    char *message;
    if (!loop)
        return weft__future_enoloop();
    if (!options)
        return weft_future_failed(-EINVAL, "no options");
    weft_future *future = weft__future_alloc(loop, &start_ops, sizeof(*future), 1);
    if (!future)
        return weft__future_enomem(loop);
    int status = weft__process_new(loop, options, &process, &message);
    if (status < 0)
        weft__complete_failed(future, status, message);
    else
        weft__complete(future, weft_value_ptr(process), destroy_process);
    return future;
}

/* ---- The public side ---- */

pid_t weft_process_pid(const weft_process *process)
{
    return process->pid;
}

bool weft_process_has_ended(const weft_process *process)
{
    return !WEFT__ELSEWHERE(process->loop_id) && process->state == WEFT__PROCESS_ENDED;
}

int weft_process_take_fd(weft_process *process, int which)
{
    if (!process || which < 0 || which > 2)
        return -EINVAL;
    if (WEFT__ELSEWHERE(process->loop_id))
        return weft__elsewhere();
    int fd = process->talk ? -1 : process->fds[which];
    if (fd < 0)
        return -EBADF;
    process->fds[which] = -1;
    return fd;
}

static weft_future *wait_for_end(weft_process *process)
{
    weft_loop *loop = weft__loop;
    struct weft__process_wait *wait = weft__future_alloc(loop, &wait_ops, sizeof(*wait), 2);
    if (!wait)
        return weft__future_enomem(loop);
    add_wait(process, wait);
    if (process->state == WEFT__PROCESS_ENDED) {
        process->pins++;
        complete_waits(process, 0);
        weft__process_unpin(process);
    }
    return &wait->future;
}

weft_future *weft_process_wait(weft_process *process)
{
    if (process && WEFT__ELSEWHERE(process->loop_id))
        return weft__future_elsewhere();
    if (!weft__here())
        return weft__future_enoloop();
    return process ? wait_for_end(process) : weft_future_failed(-EINVAL, "no process");
}

weft_future *weft_process_stop(weft_process *process)
{
    if (process && WEFT__ELSEWHERE(process->loop_id))
        return weft__future_elsewhere();
    if (process)
        weft__process_begin_stop(process);
    return weft_process_wait(process);
}

static int signal_from(weft_process *process, int signum, const char *function)
{
    if (!process)
        return -EINVAL;
    if (weft__is_elsewhere(process->loop_id, function))
        return weft__elsewhere();
    return process->state == WEFT__PROCESS_ENDED ? -ESRCH : send_signal(process, signum);
}

int weft_process_signal(weft_process *process, int signum)
{
    return signal_from(process, signum, __func__);
}

int weft_process_terminate(weft_process *process)
{
    return signal_from(process, SIGTERM, __func__);
}

int weft_process_kill(weft_process *process)
{
    return signal_from(process, SIGKILL, __func__);
}

int weft_process_kill_group(weft_process *process)
{
    if (!process)
        return -EINVAL;
    if (WEFT__ELSEWHERE(process->loop_id))
        return weft__elsewhere();
    if (!process->group)
        return -EINVAL;
    if (process->state == WEFT__PROCESS_ENDED)
        return -ESRCH;
    return kill(-process->pid, SIGKILL) < 0 ? -errno : 0;
}

void weft_process_free(weft_process *process)
{
    if (!process || process->freed || WEFT__ELSEWHERE(process->loop_id))
        return;
    process->pins++;
    for (int i = 0; i < 3; i++)
        if (!process->talk)
            weft__process_close_fd(process, i);
    if (process->state != WEFT__PROCESS_ENDED)
        weft__process_kill_now(process);
    complete_waits(process, WEFT_ECLOSED);
    if (process->talk)
        weft__talk_abort(process->talk, WEFT_ECLOSED);
    process->freed = true;
    weft__process_unpin(process);
}
