/* SPDX-License-Identifier: MIT */
/*
 * What is answered by the control socket: one function for each command. The protocol is written down in
 * core/inspect/control.h.
 *
 * A loop's tasks are written by the loop itself if it comes to it in time (core/inspect/ask.c), and by this
 * thread if not. All else is read from here: pools have locks, and what is counted may be read by anybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <weft/version.h>

#include "core/inspect/ask.h"
#include "core/inspect/blocked.h"
#include "core/inspect/control.h"
#include "core/inspect/inspect.h"
#include "core/inspect/load.h"
#include "core/inspect/sample.h"
#include "core/inspect/source.h"
#include "core/inspect/thread_state.h"
#include "core/inspect/trace.h"
#include "core/inspect/tree.h"
#include "core/loop.h"

/* ---- The process ---- */

static weft_ns clock_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/* Field `n` of /proc/self/stat, counted from 1 as proc(5) does, from the third on; 0: not known. */
static int64_t stat_field(int n)
{
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    char *at = strrchr(text, ')'); /* behind the name, which may have anything in it */
    for (int i = 2; at && i < n; i++)
        at = strchr(at + 1, ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

static weft_ns uptime(void)
{
    enum { START_TIME = 22 };
    int64_t ticks = stat_field(START_TIME), a_second = sysconf(_SC_CLK_TCK);
    return ticks > 0 ? clock_now(CLOCK_BOOTTIME) - ticks * (WEFT_S(1) / a_second) : 0;
}

/* A file that was replaced since has " (deleted)" behind its name. */
static void add_process(struct weft__text *to)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    char *name = strrchr(path, '/'), *gone = strstr(path, " (deleted)");
    if (gone && strcmp(gone, " (deleted)") == 0)
        *gone = '\0';
    weft__json_int(to, "pid", getpid());
    weft__json_string(to, "program", name ? name + 1 : path);
}

/* How many descriptors are open; -1: this kernel does not tell (before 6.2). */
static int64_t count_descriptors(void)
{
    struct stat status;
    return stat("/proc/self/fd", &status) == 0 && status.st_size > 0 ? status.st_size : -1;
}

static void add_usage(struct weft__text *to)
{
    enum { THREADS = 20, RSS = 24 };
    weft__json_open(to, "process", '{');
    weft__json_int(to, "cpu_ns", clock_now(CLOCK_PROCESS_CPUTIME_ID));
    weft__json_int(to, "rss_bytes", stat_field(RSS) * sysconf(_SC_PAGESIZE));
    weft__json_int(to, "threads", stat_field(THREADS));
    weft__json_int(to, "fds", count_descriptors());
    weft__json_close(to, '}');
}

/* What the kernel says of a thread; null: it is gone. */
static void add_thread(struct weft__text *to, pid_t tid)
{
    struct weft__thread_state thread;
    char letter[2] = "", call[512] = "";
    if (weft__thread_state_read(tid, &thread) < 0) {
        weft__json_raw(to, "thread", "null");
        return;
    }
    letter[0] = thread.state;
    weft__syscall_describe(&thread, call, sizeof(call));
    weft__json_open(to, "thread", '{');
    weft__json_string(to, "state", letter);
    weft__json_string(to, "syscall", *call ? call : NULL);
    weft__json_int(to, "ran_ns", thread.ran);
    weft__json_int(to, "waited_ns", thread.waited);
    weft__json_close(to, '}');
}

/* ---- Loops and pools ---- */

struct listing {
    struct weft__text *to;
    const char *kind; /* of the sources that are listed */
    void (*more)(struct weft__source *source, struct weft__text *to);
};

static void list_one(void *arg, struct weft__source *source)
{
    const struct listing *listing = arg;
    if (strcmp(source->ops->kind, listing->kind) != 0)
        return;
    weft__json_open(listing->to, NULL, '{');
    if (source->ops->describe)
        source->ops->describe(source, listing->to);
    if (listing->more)
        listing->more(source, listing->to);
    weft__json_close(listing->to, '}');
}

static void list(struct weft__text *to, const char *key, const char *kind,
                 void (*more)(struct weft__source *source, struct weft__text *to))
{
    struct listing listing = {.to = to, .kind = kind, .more = more};
    weft__json_open(to, key, '[');
    weft__sources_each(list_one, &listing);
    weft__json_close(to, ']');
}

static void add_load(struct weft__source *source, struct weft__text *to)
{
    weft_loop *loop = weft__inspect_loop(source);
    add_thread(to, loop->tid);
    weft__load_write(loop, to);
    weft__sample_write(loop, to);
}

static void add_busy(void *arg, const struct weft__busy *busy)
{
    struct weft__text *to = arg;
    weft__json_open(to, NULL, '{');
    weft__json_int(to, "tid", busy->tid);
    weft__json_string(to, "name", busy->name);
    weft__json_string(to, "started_at", busy->started_at);
    weft__json_string(to, "lane", busy->lane);
    weft__json_uint(to, "loop", busy->loop_id);
    weft__json_int(to, "runs_for_ns", busy->runs_for);
    weft__json_bool(to, "is_abandoned", busy->is_abandoned);
    weft__json_string(to, "told", busy->told);
    add_thread(to, busy->tid);
    weft__json_close(to, '}');
}

static void add_all_busy(struct weft__source *source, struct weft__text *to)
{
    weft__json_open(to, "busy", '[');
    if (source->ops->each_busy)
        source->ops->each_busy(source, add_busy, to);
    weft__json_close(to, ']');
}

static void add_pools(struct weft__text *to)
{
    list(to, "pools", "pool", add_all_busy);
}

static void count_pool(void *arg, struct weft__source *source)
{
    *(uint64_t *)arg += strcmp(source->ops->kind, "pool") == 0;
}

/* ---- Tasks ---- */

static int look(weft_loop *loop, bool from_outside, const struct weft__subject *subject,
                struct weft__text *to)
{
    return subject->task ? weft__tree_write_task(loop, subject->task, from_outside, to)
                         : weft__tree_write(loop, from_outside, to);
}

static int look_by_itself(weft_loop *loop, const struct weft__subject *subject,
                          struct weft__text *to)
{
    return look(loop, false, subject, to);
}

static int look_from_outside(weft_loop *loop, const struct weft__subject *subject,
                             struct weft__text *to)
{
    return look(loop, true, subject, to);
}

static void add_no_tasks(struct weft__text *to, const struct weft__answer *answer)
{
    const char *why = answer->status == -ENOMEM ? "the process has no memory for the answer"
                      : answer->status < 0      ? "the answer is too long"
                                                : "the loop did not answer";
    weft__json_open(to, NULL, '{');
    weft__json_uint(to, "id", answer->loop_id);
    weft__json_int(to, "tid", answer->tid);
    weft__json_string(to, "error", why);
}

/* The loop has written an object; its thread is added at the end. */
static void show_tasks(void *arg, const struct weft__answer *answer)
{
    struct weft__text *to = arg;
    const struct weft__text *text = answer->text;
    if (answer->status < 0 || text->status < 0 || !text->len) {
        add_no_tasks(to, answer);
    } else {
        weft__json_raw(to, NULL, "");
        weft__text_add_bytes(to, text->data, text->len - 1);
    }
    add_thread(to, answer->tid);
    weft__json_close(to, '}');
}

/* ---- Commands ---- */

static void add_hello(struct weft__text *to)
{
    uint64_t pools = 0;
    weft__sources_each(count_pool, &pools);
    weft__json_string(to, "weft", weft_version());
    weft__json_int(to, "protocol", WEFT__CTL_PROTOCOL);
    add_process(to);
    weft__json_int(to, "uptime_ns", uptime());
    list(to, "loops", "loop", NULL);
    weft__json_uint(to, "pools", pools);
}

static void hello(char *arguments, struct weft__text *to)
{
    (void)arguments;
    add_hello(to);
}

static void tasks(char *arguments, struct weft__text *to)
{
    struct weft__question question = {.by_itself = look_by_itself,
                                      .from_outside = look_from_outside};
    if (*arguments && (!weft__ctl_take_id(&arguments, 1, &question.subject.task) ||
                       !weft__ctl_take_id(&arguments, 1, &question.loop_id))) {
        weft__json_string(to, "error", "ps takes nothing, or a task's id and a loop's");
        return;
    }
    add_process(to);
    weft__json_open(to, "loops", '[');
    int status = weft__ask(&question, show_tasks, to);
    weft__json_close(to, ']');
    if (status < 0)
        to->status = status;
}

static void pool(char *arguments, struct weft__text *to)
{
    (void)arguments;
    add_process(to);
    add_pools(to);
}

static void stats(char *arguments, struct weft__text *to)
{
    (void)arguments;
    weft__sample_want();
    add_process(to);
    weft__json_int(to, "uptime_ns", uptime());
    weft__json_int(to, "at_ns", clock_now(CLOCK_MONOTONIC));
    weft__json_int(to, "wall_ns", clock_now(CLOCK_REALTIME));
    add_usage(to);
    list(to, "loops", "loop", add_load);
    add_pools(to);
}

static void blocked(char *arguments, struct weft__text *to)
{
    struct weft__text reports = {.most = to->most};
    (void)arguments;
    weft__blocked_write(&reports);
    add_process(to);
    if (reports.status == 0)
        weft__json_raw(to, "blocked", reports.data);
    else
        to->status = reports.status;
    weft__text_fini(&reports);
}

static void trace(char *arguments, struct weft__text *to)
{
    bool is_start = strcmp(arguments, "start") == 0;
    if (!is_start && strcmp(arguments, "stop") != 0) {
        weft__json_string(to, "error", "trace takes start, stop or dump");
        return;
    }
    int status = is_start ? weft__trace_start() : weft__trace_stop();
    if (status == 0)
        weft__json_string(to, "trace", is_start ? "started" : "stopped");
    else if (status == -EALREADY)
        weft__json_string(to, "error",
                          is_start ? "a trace goes on already; weft trace --stop ends it"
                                   : "no trace goes on");
    else
        to->status = status;
}

static const struct command {
    const char *name;
    void (*answer)(char *arguments, struct weft__text *to);
} commands[] = {
    {"hello", hello}, {"ps", tasks},        {"pstree", tasks},
    {"pool", pool},   {"stats", stats},     {"cancel", weft__ctl_cancel},
    {"trace", trace}, {"blocked", blocked},
};

/* All that can be asked for, each by its name. */
static void dump(struct weft__text *to)
{
    static const char *const parts[] = {"hello", "pstree", "pool", "stats", "blocked"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        char line[16];
        snprintf(line, sizeof(line), "%s", parts[i]);
        struct weft__text part = {.most = to->most};
        weft__ctl_answer(line, &part);
        if (part.status == 0)
            weft__json_raw(to, parts[i], part.data);
        else
            to->status = part.status;
        weft__text_fini(&part);
    }
}

static void no_such_command(char *command, struct weft__text *to)
{
    char text[128];
    snprintf(text, sizeof(text), "there is no command \"%.64s\"", command);
    weft__json_string(to, "error", text);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* An object of its own, not to be held twice in memory. */
static void dump_trace(struct weft__text *to)
{
    int status = weft__trace_write(to);
    if (status == -ENODATA)
        weft__text_add(to, "{\"error\":\"there was no trace\"}");
    else if (status < 0 && to->status == 0)
        to->status = status;
}

void weft__ctl_answer(char *request, struct weft__text *to)
{
    if (strcmp(request, "trace dump") == 0) {
        dump_trace(to);
        return;
    }
    char *arguments = request + strcspn(request, " ");
    if (*arguments)
        *arguments++ = '\0';
    const struct command *command = find_command(request);
    weft__json_open(to, NULL, '{');
    if (command)
        command->answer(arguments, to);
    else if (strcmp(request, "dump") == 0)
        dump(to);
    else
        no_such_command(request, to);
    weft__json_close(to, '}');
}
