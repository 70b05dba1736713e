/* SPDX-License-Identifier: MIT */
/* Debugging information, read by libdw if that is there. See core/inspect/dwarf.c. */
#ifndef WEFT_CORE_INSPECT_DWARF_H
#define WEFT_CORE_INSPECT_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/inspect/modules.h"

enum { WEFT__DWARF_FRAMES = 16 };

/** A function that an address is in; `name` and `file` are there until the session ends. */
struct weft__dwarf_frame {
    const char *name; /* NULL: not known */
    const char *file; /* NULL: not known */
    int line;
    bool is_inlined; /* into the next one */
};

struct weft__dwarf;

/** What is loaded: "libdw.so.1". Tests put another name there, before the first call. */
extern const char *weft__dwarf_library;

/** Load it. False: it is not there, or weft was built without it. Thread: any. */
bool weft__dwarf_load(void);

/** Open what there is of a module: the program's or library's own, or a separate file of /usr/lib/debug. NULL: the
 * file cannot be read, or out of memory. One thread at a time for all sessions. */
struct weft__dwarf *weft__dwarf_open(const struct weft__module *module);
void weft__dwarf_close(struct weft__dwarf *dwarf);

/** The functions that `pc` is in, innermost first; how many, 0: nothing is known. */
size_t weft__dwarf_look_up(struct weft__dwarf *dwarf, uintptr_t pc,
                           struct weft__dwarf_frame ret[WEFT__DWARF_FRAMES]);

#endif
