/* SPDX-License-Identifier: MIT */
/*
 * Watches: a test keeps what blocks its thread, and looks at it. They are a stack of the thread's; the
 * innermost one keeps. A report is copied, texts and all, into one block of memory; without memory, and
 * in a signal handler, where none may be asked for, it is counted only. Calls are counted by their names, which
 * are this library's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/guard/guard.h"

enum { MOST_KEPT = 64, MOST_NAMES = 256, TEXTS = 8 };

struct tally {
    const char *call;
    size_t count;
};

struct weft_guard_watch {
    struct weft_guard_watch *outer;
    enum weft_guard_range range;
    size_t count, kept, names;
    struct tally tallies[MOST_NAMES]; /* of all that are counted */
    struct weft_guard_report reports[MOST_KEPT];
    void *texts[MOST_KEPT];
};

#define PUBLIC __attribute__((visibility("default")))

static _Thread_local struct weft_guard_watch *innermost __attribute__((tls_model("initial-exec")));

struct weft_guard_watch *guard__innermost(void)
{
    return innermost;
}

bool guard__watches_everything(void)
{
    const struct weft_guard_watch *watch = innermost;
    while (watch && watch->range != WEFT_GUARD_EVERYTHING)
        watch = watch->outer;
    return watch;
}

static void list_texts(struct weft_guard_report *report, const char **ret[TEXTS])
{
    const char **texts[TEXTS] = {&report->call,       &report->argument, &report->place,
                                 &report->function,   &report->task,     &report->spawned_at,
                                 &report->awaited_at, &report->instead};
    memcpy(ret, texts, sizeof(texts));
}

/* Its texts are in the returned block; NULL: out of memory. */
static void *copy_texts(struct weft_guard_report *report)
{
    const char **texts[TEXTS];
    size_t size = 0;
    list_texts(report, texts);
    for (size_t i = 0; i < TEXTS; i++)
        size += strlen(*texts[i]) + 1;
    char *block = malloc(size), *at = block;
    for (size_t i = 0; block && i < TEXTS; i++) {
        size_t length = strlen(*texts[i]) + 1;
        memcpy(at, *texts[i], length);
        *texts[i] = at;
        at += length;
    }
    return block;
}

static void tally(struct weft_guard_watch *watch, const char *call)
{
    size_t i = 0;
    while (i < watch->names && strcmp(watch->tallies[i].call, call) != 0)
        i++;
    if (i == MOST_NAMES)
        return;
    watch->tallies[i].call = call;
    watch->tallies[i].count++;
    watch->names += i == watch->names;
}

void guard__keep(struct weft_guard_watch *watch, const struct weft_guard_report *report,
                 bool is_in_handler)
{
    struct weft_guard_report copy = *report;
    watch->count++;
    tally(watch, report->call);
    void *texts = watch->kept < MOST_KEPT && !is_in_handler ? copy_texts(&copy) : NULL;
    if (!texts)
        return;
    watch->texts[watch->kept] = texts;
    watch->reports[watch->kept++] = copy;
}

PUBLIC weft_guard_watch *weft_guard_watch_begin(enum weft_guard_range range)
{
    struct weft_guard_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    watch->range = range;
    watch->outer = innermost;
    innermost = watch;
    if (range == WEFT_GUARD_EVERYTHING && !guard__is_switched_off())
        atomic_store_explicit(&guard__is_on, true, memory_order_relaxed);
    return watch;
}

PUBLIC size_t weft_guard_watch_count(const weft_guard_watch *watch)
{
    return watch->count;
}

PUBLIC size_t weft_guard_watch_count_of(const weft_guard_watch *watch, const char *call)
{
    for (size_t i = 0; i < watch->names; i++)
        if (strcmp(watch->tallies[i].call, call) == 0)
            return watch->tallies[i].count;
    return 0;
}

PUBLIC bool weft_guard_watch_get(const weft_guard_watch *watch, size_t index,
                                 struct weft_guard_report *ret)
{
    if (index >= watch->kept)
        return false;
    *ret = watch->reports[index];
    return true;
}

PUBLIC void weft_guard_watch_end(weft_guard_watch *watch)
{
    struct weft_guard_watch **link = &innermost;
    if (!watch)
        return;
    while (*link && *link != watch)
        link = &(*link)->outer;
    if (*link)
        *link = watch->outer;
    for (size_t i = 0; i < watch->kept; i++)
        free(watch->texts[i]);
    free(watch);
}

/* ---- What a block of a test must do ---- */

PUBLIC bool weft__guard_check_begin(struct weft__guard_check *check, enum weft_guard_range range,
                                    const char *call, const char *place)
{
    if (check->begun)
        return false;
    *check = (struct weft__guard_check){weft_guard_watch_begin(range), call, place, true};
    if (check->watch)
        return true;
    guard__complain("weft guard: %s: out of memory\n", place);
    abort();
}

static void tell_all(const weft_guard_watch *watch)
{
    for (size_t i = 0; i < watch->kept; i++)
        guard__complain("weft guard:   %s(%s) at %s: use %s\n", watch->reports[i].call,
                        watch->reports[i].argument, watch->reports[i].place,
                        watch->reports[i].instead);
}

PUBLIC void weft__guard_check_end(struct weft__guard_check *check)
{
    weft_guard_watch *watch = check->watch;
    if (!watch)
        return;
    check->watch = NULL;
    bool is_right = check->call ? weft_guard_watch_count_of(watch, check->call) > 0
                                : weft_guard_watch_count(watch) == 0;
    if (!is_right) {
        if (check->call)
            guard__complain("weft guard: %s: %s() did not block\n", check->place, check->call);
        else
            guard__complain("weft guard: %s: %zu calls blocked\n", check->place,
                            weft_guard_watch_count(watch));
        tell_all(watch);
        abort();
    }
    weft_guard_watch_end(watch);
}
