/* SPDX-License-Identifier: MIT */
/* Addresses of code as function, file and line. See core/inspect/symbol.c. */
#ifndef WEFT_CORE_INSPECT_SYMBOL_H
#define WEFT_CORE_INSPECT_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What is not known is "" or 0. */
struct weft__symbol {
    char function[128];
    char file[192];   /* as the compiler was given it; a long one without its beginning */
    char module[192]; /* the path of the program or library; as `file` */
    int line;
    uintptr_t offset; /* within the module, as `addr2line -e module` takes it */
    bool is_inlined;  /* into the function that is shown next, with the line of the call there */
};

/**
 * Call `fn` for each of `count` addresses, in their order; where functions were inlined, several times for one
 * `frame`, innermost first. Addresses are those of struct weft__stack.
 *
 * The first address of a program reads its debugging information (milliseconds); what was told
 * before is kept. Never fails: the less is known, the less is told, at the worst nothing but the address.
 * Thread: any; one at a time is served, and `fn` must not ask again.
 */
void weft__symbols_resolve(const uintptr_t *pc, size_t count,
                           void (*fn)(void *arg, size_t frame, const struct weft__symbol *symbol),
                           void *arg);

/** Load what reads debugging information, now rather than at the first address. Who looks from a thread
 * of its own calls this before, on the thread that starts it: the C library does not allow for a fork while
 * another thread loads a library, and a thread that is to be watched may hang in loading one. False: there is none,
 * and only modules and offsets are told. */
bool weft__symbols_prepare(void);

/** "function (file:line)", "function (module+0xOFFSET)", "module+0xOFFSET" or "0xADDRESS". */
void weft__symbol_write(const struct weft__symbol *symbol, char *to, size_t size);

#endif
