/* SPDX-License-Identifier: MIT */
/*
 * What unwinding is about: registers of a frame, numbered as DWARF does, and the stack as it was at one
 * moment. See core/inspect/unwind.c.
 */
#ifndef WEFT_CORE_INSPECT_FRAME_H
#define WEFT_CORE_INSPECT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is not listed here is not unwound: only the innermost frame is told. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define WEFT__UNWINDS 1
enum { WEFT__FP = 6, WEFT__SP = 7, WEFT__PC = 16, WEFT__REGS = 17 };
#elif defined(__aarch64__) && !defined(__ILP32__)
#define WEFT__UNWINDS 1
enum { WEFT__FP = 29, WEFT__SP = 31, WEFT__PC = 32, WEFT__REGS = 33 };
#else
#define WEFT__UNWINDS 0
enum { WEFT__FP, WEFT__SP, WEFT__PC, WEFT__REGS };
#endif

struct weft__regs {
    uint64_t value[WEFT__REGS];
    uint64_t known; /* a bit for each */
};

static inline bool weft__regs_know(const struct weft__regs *regs, uint64_t reg)
{
    return reg < WEFT__REGS && (regs->known >> reg & 1);
}

static inline void weft__regs_set(struct weft__regs *regs, unsigned reg, uint64_t value)
{
    regs->value[reg] = value;
    regs->known |= UINT64_C(1) << reg;
}

static inline void weft__regs_forget(struct weft__regs *regs, unsigned reg)
{
    regs->known &= ~(UINT64_C(1) << reg);
}

/* Below the stack pointer, and kept by signals all the same: a function that is being left has restored its caller's
 * registers, and what says where they were saved does not know of it. */
enum { WEFT__RED_ZONE = 128 };

/** The stack from its end on, with its red zone; what is not in the copy is read where it is. */
struct weft__memory {
    uint64_t from;
    size_t size;
    const unsigned char *copy;
};

/** False: there is nothing that can be read. */
bool weft__memory_word(const struct weft__memory *memory, uint64_t at, uint64_t *ret);

#endif
