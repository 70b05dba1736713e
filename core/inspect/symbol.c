/* SPDX-License-Identifier: MIT */
/*
 * Addresses of code as function, file and line.
 *
 * What was found is kept: the same places are told again and again. MOST_KEPT of them, each at a place
 * that is computed from its address; a later one takes the place of an earlier one. They are thrown
 * away when a library was unloaded, as an address may mean something else then.
 *
 * Of what is not kept the debugging information is opened, once for each module of a question, and
 * closed at its end (core/inspect/dwarf.c).
 *
 * Fork: in the child nothing is kept, and nobody asks, whatever a thread of the parent was at.
 *
 * Lock order: `mu` before the C library's own, of its modules and of memory.
 */
#include "core/inspect/symbol.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/inspect/dwarf.h"
#include "core/inspect/modules.h"
#include "core/memory.h"
#include "core/mutex.h"

enum { MOST_KEPT = 256, MOST_PATH = 1024 };

/* One function of an address. */
struct kept {
    uintptr_t pc; /* 0: none */
    size_t depth; /* 0: the innermost */
    bool is_last;
    struct weft__symbol symbol;
};

static struct weft__mutex mu = {PTHREAD_MUTEX_INITIALIZER};
static struct kept kept[MOST_KEPT] WEFT_GUARDED_BY(mu);
static uint64_t kept_while WEFT_GUARDED_BY(mu); /* so many libraries were unloaded */

/* ---- Fork ---- */

static void in_child(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    static const struct weft__mutex fresh = {PTHREAD_MUTEX_INITIALIZER};
    mu = fresh;
    for (size_t i = 0; i < MOST_KEPT; i++)
        kept[i].pc = 0;
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, in_child);
}

/* ---- What is kept ---- */

static struct kept *place_of(uintptr_t pc, size_t depth) WEFT_REQUIRES(mu)
{
    uint64_t hash = ((uint64_t)pc + depth) * UINT64_C(0x9e3779b97f4a7c15);
    return &kept[hash >> 56];
}

static const struct kept *find_kept(uintptr_t pc, size_t depth) WEFT_REQUIRES(mu)
{
    const struct kept *place = place_of(pc, depth);
    return pc && place->pc == pc && place->depth == depth ? place : NULL;
}

/* All functions of the address, or none. */
static bool is_kept(uintptr_t pc) WEFT_REQUIRES(mu)
{
    const struct kept *place = find_kept(pc, 0);
    for (size_t depth = 1; place && !place->is_last; depth++)
        place = find_kept(pc, depth);
    return place != NULL;
}

static void keep(uintptr_t pc, size_t depth, bool is_last, const struct weft__symbol *symbol)
    WEFT_REQUIRES(mu)
{
    *place_of(pc, depth) = (struct kept){pc, depth, is_last, *symbol};
}

static void forget_if_unloaded(const struct weft__modules *modules) WEFT_REQUIRES(mu)
{
    for (size_t i = 0; kept_while != modules->unloaded && i < MOST_KEPT; i++)
        kept[i].pc = 0;
    kept_while = modules->unloaded;
}

/* ---- Looking up ---- */

/* "a/b/../c" as "a/c"; of one that is too long, the end. */
static void set_file(char *to, size_t size, const char *path)
{
    char clean[MOST_PATH];
    size_t len = 0;
    while (*path) {
        size_t part = strcspn(path, "/"), slash = path[part] == '/';
        bool is_up = part == 2 && memcmp(path, "..", 2) == 0;
        size_t last = len > 1 ? len - 1 : 0;
        while (last > 0 && clean[last - 1] != '/')
            last--;
        bool has_parent = len > 1 && clean[len - 1] == '/' && memcmp(clean + last, "../", 3) != 0;
        if (is_up && has_parent) {
            len = last;
        } else if (part + slash < sizeof(clean) - len) {
            memcpy(clean + len, path, part + slash);
            len += part + slash;
        }
        path += part + slash;
    }
    clean[len] = '\0';
    snprintf(to, size, "%s", clean + (len < size ? 0 : len - size + 1));
}

static struct weft__symbol symbol_of(const struct weft__module *module, uintptr_t pc)
{
    struct weft__symbol symbol = {.offset = pc - (module ? module->bias : 0)};
    if (module)
        snprintf(symbol.module, sizeof(symbol.module), "%s", module->name);
    return symbol;
}

static void fill(struct weft__symbol *symbol, const struct weft__dwarf_frame *frame)
{
    symbol->function[0] = symbol->file[0] = '\0';
    if (frame->name)
        snprintf(symbol->function, sizeof(symbol->function), "%s", frame->name);
    if (frame->file)
        set_file(symbol->file, sizeof(symbol->file), frame->file);
    symbol->line = frame->file ? frame->line : 0;
    symbol->is_inlined = frame->is_inlined;
}

struct question {
    const uintptr_t *pc;
    size_t count;
    void (*fn)(void *arg, size_t frame, const struct weft__symbol *symbol);
    void *arg;
    const struct weft__modules *modules;
    struct weft__dwarf **opened; /* one for each module, as far as needed; NULL: none are */
};

static struct weft__dwarf *open_module(struct question *question, const struct weft__module *module)
{
    if (!module || !question->opened)
        return NULL;
    struct weft__dwarf **opened = &question->opened[module - question->modules->all];
    if (!*opened)
        *opened = weft__dwarf_open(module);
    return *opened;
}

static void look_up(struct question *question, uintptr_t pc, size_t frame) WEFT_REQUIRES(mu)
{
    struct weft__dwarf_frame frames[WEFT__DWARF_FRAMES];
    const struct weft__module *module = weft__modules_find(question->modules, pc);
    struct weft__dwarf *dwarf = open_module(question, module);
    struct weft__symbol symbol = symbol_of(module, pc);
    size_t count = dwarf ? weft__dwarf_look_up(dwarf, pc, frames) : 0;
    for (size_t i = 0; i < count; i++) {
        fill(&symbol, &frames[i]);
        keep(pc, i, i + 1 == count, &symbol);
        question->fn(question->arg, frame, &symbol);
    }
    if (count == 0)
        question->fn(question->arg, frame, &symbol);
}

static void answer(struct question *question) WEFT_REQUIRES(mu)
{
    for (size_t i = 0; i < question->count; i++) {
        uintptr_t pc = question->pc[i];
        if (!is_kept(pc)) {
            look_up(question, pc, i);
            continue;
        }
        const struct kept *place = find_kept(pc, 0);
        question->fn(question->arg, i, &place->symbol);
        for (size_t depth = 1; !place->is_last; depth++) {
            place = find_kept(pc, depth);
            question->fn(question->arg, i, &place->symbol);
        }
    }
}

bool weft__symbols_prepare(void)
{
    return weft__dwarf_load();
}

void weft__symbols_resolve(const uintptr_t *pc, size_t count,
                           void (*fn)(void *arg, size_t frame, const struct weft__symbol *symbol),
                           void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct weft__modules modules;
    struct question question = {
        .pc = pc, .count = count, .fn = fn, .arg = arg, .modules = &modules};
    pthread_once(&once, watch_forks);
    (void)weft__modules_read(&modules); /* none: the addresses alone are told */
    if (weft__dwarf_load())
        question.opened = weft__calloc(modules.count, sizeof(struct weft__dwarf *));
    weft__mutex_lock(&mu);
    forget_if_unloaded(&modules);
    answer(&question);
    for (size_t i = 0; question.opened && i < modules.count; i++)
        if (question.opened[i])
            weft__dwarf_close(question.opened[i]);
    weft__mutex_unlock(&mu);
    weft__free(question.opened);
    weft__modules_fini(&modules);
}

/* The name without the folders. */
static const char *base_of(const char *path)
{
    const char *base = strrchr(path, '/');
    return base ? base + 1 : path;
}

void weft__symbol_write(const struct weft__symbol *symbol, char *to, size_t size)
{
    char place[256];
    if (symbol->line > 0)
        snprintf(place, sizeof(place), "%s:%d", symbol->file, symbol->line);
    else if (symbol->module[0])
        snprintf(place, sizeof(place), "%s+%#lx", base_of(symbol->module),
                 (unsigned long)symbol->offset);
    else
        snprintf(place, sizeof(place), "%#lx", (unsigned long)symbol->offset);
    if (symbol->function[0])
        snprintf(to, size, "%s (%s)", symbol->function, place);
    else
        snprintf(to, size, "%s", place);
}
