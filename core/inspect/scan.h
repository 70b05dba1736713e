/* SPDX-License-Identifier: MIT */
/* A frame looked for on the stack, where it cannot be computed. See core/inspect/scan.c. */
#ifndef WEFT_CORE_INSPECT_SCAN_H
#define WEFT_CORE_INSPECT_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/inspect/cfi.h"
#include "core/inspect/frame.h"
#include "core/inspect/modules.h"

struct weft__scan {
    const struct weft__modules *modules;
    const struct weft__memory *memory;
    struct weft__cfi *work; /* to look callers up with */
};

/** True: code, and behind a call. */
bool weft__scan_is_return(const struct weft__scan *scan, uint64_t address);

/**
 * Look upwards from `sp` for the return address of a function of which this is known (NULL: nothing), and which
 * keeps its caller's frame pointer in the word below. `*ret_cfa` is the address behind it. False:
 * there is none. `*is_guess` is set, and else left alone, if what was found fits but need not be it.
 */
bool weft__scan_frame(const struct weft__scan *scan, uint64_t sp, const struct weft__cfi *cfi,
                      uint64_t *ret_cfa, bool *is_guess);

#endif
