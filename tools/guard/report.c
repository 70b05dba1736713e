/* SPDX-License-Identifier: MIT */
/*
 * What is printed: a line for each place, when it is first met; at the end, how often each was. A place
 * is a call and the address it was called from. The table has room for MOST places; of what comes then it is
 * said once that it is not printed, and how often it was at the end.
 *
 * `lock` is taken by who is inside a call only (see guard.c), so that no signal handler meets it; a fork
 * may leave it taken in the child, where it is made anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/guard/guard.h"

enum { MOST = 512, MOST_ALLOWED = 64, PATTERN = 128, LINE = 1600 };

struct met {
    const char *call;
    uintptr_t address;
    char place[128];
    uint64_t count;
};

static atomic_flag lock = ATOMIC_FLAG_INIT;
static struct met met[MOST]; /* [lock] */
static size_t met_count;     /* [lock] */
static uint64_t not_met;     /* [lock] there was no room for it */
static char patterns[MOST_ALLOWED][PATTERN];
static atomic_size_t pattern_count; /* released when the pattern is written */
static const char *log_path;        /* [const] after the library is loaded */

/* No mutex: that would be one of those that are looked at. */
static void take_lock(void)
{
    while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
        sched_yield();
}

static void give_lock(void)
{
    atomic_flag_clear_explicit(&lock, memory_order_release);
}

/* ---- Printing ---- */

void guard__set_log(const char *path)
{
    log_path = path && *path ? path : NULL;
}

static long open_log(void)
{
    char path[512];
    snprintf(path, sizeof(path), "%s.%ld", log_path, syscall(SYS_getpid));
    return syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
}

static void print_to(long fd, const char *format, va_list args) WEFT_PRINTF(2, 0);

static void print_to(long fd, const char *format, va_list args)
{
    char line[LINE];
    int length = vsnprintf(line, sizeof(line), format, args);
    if (length > 0)
        syscall(SYS_write, fd, line, (size_t)length < LINE ? (size_t)length : LINE - 1);
}

void guard__complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_to(STDERR_FILENO, format, args);
    va_end(args);
}

void guard__print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    long fd = log_path ? open_log() : -1;
    print_to(fd < 0 ? (long)STDERR_FILENO : fd, format, args);
    if (fd >= 0)
        syscall(SYS_close, fd);
    va_end(args);
}

static void print_time(char *text, size_t size, weft_ns took)
{
    if (took < WEFT_MS(1))
        snprintf(text, size, "%.1f us", (double)took / (double)WEFT_US(1));
    else
        snprintf(text, size, "%.1f ms", (double)took / (double)WEFT_MS(1));
}

static void print_task(char *text, size_t size, const struct weft_guard_report *report)
{
    if (!*report->task) {
        snprintf(text, size, "in a callback");
        return;
    }
    snprintf(text, size, "in the task \"%s\" #%llu%s%s%s%s", report->task,
             (unsigned long long)report->task_id, *report->spawned_at ? ", spawned at " : "",
             report->spawned_at, *report->awaited_at ? ", after its await at " : "",
             report->awaited_at);
}

/* "in parse (parse.c:12), called from read_all (parse.c:40)", as far as it is known. */
static void print_callers(char *text, size_t size, const struct guard__site *site)
{
    int used = 0;
    if (*site->at[0].function)
        used = snprintf(text, size, " in %s", site->at[0].function);
    else
        text[0] = '\0';
    for (size_t i = 1; i < site->count && !guard__is_boundary(&site->at[i - 1]); i++) {
        if (used < 0 || (size_t)used >= size || guard__is_boundary(&site->at[i]))
            return;
        int more =
            snprintf(text + used, size - (size_t)used, ", called at %s%s%s", site->at[i].place,
                     *site->at[i].function ? " in " : "", site->at[i].function);
        used = more < 0 ? -1 : used + more;
    }
}

static void print(const struct weft_guard_report *report, const struct guard__site *site)
{
    char time[32], task[640], callers[800];
    print_time(time, sizeof(time), report->took);
    print_task(task, sizeof(task), report);
    print_callers(callers, sizeof(callers), site);
    guard__print("weft guard: %s(%s) blocked the loop for %s at %s%s, %s: use %s\n", report->call,
                 report->argument, time, report->place, callers, task, report->instead);
}

bool guard__tell(const struct weft_guard_report *report, const struct guard__site *site,
                 uintptr_t address)
{
    size_t i = 0;
    take_lock();
    while (i < met_count && (met[i].address != address || strcmp(met[i].call, report->call) != 0))
        i++;
    bool is_new = i == met_count, is_first = met_count == 0, is_too_much = false;
    if (i == MOST)
        is_too_much = not_met++ == 0;
    if (is_new && i < MOST) {
        met[met_count++] = (struct met){.call = report->call, .address = address};
        snprintf(met[i].place, sizeof(met[i].place), "%s", report->place);
    }
    if (i < MOST)
        met[i].count++;
    give_lock();
    if (is_new && i < MOST)
        print(report, site);
    if (is_too_much)
        guard__print("weft guard: more than %d places: the others are counted only\n", MOST);
    return is_first;
}

void guard__tell_sum(void)
{
    uint64_t reported = weft_guard_reported(), allowed = weft_guard_allowed();
    if (!reported)
        return;
    take_lock();
    size_t count = met_count;
    uint64_t others = not_met;
    give_lock();
    for (size_t i = 0; i < count; i++)
        if (met[i].count > 1)
            guard__print("weft guard: %s() at %s blocked %llu times\n", met[i].call, met[i].place,
                         (unsigned long long)met[i].count);
    if (others > 0)
        guard__print("weft guard: calls at other places blocked %llu times\n",
                     (unsigned long long)others);
    guard__print("weft guard: a loop was blocked %llu times, at %zu places; %llu times more it was "
                 "allowed\n",
                 (unsigned long long)reported, count, (unsigned long long)allowed);
}

void guard__forget(void)
{
    atomic_flag_clear(&lock);
    met_count = 0;
    not_met = 0;
}

/* ---- Who may ---- */

__attribute__((visibility("default"))) int weft_guard_allow(const char *caller)
{
    if (!caller || !*caller || strlen(caller) >= PATTERN)
        return -EINVAL;
    struct guard__call call = guard__begin_slow("", ""); /* `inside`: see above */
    take_lock();
    size_t count = atomic_load(&pattern_count);
    if (count < MOST_ALLOWED) {
        memcpy(patterns[count], caller, strlen(caller) + 1);
        atomic_store_explicit(&pattern_count, count + 1, memory_order_release);
    }
    give_lock();
    guard__drop(&call);
    return count < MOST_ALLOWED ? 0 : -ENOSPC;
}

void guard__read_allow_list(const char *list)
{
    while (list && *list) {
        char pattern[PATTERN] = "";
        size_t length = strcspn(list, ",");
        if (length < sizeof(pattern))
            memcpy(pattern, list, length);
        if (length && weft_guard_allow(pattern) < 0) {
            guard__complain(
                "weft guard: WEFT_GUARD_ALLOW=%s: up to %d callers, with commas between "
                "them, of up to %d bytes each\n",
                list, MOST_ALLOWED, PATTERN - 1);
            _exit(2);
        }
        list += length + (list[length] == ',');
    }
}

/* "config.c:12" is meant by itself and by "config.c", and so is "/home/me/config.c:12". */
static bool is_place(const char *pattern, const char *place)
{
    const char *name = strrchr(place, '/');
    name = name ? name + 1 : place;
    char file[256];
    snprintf(file, sizeof(file), "%.*s", (int)strcspn(name, ":"), name);
    return fnmatch(pattern, place, 0) == 0 || fnmatch(pattern, name, 0) == 0 ||
           fnmatch(pattern, file, 0) == 0;
}

static bool is_meant(const struct guard__frame *frame)
{
    size_t count = atomic_load_explicit(&pattern_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        if (fnmatch(patterns[i], frame->function, 0) == 0 ||
            fnmatch(patterns[i], frame->module, 0) == 0 || is_place(patterns[i], frame->place))
            return true;
    return false;
}

bool guard__is_allowed_caller(const struct guard__stack *stack)
{
    if (atomic_load_explicit(&pattern_count, memory_order_acquire) == 0)
        return false;
    for (size_t i = 0; i < stack->count; i++) {
        struct guard__frame frames[GUARD_CALLERS];
        size_t count = guard__look_up(stack, i, frames, GUARD_CALLERS);
        for (size_t k = 0; k < count; k++) {
            if (is_meant(&frames[k]))
                return true;
            if (guard__is_boundary(&frames[k]))
                return false;
        }
    }
    return false;
}
