/* SPDX-License-Identifier: MIT */
/*
 * Reports of what is blocked: how one is put together, printed, and kept for who asks later.
 *
 * A report points to texts that lie beside it, in one block of memory, which lasts from the first report on a
 * block to the last: what is told when it is over is what was seen before. It is kept as JSON, the newest report
 * on each block only.
 *
 * Printing goes to descriptor 2 and not to `stderr`, whose lock the blocked thread may hold. That may be a pipe
 * which nobody empties, and just what the thread waits for: each piece is written only once there is room for
 * it, and given up after a tenth of a second.
 *
 * Lock order: `mu` is taken last; only memory is allocated while it is held.
 */
#include "core/inspect/blocked.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/inspect/stack.h"
#include "core/inspect/symbol.h"
#include "core/inspect/thread_state.h"
#include "core/memory.h"
#include "core/mutex.h"

enum { KEPT = 32, PATIENCE_MS = 100 };

static struct weft__mutex mu = {PTHREAD_MUTEX_INITIALIZER};
static uint64_t last_serial WEFT_GUARDED_BY(mu);
static struct kept {
    uint64_t serial; /* 0: empty */
    struct weft__text json;
} kept[KEPT] WEFT_GUARDED_BY(mu); /* newest first */

/* ---- Fork ---- */

static void before_fork(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__mutex_lock(&mu);
}

static void in_parent(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__mutex_unlock(&mu);
}

/* What was seen in the parent was not of this process. */
static void in_child(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    memset(kept, 0, sizeof(kept));
    weft__mutex_unlock(&mu);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, in_parent, in_child);
}

/* ---- Making ---- */

struct weft__blocked *weft__blocked_new(enum weft_blocked_kind kind)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct weft__blocked *blocked = weft__malloc(sizeof(*blocked));
    pthread_once(&once, watch_forks);
    if (!blocked)
        return NULL;
    memset(blocked, 0, offsetof(struct weft__blocked, texts));
    blocked->used = 0;
    blocked->report.kind = kind;
    blocked->report.frames = blocked->frames;
    weft__mutex_lock(&mu);
    blocked->report.serial = ++last_serial;
    weft__mutex_unlock(&mu);
    return blocked;
}

void weft__blocked_free(struct weft__blocked *blocked)
{
    weft__free(blocked);
}

void weft__blocked_see(struct weft__blocked *blocked, pid_t tid,
                       struct weft__thread_state *ret_state, struct weft__stack *ret)
{
    blocked->syscall[0] = '\0';
    *ret_state = (struct weft__thread_state){.syscall_nr = WEFT__SYSCALL_UNKNOWN};
    if (weft__thread_state_read(tid, ret_state) == 0)
        weft__syscall_describe(ret_state, blocked->syscall, sizeof(blocked->syscall));
    if (weft__stack_of(tid, ret) < 0)
        *ret = (struct weft__stack){0};
}

/* "" when there is no room. */
static const char *keep_text(struct weft__blocked *blocked, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size == 1 || size > sizeof(blocked->texts) - blocked->used)
        return "";
    char *copy = blocked->texts + blocked->used;
    memcpy(copy, text, size);
    blocked->used += size;
    return copy;
}

static void add_frame(void *arg, size_t frame, const struct weft__symbol *symbol)
{
    struct weft__blocked *blocked = arg;
    size_t *count = &blocked->report.frame_count;
    (void)frame;
    if (*count == WEFT__BLOCKED_FRAMES)
        return;
    blocked->frames[(*count)++] = (struct weft_blocked_frame){
        .function = keep_text(blocked, symbol->function),
        .file = keep_text(blocked, symbol->file),
        .module = keep_text(blocked, symbol->module),
        .line = symbol->line,
        .offset = symbol->offset,
        .is_inlined = symbol->is_inlined,
    };
}

void weft__blocked_name(struct weft__blocked *blocked, const struct weft__stack *stack)
{
    blocked->used = blocked->report.frame_count = 0;
    blocked->report.is_stack_a_guess = stack->is_guess;
    weft__symbols_resolve(stack->pc, stack->count, add_frame, blocked);
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

void weft__blocked_finish(struct weft__blocked *blocked, enum weft_blocked_stage stage,
                          const struct weft__spell *spell)
{
    struct timespec now;
    struct weft_blocked_report *report = &blocked->report;
    clock_gettime(CLOCK_REALTIME, &now);
    report->told_at = WEFT_S(now.tv_sec) + now.tv_nsec;
    report->stage = stage;
    report->task = or_null(blocked->task);
    report->function = or_null(blocked->function);
    report->spawned_at = or_null(blocked->spawned_at);
    report->awaited_at = or_null(blocked->awaited_at);
    report->lane = or_null(blocked->lane);
    report->syscall = or_null(blocked->syscall);
    report->lasts = spell->lasts;
    report->on_cpu = spell->on_cpu;
    report->runnable = spell->runnable;
    report->waiting = spell->waiting;
}

/* ---- Printing ---- */

/* False: nobody takes it. */
static bool write_all(const char *text, size_t len)
{
    struct pollfd to = {.fd = STDERR_FILENO, .events = POLLOUT};
    while (len > 0) {
        if (poll(&to, 1, PATIENCE_MS) != 1 || !(to.revents & POLLOUT))
            return false;
        ssize_t written = write(STDERR_FILENO, text, len < PIPE_BUF ? len : PIPE_BUF);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        text += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

void weft__blocked_print(const struct weft_blocked_report *report, enum weft_blocked_format format)
{
    struct weft__text text = {0};
    if (format == WEFT_BLOCKED_JSON) {
        weft__blocked_json(&text, report);
        weft__text_add_bytes(&text, "\n", 1);
    } else {
        weft__blocked_text(&text, report);
    }
    (void)write_all(text.data, text.len);
    weft__text_fini(&text);
}

/* ---- Keeping ---- */

/* Its old place, or that of the oldest. */
static size_t place_of_locked(uint64_t serial) WEFT_REQUIRES(mu)
{
    size_t place = 0;
    while (place < KEPT - 1 && kept[place].serial && kept[place].serial != serial)
        place++;
    return place;
}

void weft__blocked_keep(const struct weft_blocked_report *report)
{
    struct kept fresh = {.serial = report->serial};
    weft__blocked_json(&fresh.json, report);
    if (fresh.json.status < 0) {
        weft__text_fini(&fresh.json);
        return;
    }
    weft__mutex_lock(&mu);
    size_t place = place_of_locked(report->serial);
    struct kept old = kept[place];
    memmove(&kept[1], &kept[0], place * sizeof(*kept));
    kept[0] = fresh;
    weft__mutex_unlock(&mu);
    weft__text_fini(&old.json);
}

void weft__blocked_write(struct weft__text *to)
{
    weft__json_open(to, NULL, '[');
    weft__mutex_lock(&mu);
    for (size_t i = 0; i < KEPT && kept[i].serial; i++)
        weft__json_raw(to, NULL, kept[i].json.data);
    weft__mutex_unlock(&mu);
    weft__json_close(to, ']');
}

void weft__blocked_forget(void)
{
    weft__mutex_lock(&mu);
    for (size_t i = 0; i < KEPT; i++) {
        weft__text_fini(&kept[i].json);
        kept[i].serial = 0;
    }
    weft__mutex_unlock(&mu);
}
