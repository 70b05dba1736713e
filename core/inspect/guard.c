/* SPDX-License-Identifier: MIT */
/*
 * The door to libweftguard: if it is in the process, linked or preloaded, it gets a table of functions
 * by which it asks what its thread is at. Where it is not, this is one dlsym() when the first loop is
 * made.
 *
 * weft looks for the guard and not the guard for weft, since a program that links weft statically
 * exports none of its names.
 */
#include "core/inspect/guard.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <weft/blocking.h>
#include <weft/task.h>

#include "core/inspect/symbol.h"
#include "core/loop.h"
#include "core/mutex.h"
#include "core/task.h"

/* In a poll nothing but weft's own events is run, unless somebody has asked for the base. */
static enum weft__guard_at at(uint64_t *ret_poll)
{
    const weft_loop *loop = weft__here();
    if (!loop)
        return WEFT__GUARD_OUTSIDE;
    if (weft__own_waits)
        return WEFT__GUARD_OWN_WAIT;
    if (loop->polling) {
        *ret_poll = (uint64_t)loop->id << 32 | (loop->polls & 0xffffffff);
        return loop->is_guarded ? WEFT__GUARD_IN_POLL : WEFT__GUARD_OUTSIDE;
    }
    return loop->in_tick || loop->current || loop->reporting ? WEFT__GUARD_IN_STEP
                                                             : WEFT__GUARD_OUTSIDE;
}

static void step(struct weft__guard_step *ret)
{
    const weft_loop *loop = weft__here();
    *ret = (struct weft__guard_step){0};
    if (!loop || !loop->current || loop->polling)
        return;
    const struct weft__coro *coro = loop->current;
    ret->task = weft_task_name(&weft__identity(coro)->future);
    ret->spawned_at = weft_task_spawned_at(&weft__identity(coro)->future);
    ret->id = weft_task_id(&weft__identity(coro)->future);
    ret->file = coro->code->file;
    ret->line = coro->frame.weft_state;
}

/* What is written of an address, as its symbols are told. */
struct symbols {
    struct weft__guard_symbol *to;
    size_t count, most;
};

/* Compiled from the folders beside this one, named as the compiler was given them. */
static bool is_wefts(const char *file)
{
    static const char own[] = __FILE__, name[] = "core/inspect/guard.c";
    static const char *const folders[] = {"core/", "pool/", "net/", "testing/"};
    size_t root = sizeof(own) - sizeof(name);
    if (strncmp(file, own, root) != 0)
        return false;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (strncmp(file + root, folders[i], strlen(folders[i])) == 0)
            return true;
    return false;
}

static void add_symbol(void *arg, size_t frame, const struct weft__symbol *symbol)
{
    struct symbols *symbols = arg;
    (void)frame;
    /* What a header of the C library inlines is not where the call was written. Of some of it there is no line. */
    bool is_libcs = symbol->is_inlined &&
                    (symbol->line <= 0 || strncmp(symbol->file, "/usr/include/", 13) == 0);
    if (symbols->count == symbols->most || is_libcs)
        return;
    struct weft__guard_symbol *to = &symbols->to[symbols->count++];
    const char *module = strrchr(symbol->module, '/');
    module = module ? module + 1 : symbol->module;
    snprintf(to->function, sizeof(to->function), "%s", symbol->function);
    snprintf(to->module, sizeof(to->module), "%.63s", module);
    to->is_wefts = is_wefts(symbol->file);
    if (symbol->line > 0)
        snprintf(to->place, sizeof(to->place), "%s:%d", symbol->file, symbol->line);
    else
        snprintf(to->place, sizeof(to->place), "%.180s+%#lx", module,
                 (unsigned long)symbol->offset);
}

static size_t symbolize(uintptr_t address, struct weft__guard_symbol *ret, size_t most)
{
    struct symbols symbols = {.to = ret, .most = most};
    const uintptr_t call = address - 1; /* in the instruction before that to which it returns */
    weft__symbols_resolve(&call, 1, add_symbol, &symbols);
    return symbols.count;
}

static const struct weft__guard_table table = {
    .version = WEFT__GUARD_VERSION,
    .at = at,
    .allowed = weft_blocking_allowed,
    .step = step,
    .symbolize = symbolize,
};

static void find(void)
{
    weft__guard_connect_fn *connect;
    *(void **)&connect = dlsym(RTLD_DEFAULT, "weft__guard_connect");
    if (connect)
        connect(&table);
    else
        (void)dlerror(); /* else the message would be kept */
}

void weft__guard_find(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find);
}
