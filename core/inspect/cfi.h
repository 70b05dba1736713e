/* SPDX-License-Identifier: MIT */
/* How a frame is left, as the compiler wrote it down. See core/inspect/cfi.c and
 * cfi_step.c. */
#ifndef WEFT_CORE_INSPECT_CFI_H
#define WEFT_CORE_INSPECT_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "core/inspect/frame.h"
#include "core/inspect/modules.h"

enum { WEFT__CFI_ROOM = 1024 };

enum weft__cfi_kind {
    WEFT__CFI_SAME, /* as it is in the frame */
    WEFT__CFI_UNDEFINED,
    WEFT__CFI_OFFSET,         /* saved at CFA + value */
    WEFT__CFI_VAL_OFFSET,     /* is CFA + value */
    WEFT__CFI_REGISTER,       /* is in register `value` */
    WEFT__CFI_EXPRESSION,     /* saved at what the expression gives */
    WEFT__CFI_VAL_EXPRESSION, /* is what it gives */
};

struct weft__cfi_rule {
    enum weft__cfi_kind kind;
    int64_t value;             /* of an expression: its length */
    const unsigned char *code; /* within `bytes` or `common` */
};

/** Where the caller's registers are. The CFA is where the stack ended before the call. */
struct weft__cfi_row {
    struct weft__cfi_rule cfa; /* REGISTER: register `cfa_reg` + value; or VAL_EXPRESSION */
    uint64_t cfa_reg;
    struct weft__cfi_rule regs[WEFT__REGS];
};

struct weft__cfi {
    uintptr_t begin, end; /* the function, or the part of it that lies apart */
    bool is_signal;       /* the kernel made this frame: what it returns to was not called */
    uint64_t ra;          /* the register of the return address */
    struct weft__cfi_row row;
    unsigned char bytes[WEFT__CFI_ROOM], common[WEFT__CFI_ROOM];
};

/** The row for the instruction at `pc`; false: there is none. Large: not for a small stack. */
bool weft__cfi_find(const struct weft__modules *modules, uintptr_t pc, struct weft__cfi *ret);

/** False: it depends on a register that is not known. */
bool weft__cfi_cfa(const struct weft__cfi *cfi, const struct weft__regs *regs,
                   const struct weft__memory *memory, uint64_t *ret);

/** From the registers of the frame to those of its caller. False: it has none, or the stack cannot be read;
 * `regs` is as it was. */
bool weft__cfi_step(const struct weft__cfi *cfi, uint64_t cfa, const struct weft__memory *memory,
                    struct weft__regs *regs);

#endif
