/* SPDX-License-Identifier: MIT */
/*
 * From the innermost frame to the outermost: by call frame information where that can be computed, by
 * the chain of frame pointers where there is none, by a scan where a register is missing (see
 * core/inspect/cfi.c and scan.c). The information is used again as soon as a scan has found where the
 * frame is: it says which registers of the caller were saved there, and so the frame pointer is known from
 * then on.
 *
 * It ends where the information says that there is no caller (as of a thread's first function), where
 * the stack would not go up, or where nothing can be found.
 */
#include "core/inspect/unwind.h"

#include <string.h>

#include "core/inspect/peek.h"
#include "core/inspect/scan.h"

enum { WORD = 8 };

bool weft__memory_word(const struct weft__memory *memory, uint64_t at, uint64_t *ret)
{
    uint64_t offset = at - memory->from;
    if (at % WORD)
        return false;
    if (offset >= memory->size || memory->size - offset < WORD)
        return weft__peek(ret, weft__address(at), WORD);
    memcpy(ret, memory->copy + offset, WORD);
    return true;
}

/* The caller's registers, of a frame of which only the CFA is known. */
static bool step_plainly(const struct weft__memory *memory, uint64_t cfa, struct weft__regs *regs)
{
    uint64_t pc, fp;
    if (!weft__memory_word(memory, cfa - WORD, &pc) ||
        !weft__memory_word(memory, cfa - 2 * WORD, &fp))
        return false;
    *regs = (struct weft__regs){.known = 0};
    weft__regs_set(regs, WEFT__PC, pc);
    weft__regs_set(regs, WEFT__SP, cfa);
    if (fp >= cfa)
        weft__regs_set(regs, WEFT__FP, fp);
    return true;
}

/* The frame pointer leads to a return address. */
static bool cfa_by_frame_pointer(const struct weft__scan *scan, const struct weft__regs *regs,
                                 uint64_t *ret)
{
    uint64_t pc;
    if (!weft__regs_know(regs, WEFT__FP) || regs->value[WEFT__FP] < regs->value[WEFT__SP])
        return false;
    *ret = regs->value[WEFT__FP] + 2 * WORD;
    return weft__memory_word(scan->memory, *ret - WORD, &pc) && weft__scan_is_return(scan, pc);
}

/* To the caller of the function that `pc` is in. */
static bool step(struct weft__unwind *unwind, const struct weft__scan *scan, uintptr_t pc,
                 struct weft__regs *regs, bool *is_guess)
{
    uint64_t cfa, sp = regs->value[WEFT__SP];
    struct weft__cfi *cfi = &unwind->cfi;
    bool has_cfi = weft__cfi_find(scan->modules, pc, cfi);
    if (has_cfi && weft__cfi_cfa(cfi, regs, scan->memory, &cfa))
        return weft__cfi_step(cfi, cfa, scan->memory, regs);
    *is_guess |= !has_cfi;
    if (!has_cfi && cfa_by_frame_pointer(scan, regs, &cfa))
        return step_plainly(scan->memory, cfa, regs);
    if (!weft__scan_frame(scan, sp, has_cfi ? cfi : NULL, &cfa, is_guess))
        return false;
    return has_cfi ? weft__cfi_step(cfi, cfa, scan->memory, regs)
                   : step_plainly(scan->memory, cfa, regs);
}

void weft__unwind(struct weft__unwind *unwind, const struct weft__modules *modules,
                  const struct weft__memory *memory, struct weft__regs regs,
                  struct weft__stack *ret)
{
    struct weft__scan scan = {.modules = modules, .memory = memory, .work = &unwind->other};
    bool was_called = false; /* the program counter is behind a call */
    *ret = (struct weft__stack){.count = 0};
    while (ret->count < WEFT__STACK_FRAMES) {
        uint64_t sp = regs.value[WEFT__SP];
        uintptr_t pc = (uintptr_t)regs.value[WEFT__PC] - was_called;
        unwind->cfi.is_signal = false;
        ret->pc[ret->count++] = pc;
        if (!WEFT__UNWINDS || !step(unwind, &scan, pc, &regs, &ret->is_guess))
            break;
        was_called = !unwind->cfi.is_signal;
        if (regs.value[WEFT__SP] < sp && was_called)
            break;
    }
}
