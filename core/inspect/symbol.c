/* SPDX-License-Identifier: MIT */
/* Addresses of code as module and offset, for addr2line. */
#include "core/inspect/symbol.h"

#include <stdio.h>

#include "core/inspect/modules.h"

bool weft__symbols_prepare(void)
{
    return false;
}

void weft__symbols_resolve(const uintptr_t *pc, size_t count,
                           void (*fn)(void *arg, size_t frame, const struct weft__symbol *symbol),
                           void *arg)
{
    struct weft__modules modules;
    (void)weft__modules_read(&modules);
    for (size_t i = 0; i < count; i++) {
        const struct weft__module *module = weft__modules_find(&modules, pc[i]);
        struct weft__symbol symbol = {.offset = pc[i] - (module ? module->bias : 0)};
        if (module)
            snprintf(symbol.module, sizeof(symbol.module), "%s", module->name);
        fn(arg, i, &symbol);
    }
    weft__modules_fini(&modules);
}

/* The name without the folders. */
static const char *base_of(const char *path)
{
    const char *base = path;
    for (const char *at = path; *at; at++)
        if (*at == '/')
            base = at + 1;
    return base;
}

void weft__symbol_write(const struct weft__symbol *symbol, char *to, size_t size)
{
    char place[224];
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
