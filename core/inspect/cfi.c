/* SPDX-License-Identifier: MIT */
/*
 * Call frame information: what the compiler says of each instruction, where the caller's registers are saved.
 *
 * It is in .eh_frame, which is loaded with the program on x86-64 and aarch64 whether or not that was built with debugging
 * information, and stripped or not; .eh_frame_hdr has a sorted table to it. The record of a function (FDE)
 * holds a program of a few bytes, and shares its beginning (CIE) with others. Running both up to an
 * instruction gives the row of that instruction: the rule for the CFA, and one for each register. The
 * format is DWARF's, chapter 6.4, with what the Linux Standard Base changes in it.
 *
 * All is read by weft__peek(), as the library may be unloaded meanwhile; records longer than
 * WEFT__CFI_ROOM are run as far as they were read. What is malformed ends in "there is no row".
 */
#include "core/inspect/cfi.h"

#include <string.h>

#include "core/inspect/peek.h"

enum { MOST_REMEMBERED = 4, MOST_VALUES = 32, MOST_OPERATIONS = 256, ABSOLUTE = 0 };

/* ---- Bytes ---- */

struct bytes {
    const unsigned char *at, *end, *begin;
    uint64_t address; /* of what was copied to `begin` */
    bool is_bad;      /* it ended early */
};

static struct bytes bytes_of(const unsigned char *begin, size_t size, uint64_t address)
{
    return (struct bytes){.at = begin, .end = begin + size, .address = address, .begin = begin};
}

static bool is_at_end(const struct bytes *bytes)
{
    return bytes->is_bad || bytes->at >= bytes->end;
}

static uint64_t take(struct bytes *bytes, size_t size)
{
    uint64_t value = 0;
    if ((size_t)(bytes->end - bytes->at) < size) {
        bytes->is_bad = true;
        return 0;
    }
    memcpy(&value, bytes->at, size); /* both machines are little-endian */
    bytes->at += size;
    return value;
}

static int64_t take_signed(struct bytes *bytes, size_t size)
{
    unsigned unused = 64 - 8 * (unsigned)size;
    return (int64_t)(take(bytes, size) << unused) >> unused;
}

static uint64_t take_uleb(struct bytes *bytes)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = take(bytes, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

static int64_t take_sleb(struct bytes *bytes)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = take(bytes, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && (byte & 0x40))
        value |= UINT64_MAX << shift;
    return (int64_t)value;
}

/* A part of them that has its length in front. */
static struct bytes take_block(struct bytes *bytes)
{
    uint64_t len = take_uleb(bytes);
    if (len > (uint64_t)(bytes->end - bytes->at))
        len = (uint64_t)(bytes->end - bytes->at);
    struct bytes block = *bytes;
    block.end = bytes->at + len;
    bytes->at += len;
    return block;
}

/* A pointer, encoded as a DW_EH_PE_… says. */
static uint64_t take_pointer(struct bytes *bytes, unsigned encoding)
{
    uint64_t here = bytes->address + (uint64_t)(bytes->at - bytes->begin), value;
    switch (encoding & 0x0f) {
    case 0x01:
        value = take_uleb(bytes);
        break;
    case 0x02:
        value = take(bytes, 2);
        break;
    case 0x03:
        value = take(bytes, 4);
        break;
    case 0x09:
        value = (uint64_t)take_sleb(bytes);
        break;
    case 0x0a:
        value = (uint64_t)take_signed(bytes, 2);
        break;
    case 0x0b:
        value = (uint64_t)take_signed(bytes, 4);
        break;
    default: /* 0x00, 0x04, 0x0c */
        value = take(bytes, 8);
    }
    return (encoding & 0x70) == 0x10 ? value + here : value;
}

/* ---- The table ---- */

/* Where the record is that begins last before `pc`; 0: none. */
static uintptr_t look_up(uintptr_t header, uintptr_t pc)
{
    struct {
        unsigned char version, pointer_encoding, count_encoding, table_encoding;
        int32_t frames;
        uint32_t count;
    } head;
    struct {
        int32_t begin, record;
    } entry;
    /* All linkers write it so: relative to the table, 4 bytes, sorted. */
    if (!weft__peek(&head, weft__address(header), sizeof(head)) || head.version != 1 ||
        head.count_encoding != 0x03 || head.table_encoding != 0x3b)
        return 0;
    uintptr_t table = header + sizeof(head), found = 0;
    for (size_t low = 0, high = head.count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (!weft__peek(&entry, weft__address(table + middle * sizeof(entry)), sizeof(entry)))
            return 0;
        if (header + (uintptr_t)(intptr_t)entry.begin > pc) {
            high = middle;
        } else {
            found = header + (uintptr_t)(intptr_t)entry.record;
            low = middle + 1;
        }
    }
    return found;
}

/* The record at `address`, without its length; false: there is none. */
static bool read_record(uintptr_t address, unsigned char *room, struct bytes *ret)
{
    uint32_t len;
    if (!weft__peek(&len, weft__address(address), sizeof(len)) || len < 4 || len >= 0xfffffff0)
        return false;
    size_t size = len < WEFT__CFI_ROOM ? len : WEFT__CFI_ROOM;
    *ret = bytes_of(room, size, address + sizeof(len));
    return weft__peek(room, weft__address(address + sizeof(len)), size);
}

/* ---- What several functions have in common ---- */

struct common {
    uint64_t code_align, ra;
    int64_t data_align;
    unsigned encoding; /* of pointers */
    bool has_length, is_signal;
    struct bytes program;
};

/* "zPLRSB": each letter but the first and S, B has data of its own, in their order. */
static void read_augmentation(struct bytes *bytes, const char *letters, struct common *ret)
{
    struct bytes data = take_block(bytes);
    for (const char *at = letters + 1; *at; at++) {
        if (*at == 'R')
            ret->encoding = (unsigned)take(&data, 1);
        else if (*at == 'P')
            (void)take_pointer(&data, (unsigned)take(&data, 1));
        else if (*at == 'L')
            (void)take(&data, 1);
        else if (*at == 'S')
            ret->is_signal = true;
    }
}

static bool read_common(struct bytes bytes, struct common *ret)
{
    *ret = (struct common){.encoding = ABSOLUTE};
    uint64_t id = take(&bytes, 4), version = take(&bytes, 1);
    const char *letters = (const char *)bytes.at;
    while (take(&bytes, 1) != 0 && !bytes.is_bad)
        ;
    if (bytes.is_bad || id != 0 || (version != 1 && version != 3) ||
        (letters[0] && letters[0] != 'z'))
        return false;
    ret->code_align = take_uleb(&bytes);
    ret->data_align = take_sleb(&bytes);
    ret->ra = version == 1 ? take(&bytes, 1) : take_uleb(&bytes);
    ret->has_length = letters[0] == 'z';
    if (ret->has_length)
        read_augmentation(&bytes, letters, ret);
    ret->program = bytes;
    return !bytes.is_bad && ret->ra < WEFT__REGS;
}

/* ---- The program ---- */

struct machine {
    const struct common *common;
    struct weft__cfi_row row, initial, remembered[MOST_REMEMBERED];
    size_t depth;
    uint64_t location, pc;
};

static void set_rule(struct machine *machine, uint64_t reg, enum weft__cfi_kind kind, int64_t value)
{
    if (reg < WEFT__REGS)
        machine->row.regs[reg] = (struct weft__cfi_rule){.kind = kind, .value = value};
}

static void set_expression(struct machine *machine, uint64_t reg, enum weft__cfi_kind kind,
                           struct bytes *bytes)
{
    struct bytes block = take_block(bytes);
    if (reg < WEFT__REGS)
        machine->row.regs[reg] =
            (struct weft__cfi_rule){.kind = kind, .value = block.end - block.at, .code = block.at};
}

static void set_cfa(struct machine *machine, uint64_t reg, int64_t offset)
{
    machine->row.cfa = (struct weft__cfi_rule){.kind = WEFT__CFI_REGISTER, .value = offset};
    machine->row.cfa_reg = reg;
}

static void restore(struct machine *machine, uint64_t reg)
{
    if (reg < WEFT__REGS)
        machine->row.regs[reg] = machine->initial.regs[reg];
}

static void remember(struct machine *machine, struct bytes *bytes)
{
    if (machine->depth < MOST_REMEMBERED)
        machine->remembered[machine->depth++] = machine->row;
    else
        bytes->is_bad = true;
}

/* The rule for the CFA as well: that is how compilers mean it. */
static void restore_all(struct machine *machine, struct bytes *bytes)
{
    if (machine->depth > 0)
        machine->row = machine->remembered[--machine->depth];
    else
        bytes->is_bad = true;
}

/* DW_CFA_def_cfa… */
static void run_cfa(struct machine *machine, struct bytes *bytes, unsigned code)
{
    int64_t align = machine->common->data_align, old = machine->row.cfa.value;
    uint64_t reg = machine->row.cfa_reg;
    switch (code) {
    case 0x0c: /* def_cfa */
        reg = take_uleb(bytes);
        set_cfa(machine, reg, (int64_t)take_uleb(bytes));
        break;
    case 0x0d: /* def_cfa_register */
        set_cfa(machine, take_uleb(bytes), old);
        break;
    case 0x0e: /* def_cfa_offset */
        set_cfa(machine, reg, (int64_t)take_uleb(bytes));
        break;
    case 0x12: /* def_cfa_sf */
        reg = take_uleb(bytes);
        set_cfa(machine, reg, take_sleb(bytes) * align);
        break;
    case 0x13: /* def_cfa_offset_sf */
        set_cfa(machine, reg, take_sleb(bytes) * align);
        break;
    default: { /* def_cfa_expression */
        struct bytes block = take_block(bytes);
        machine->row.cfa = (struct weft__cfi_rule){
            .kind = WEFT__CFI_VAL_EXPRESSION, .value = block.end - block.at, .code = block.at};
    }
    }
}

/* DW_CFA_… of one register */
static void run_register(struct machine *machine, struct bytes *bytes, unsigned code)
{
    int64_t align = machine->common->data_align;
    uint64_t reg = take_uleb(bytes);
    switch (code) {
    case 0x05: /* offset_extended */
        set_rule(machine, reg, WEFT__CFI_OFFSET, (int64_t)take_uleb(bytes) * align);
        break;
    case 0x06: /* restore_extended */
        restore(machine, reg);
        break;
    case 0x07: /* undefined */
        set_rule(machine, reg, WEFT__CFI_UNDEFINED, 0);
        break;
    case 0x08: /* same_value */
        set_rule(machine, reg, WEFT__CFI_SAME, 0);
        break;
    case 0x09: /* register */
        set_rule(machine, reg, WEFT__CFI_REGISTER, (int64_t)take_uleb(bytes));
        break;
    case 0x10: /* expression */
        set_expression(machine, reg, WEFT__CFI_EXPRESSION, bytes);
        break;
    case 0x11: /* offset_extended_sf */
        set_rule(machine, reg, WEFT__CFI_OFFSET, take_sleb(bytes) * align);
        break;
    case 0x14: /* val_offset */
        set_rule(machine, reg, WEFT__CFI_VAL_OFFSET, (int64_t)take_uleb(bytes) * align);
        break;
    case 0x15: /* val_offset_sf */
        set_rule(machine, reg, WEFT__CFI_VAL_OFFSET, take_sleb(bytes) * align);
        break;
    default: /* 0x16, val_expression */
        set_expression(machine, reg, WEFT__CFI_VAL_EXPRESSION, bytes);
    }
}

static void advance(struct machine *machine, uint64_t count)
{
    machine->location += count * machine->common->code_align;
}

static void run_one(struct machine *machine, struct bytes *bytes)
{
    unsigned code = (unsigned)take(bytes, 1), low = code & 0x3f;
    switch (code & 0xc0) {
    case 0x40: /* advance_loc */
        advance(machine, low);
        return;
    case 0x80: /* offset */
        set_rule(machine, low, WEFT__CFI_OFFSET,
                 (int64_t)take_uleb(bytes) * machine->common->data_align);
        return;
    case 0xc0: /* restore */
        restore(machine, low);
        return;
    default:
        break;
    }
    switch (code) {
    case 0x00: /* nop */
    case 0x2d: /* AARCH64_negate_ra_state: what is signed is stripped anyway */
        break;
    case 0x01: /* set_loc */
        machine->location = take_pointer(bytes, machine->common->encoding);
        break;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        advance(machine, take(bytes, (size_t)1 << (code - 2)));
        break;
    case 0x0a:
        remember(machine, bytes);
        break;
    case 0x0b:
        restore_all(machine, bytes);
        break;
    case 0x0c:
    case 0x0d:
    case 0x0e:
    case 0x0f:
    case 0x12:
    case 0x13:
        run_cfa(machine, bytes, code);
        break;
    case 0x2e: /* GNU_args_size */
        (void)take_uleb(bytes);
        break;
    default:
        if ((code >= 0x05 && code <= 0x11) || (code >= 0x14 && code <= 0x16))
            run_register(machine, bytes, code);
        else
            bytes->is_bad = true;
    }
}

/* Up to the instruction at `pc`. */
static bool run(struct machine *machine, struct bytes program)
{
    while (!is_at_end(&program)) {
        struct weft__cfi_row before = machine->row;
        run_one(machine, &program);
        if (machine->location > machine->pc) {
            machine->row = before;
            break;
        }
    }
    return !program.is_bad;
}

bool weft__cfi_find(const struct weft__modules *modules, uintptr_t pc, struct weft__cfi *ret)
{
    const struct weft__module *module = weft__modules_find(modules, pc);
    uintptr_t record = module && module->frames ? look_up(module->frames, pc) : 0;
    struct bytes bytes, shared;
    struct common common;
    if (!record || !read_record(record, ret->bytes, &bytes))
        return false;
    uint64_t back = take(&bytes, 4); /* from here to the CIE */
    if (!read_record(record + 4 - (uintptr_t)back, ret->common, &shared) ||
        !read_common(shared, &common))
        return false;
    ret->begin = (uintptr_t)take_pointer(&bytes, common.encoding);
    ret->end = ret->begin + (uintptr_t)take_pointer(&bytes, common.encoding & 0x0f);
    if (pc < ret->begin || pc >= ret->end)
        return false;
    if (common.has_length)
        (void)take_block(&bytes);
    ret->is_signal = common.is_signal;
    ret->ra = common.ra;
    struct machine machine = {.common = &common, .location = ret->begin, .pc = pc};
    if (!run(&machine, common.program))
        return false;
    machine.initial = machine.row;
    machine.location = ret->begin;
    if (!run(&machine, bytes))
        return false;
    ret->row = machine.row;
    return true;
}

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
static uint64_t constant(struct bytes *bytes, unsigned code)
{
    if (code == 0x10)
        return take_uleb(bytes);
    if (code == 0x11)
        return (uint64_t)take_sleb(bytes);
    size_t size = (size_t)1 << ((code - 0x08) / 2);
    return code % 2 ? (uint64_t)take_signed(bytes, size) : take(bytes, size);
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

static void evaluate_one(struct stack *stack, struct bytes *bytes, const struct weft__regs *regs,
                         const struct weft__memory *memory)
{
    unsigned code = (unsigned)take(bytes, 1);
    uint64_t reg;
    if (code >= 0x30 && code <= 0x4f) { /* lit */
        push(stack, code - 0x30);
    } else if (code >= 0x70 && code <= 0x8f) { /* breg */
        push_register(stack, regs, code - 0x70, take_sleb(bytes));
    } else if (code >= 0x08 && code <= 0x11) {
        push(stack, constant(bytes, code));
    } else if (code == 0x92) { /* bregx */
        reg = take_uleb(bytes);
        push_register(stack, regs, reg, take_sleb(bytes));
    } else if (code == 0x06) {
        dereference(stack, memory);
    } else if (code == 0x12) { /* dup */
        uint64_t top = pop(stack);
        push(stack, top);
        push(stack, top);
    } else if (code == 0x23) { /* plus_uconst */
        push(stack, pop(stack) + take_uleb(bytes));
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
    struct bytes bytes = bytes_of(rule->code, (size_t)rule->value, 0);
    if (cfa)
        push(&stack, *cfa);
    for (int i = 0; i < MOST_OPERATIONS && !is_at_end(&bytes) && !stack.is_bad; i++)
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
