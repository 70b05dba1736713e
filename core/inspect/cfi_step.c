/* SPDX-License-Identifier: MIT */
/*
 * From a frame to its caller, by a row of call frame information (core/inspect/cfi.c).
 *
 * Most rules say that a register was saved at some distance from the CFA, or is as it was. Some, of stubs of the
 * linker and of signals' frames, are expressions: little programs for a machine with a stack, of which
 * what compilers and C libraries write is understood. A register that is not known makes what depends on it unknown; only
 * without the return address there is no caller.
 */
#include "core/inspect/cfi.h"
#include "core/inspect/record.h"

enum { MOST_VALUES = 32, MOST_OPERATIONS = 256 };

/* ---- Expressions ---- */

struct stack {
    uint64_t value[MOST_VALUES];
    size_t count;
    bool is_bad;
};

static void push(struct stack *stack, uint64_t value)
{
    if (stack->count < MOST_VALUES)
        stack->value[stack->count++] = value;
    else
        stack->is_bad = true;
}

static uint64_t pop(struct stack *stack)
{
    if (stack->count > 0)
        return stack->value[--stack->count];
    stack->is_bad = true;
    return 0;
}

static void push_register(struct stack *stack, const struct weft__regs *regs, uint64_t reg,
                          int64_t offset)
{
    if (!weft__regs_know(regs, reg))
        stack->is_bad = true;
    else
        push(stack, regs->value[reg] + (uint64_t)offset);
}

/* DW_OP_const1u … const8s, constu, consts: 0x08 to 0x11 */
static uint64_t constant(struct weft__record *bytes, unsigned code)
{
    if (code == 0x10)
        return weft__record_take_uleb(bytes);
    if (code == 0x11)
        return (uint64_t)weft__record_take_sleb(bytes);
    size_t size = (size_t)1 << ((code - 0x08) / 2);
    return code % 2 ? (uint64_t)weft__record_take_signed(bytes, size)
                    : weft__record_take(bytes, size);
}

static void calculate(struct stack *stack, unsigned code)
{
    uint64_t right = pop(stack), left = pop(stack);
    switch (code) {
    case 0x1a:
        push(stack, left & right);
        break;
    case 0x1c:
        push(stack, left - right);
        break;
    case 0x1e:
        push(stack, left * right);
        break;
    case 0x21:
        push(stack, left | right);
        break;
    case 0x22:
        push(stack, left + right);
        break;
    case 0x24:
        push(stack, right < 64 ? left << right : 0);
        break;
    case 0x25:
        push(stack, right < 64 ? left >> right : 0);
        break;
    case 0x27:
        push(stack, left ^ right);
        break;
    case 0x29:
        push(stack, left == right);
        break;
    case 0x2a:
        push(stack, (int64_t)left >= (int64_t)right);
        break;
    case 0x2b:
        push(stack, (int64_t)left > (int64_t)right);
        break;
    case 0x2c:
        push(stack, (int64_t)left <= (int64_t)right);
        break;
    case 0x2d:
        push(stack, (int64_t)left < (int64_t)right);
        break;
    case 0x2e:
        push(stack, left != right);
        break;
    default:
        stack->is_bad = true;
    }
}

static void dereference(struct stack *stack, const struct weft__memory *memory)
{
    uint64_t value;
    if (weft__memory_word(memory, pop(stack), &value))
        push(stack, value);
    else
        stack->is_bad = true;
}

static void evaluate_one(struct stack *stack, struct weft__record *bytes,
                         const struct weft__regs *regs, const struct weft__memory *memory)
{
    unsigned code = (unsigned)weft__record_take(bytes, 1);
    uint64_t reg;
    if (code >= 0x30 && code <= 0x4f) { /* lit */
        push(stack, code - 0x30);
    } else if (code >= 0x70 && code <= 0x8f) { /* breg */
        push_register(stack, regs, code - 0x70, weft__record_take_sleb(bytes));
    } else if (code >= 0x08 && code <= 0x11) {
        push(stack, constant(bytes, code));
    } else if (code == 0x92) { /* bregx */
        reg = weft__record_take_uleb(bytes);
        push_register(stack, regs, reg, weft__record_take_sleb(bytes));
    } else if (code == 0x06) {
        dereference(stack, memory);
    } else if (code == 0x12) { /* dup */
        uint64_t top = pop(stack);
        push(stack, top);
        push(stack, top);
    } else if (code == 0x23) { /* plus_uconst */
        push(stack, pop(stack) + weft__record_take_uleb(bytes));
    } else if (code != 0x96) { /* nop */
        calculate(stack, code);
    }
}

/* What compilers and C libraries write in these; not jumps, for one. */
static bool evaluate(const struct weft__cfi_rule *rule, const uint64_t *cfa,
                     const struct weft__regs *regs, const struct weft__memory *memory,
                     uint64_t *ret)
{
    struct stack stack = {.count = 0};
    struct weft__record bytes = weft__record_of(rule->code, (size_t)rule->value, 0);
    if (cfa)
        push(&stack, *cfa);
    for (int i = 0; i < MOST_OPERATIONS && !weft__record_is_over(&bytes) && !stack.is_bad; i++)
        evaluate_one(&stack, &bytes, regs, memory);
    *ret = pop(&stack);
    return !stack.is_bad && !bytes.is_bad;
}

/* ---- A step ---- */

bool weft__cfi_cfa(const struct weft__cfi *cfi, const struct weft__regs *regs,
                   const struct weft__memory *memory, uint64_t *ret)
{
    const struct weft__cfi_rule *rule = &cfi->row.cfa;
    if (rule->kind == WEFT__CFI_VAL_EXPRESSION)
        return evaluate(rule, NULL, regs, memory, ret);
    if (rule->kind != WEFT__CFI_REGISTER || !weft__regs_know(regs, cfi->row.cfa_reg))
        return false;
    *ret = regs->value[cfi->row.cfa_reg] + (uint64_t)rule->value;
    return true;
}

/* The caller's value of a register; false: it is not known. */
static bool recover(const struct weft__cfi_rule *rule, unsigned reg, uint64_t cfa,
                    const struct weft__memory *memory, const struct weft__regs *regs, uint64_t *ret)
{
    uint64_t at, from = rule->kind == WEFT__CFI_REGISTER ? (uint64_t)rule->value : reg;
    switch (rule->kind) {
    case WEFT__CFI_SAME:
    case WEFT__CFI_REGISTER:
        if (!weft__regs_know(regs, from))
            return false;
        *ret = regs->value[from];
        return true;
    case WEFT__CFI_OFFSET:
        return weft__memory_word(memory, cfa + (uint64_t)rule->value, ret);
    case WEFT__CFI_VAL_OFFSET:
        *ret = cfa + (uint64_t)rule->value;
        return true;
    case WEFT__CFI_EXPRESSION:
        return evaluate(rule, &cfa, regs, memory, &at) && weft__memory_word(memory, at, ret);
    case WEFT__CFI_VAL_EXPRESSION:
        return evaluate(rule, &cfa, regs, memory, ret);
    case WEFT__CFI_UNDEFINED:
        break;
    }
    return false;
}

/* Without the signature that aarch64 may put into the bits that no address of a program has. */
static uint64_t strip(uint64_t pc)
{
#ifdef __aarch64__
    return pc & UINT64_C(0x0000ffffffffffff);
#else
    return pc;
#endif
}

bool weft__cfi_step(const struct weft__cfi *cfi, uint64_t cfa, const struct weft__memory *memory,
                    struct weft__regs *regs)
{
    struct weft__regs caller = {.known = 0};
    uint64_t value;
    for (unsigned reg = 0; reg < WEFT__REGS; reg++)
        if (recover(&cfi->row.regs[reg], reg, cfa, memory, regs, &value))
            weft__regs_set(&caller, reg, value);
    if (!weft__regs_know(&caller, cfi->ra) || caller.value[cfi->ra] == 0)
        return false;
    weft__regs_set(&caller, WEFT__PC, strip(caller.value[cfi->ra]));
    if (cfi->row.regs[WEFT__SP].kind == WEFT__CFI_SAME)
        weft__regs_set(&caller, WEFT__SP, cfa);
    *regs = caller;
    return true;
}
