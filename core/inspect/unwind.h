/* SPDX-License-Identifier: MIT */
/* From the innermost frame to the outermost. See core/inspect/unwind.c. */
#ifndef WEFT_CORE_INSPECT_UNWIND_H
#define WEFT_CORE_INSPECT_UNWIND_H

#include "core/inspect/cfi.h"
#include "core/inspect/frame.h"
#include "core/inspect/modules.h"
#include "core/inspect/stack.h"

/** Room to work in; large. */
struct weft__unwind {
    struct weft__cfi cfi, other;
};

/** All frames from `regs` on. */
void weft__unwind(struct weft__unwind *unwind, const struct weft__modules *modules,
                  const struct weft__memory *memory, struct weft__regs regs,
                  struct weft__stack *ret);

#endif
