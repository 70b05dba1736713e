/* SPDX-License-Identifier: MIT */
/*
 * A frame looked for on the stack.
 *
 * Of a parked thread only the program counter and the stack pointer are known. A function that was built
 * without optimization finds its frame by the frame pointer, which is not. But it has pushed the
 * caller's one right below its return address, and that can be found:
 *
 *   1. The function's first instructions tell how far it lowers the stack. If the word there is
 *      the address behind a call, that is it. (Unless it made room while it ran, by alloca().)
 *   2. Else the first address behind a call to this very function: direct, or by a stub of the
 *      linker. If the caller has a frame pointer, the word below must lead to another frame.
 *   3. Else the first one behind a call by a pointer whose caller has a frame pointer, and the word
 *      below leads to another frame: a guess.
 *   4. Else the first one at all: a guess.
 *
 * An address left over from a call that has returned can be taken for one that has not by the last two
 * only.
 */
#include "core/inspect/scan.h"

#include <string.h>

#include "core/inspect/peek.h"

enum {
    MOST_BYTES = 1 << 16, /* that are looked through */
    MOST_FRAME = 1 << 20, /* a frame pointer leads no further */
    MOST_STUBS = 4,
    WORD = 8,
    FRAME_ALIGN = 16, /* of the stack at a call */
};

static bool is_code(const struct weft__scan *scan, uint64_t address)
{
    return weft__modules_find(scan->modules, (uintptr_t)address) != NULL;
}

#if WEFT__UNWINDS
static bool read_code(uint64_t address, void *to, size_t size)
{
    return weft__peek(to, weft__address(address), size);
}
#endif

#if defined(__x86_64__)

enum { LONGEST_CALL = 8, PROLOGUE = 64 };

static int32_t displacement(const unsigned char *at)
{
    int32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* The length of the `call` by a pointer that begins here; 0: there is none. */
static size_t call_len(const unsigned char *at)
{
    size_t len = (*at & 0xf0) == 0x40 ? 1 : 0; /* REX */
    if (at[len] != 0xff || (at[len + 1] >> 3 & 7) != 2)
        return 0;
    unsigned mode = at[len + 1] >> 6, operand = at[len + 1] & 7;
    len += 2;
    if (mode == 3)
        return len;
    if (operand == 4)
        len++; /* SIB */
    return len + (mode == 1 ? 1 : mode == 2 || operand == 5 ? 4 : 0);
}

/* What the call in front of `address` calls; 0: by a pointer that is not known. False: no call. */
static bool call_before(uint64_t address, uint64_t *ret_target)
{
    unsigned char bytes[LONGEST_CALL];
    *ret_target = 0;
    if (!read_code(address - LONGEST_CALL, bytes, sizeof(bytes)))
        return false;
    const unsigned char *end = bytes + LONGEST_CALL;
    if (end[-5] == 0xe8) {
        *ret_target = address + (uint64_t)(int64_t)displacement(end - 4);
        return true;
    }
    if (end[-6] == 0xff &&
        end[-5] == 0x15) { /* by a pointer at a fixed place, as -fno-plt has it */
        uint64_t at = address + (uint64_t)(int64_t)displacement(end - 4);
        return read_code(at, ret_target, sizeof(*ret_target));
    }
    for (size_t len = 2; len <= LONGEST_CALL; len++)
        if (call_len(end - len) == len)
            return true;
    return false;
}

/* Where a jump at `address` leads, of a stub or a trampoline; 0: it is none. */
static uint64_t jump_at(uint64_t address)
{
    static const unsigned char endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
    unsigned char bytes[12];
    uint64_t target = 0;
    if (!read_code(address, bytes, sizeof(bytes)))
        return 0;
    size_t at = memcmp(bytes, endbr, sizeof(endbr)) == 0 ? sizeof(endbr) : 0;
    at += bytes[at] == 0xf2; /* bnd */
    if (bytes[at] == 0xe9)
        return address + at + 5 + (uint64_t)(int64_t)displacement(bytes + at + 1);
    if (bytes[at] == 0xff && bytes[at + 1] == 0x25)
        (void)read_code(address + at + 6 + (uint64_t)(int64_t)displacement(bytes + at + 2), &target,
                        sizeof(target));
    return target;
}

/*
 * push %rbp; mov %rsp,%rbp; push …; [and $-N,%rsp]; sub $N,%rsp, with what the compiler has put in between
 *
 * How far from the stack pointer the CFA is, `saved` bytes of it for registers; up to `*ret_slack` further if the
 * stack was aligned. 0: the function does not begin so. What looks like one of these instructions need not
 * be it: the caller sees whether there is a return address.
 */
static uint64_t frame_size(const struct weft__cfi *cfi, uint64_t saved, uint64_t *ret_slack)
{
    static const unsigned char set_up[] = {0x55, 0x48, 0x89, 0xe5},
                               endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
    unsigned char code[PROLOGUE + WORD] = {0};
    const unsigned char *at = code, *end = code + PROLOGUE;
    *ret_slack = 0;
    if (!read_code(cfi->begin, code, PROLOGUE))
        return 0;
    if (cfi->end - cfi->begin < PROLOGUE)
        end = code + (cfi->end - cfi->begin);
    at += memcmp(at, endbr, sizeof(endbr)) == 0 ? sizeof(endbr) : 0;
    if (memcmp(at, set_up, sizeof(set_up)) != 0)
        return 0;
    for (at += sizeof(set_up); at < end; at++) {
        if (at[0] != 0x48 || (at[1] & 0xfd) != 0x81)
            continue;
        if (at[1] == 0x83 && at[2] == 0xe4) /* and */
            *ret_slack = (uint64_t)(0x100 - at[3]);
        if (at[1] == 0x83 && at[2] == 0xc4 && at[3] >= 0x80) /* add $-128, which is shorter */
            return saved + 0x100 - at[3];
        if (at[2] == 0xec) /* sub */
            return saved + (at[1] == 0x83 ? at[3] : (uint64_t)displacement(at + 3));
    }
    return saved;
}

#elif defined(__aarch64__)

static uint64_t branch_target(uint64_t address, uint32_t code)
{
    return address + (uint64_t)((int64_t)((uint64_t)code << 38) >> 36);
}

static bool call_before(uint64_t address, uint64_t *ret_target)
{
    uint32_t code;
    *ret_target = 0;
    if (address % 4 || !read_code(address - 4, &code, sizeof(code)))
        return false;
    if (code >> 26 == 0x25) { /* bl */
        *ret_target = branch_target(address - 4, code);
        return true;
    }
    return (code & 0xfffffc1f) == 0xd63f0000; /* blr */
}

/* b; or adrp, ldr, add, br: a stub of the linker */
static uint64_t jump_at(uint64_t address)
{
    uint32_t code[3];
    uint64_t target = 0;
    if (!read_code(address, code, sizeof(code)))
        return 0;
    if (code[0] >> 26 == 0x05)
        return branch_target(address, code[0]);
    if ((code[0] & 0x9f00001f) == 0x90000010 && (code[1] & 0xffc003ff) == 0xf9400211) {
        uint64_t pages = (uint64_t)((int64_t)((uint64_t)(code[0] >> 5 & 0x7ffff) << 45) >> 31);
        uint64_t at = (address & ~UINT64_C(0xfff)) + pages + ((uint64_t)(code[0] >> 29 & 3) << 12) +
                      ((code[1] >> 10 & 0xfff) << 3);
        (void)read_code(at, &target, sizeof(target));
    }
    return target;
}

static uint64_t frame_size(const struct weft__cfi *cfi, uint64_t saved, uint64_t *ret_slack)
{
    (void)cfi, (void)saved;
    *ret_slack = 0;
    return 0;
}

#else

static bool call_before(uint64_t address, uint64_t *ret_target)
{
    (void)address;
    *ret_target = 0;
    return false;
}

static uint64_t jump_at(uint64_t address)
{
    (void)address;
    return 0;
}

static uint64_t frame_size(const struct weft__cfi *cfi, uint64_t saved, uint64_t *ret_slack)
{
    (void)cfi, (void)saved;
    *ret_slack = 0;
    return 0;
}

#endif

bool weft__scan_is_return(const struct weft__scan *scan, uint64_t address)
{
    uint64_t target;
    return is_code(scan, address) && call_before(address, &target);
}

/* By way of a stub, too. */
static bool leads_to(uint64_t target, uintptr_t begin)
{
    for (int i = 0; i < MOST_STUBS && target; i++, target = jump_at(target))
        if (target == begin)
            return true;
    return false;
}

/* The word in front of the CFA is an address behind a call, and where that leads. */
static bool is_candidate(const struct weft__scan *scan, uint64_t cfa, uint64_t *ret_pc,
                         uint64_t *ret_target)
{
    return cfa % FRAME_ALIGN == 0 && weft__memory_word(scan->memory, cfa - WORD, ret_pc) &&
           is_code(scan, *ret_pc) && call_before(*ret_pc, ret_target);
}

/* The caller's frame pointer, saved below its return address, leads to a frame. */
static bool is_chained(const struct weft__scan *scan, uint64_t cfa)
{
    uint64_t fp, pc;
    return weft__memory_word(scan->memory, cfa - 2 * WORD, &fp) && fp >= cfa &&
           fp - cfa < MOST_FRAME && fp % FRAME_ALIGN == 0 &&
           weft__memory_word(scan->memory, fp + WORD, &pc) && weft__scan_is_return(scan, pc);
}

static bool uses_frame_pointer(const struct weft__scan *scan, uint64_t pc)
{
    return weft__cfi_find(scan->modules, (uintptr_t)pc - 1, scan->work) &&
           scan->work->row.cfa.kind == WEFT__CFI_REGISTER && scan->work->row.cfa_reg == WEFT__FP;
}

/* How much of the frame is registers, from the CFA down. */
static uint64_t saved_by(const struct weft__cfi *cfi)
{
    int64_t lowest = -2 * WORD;
    for (unsigned reg = 0; reg < WEFT__REGS; reg++) {
        const struct weft__cfi_rule *rule = &cfi->row.regs[reg];
        if (rule->kind == WEFT__CFI_OFFSET && rule->value < lowest)
            lowest = rule->value;
    }
    return (uint64_t)-lowest;
}

/* 1. in the comment above */
static bool find_by_size(const struct weft__scan *scan, uint64_t sp, const struct weft__cfi *cfi,
                         uint64_t *ret_cfa)
{
    uint64_t slack, pc, target, size = frame_size(cfi, saved_by(cfi), &slack);
    for (uint64_t cfa = sp + size; size && cfa <= sp + size + slack; cfa += WORD)
        if (is_candidate(scan, cfa, &pc, &target)) {
            *ret_cfa = cfa;
            return true;
        }
    return false;
}

enum fit { NO_FIT, FITS_AT_ALL, FITS_A_CHAIN, FITS_THE_CALL };

static enum fit fit_of(const struct weft__scan *scan, uint64_t cfa, uintptr_t begin)
{
    uint64_t pc, target;
    if (!is_candidate(scan, cfa, &pc, &target))
        return NO_FIT;
    bool has_fp = uses_frame_pointer(scan, pc);
    if (has_fp && !is_chained(scan, cfa))
        return NO_FIT;
    if (begin && leads_to(target, begin))
        return FITS_THE_CALL;
    return has_fp && !target ? FITS_A_CHAIN : FITS_AT_ALL;
}

bool weft__scan_frame(const struct weft__scan *scan, uint64_t sp, const struct weft__cfi *cfi,
                      uint64_t *ret_cfa, bool *is_guess)
{
    uintptr_t begin = cfi ? cfi->begin : 0;
    if (cfi && find_by_size(scan, sp, cfi, ret_cfa))
        return true;
    enum fit best = NO_FIT;
    uint64_t first = (sp + FRAME_ALIGN) & ~(uint64_t)(FRAME_ALIGN - 1), word;
    for (uint64_t cfa = first; cfa - first < MOST_BYTES && best < FITS_A_CHAIN;
         cfa += FRAME_ALIGN) {
        if (!weft__memory_word(scan->memory, cfa - WORD, &word))
            break;
        enum fit fit = fit_of(scan, cfa, begin);
        if (fit > best) {
            best = fit;
            *ret_cfa = cfa;
        }
    }
    if (best < FITS_THE_CALL)
        *is_guess = true;
    return best > NO_FIT;
}
