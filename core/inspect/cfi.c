/* SPDX-License-Identifier: MIT */
/*
 * Call frame information: what the compiler says of each instruction, where the caller's registers are saved.
 *
 * It is in .eh_frame, which is loaded with the program on x86-64 and aarch64 whether or not that was built with debugging
 * information, and stripped or not; .eh_frame_hdr has a sorted table to it. The record of a function (FDE)
 * holds a program of a few bytes, and shares its beginning (CIE) with others. Running both up to an
 * instruction gives the row of that instruction: the rule for the CFA, and one for each register. (What the row
 * makes of the registers of a frame is in core/inspect/cfi_step.c.) The format is DWARF's, chapter 6.4, with
 * what the Linux Standard Base changes in it.
 *
 * All is read by weft__peek(), as the library may be unloaded meanwhile; records longer than
 * WEFT__CFI_ROOM are run as far as they were read. What is malformed ends in "there is no row".
 */
#include "core/inspect/cfi.h"

#include "core/inspect/peek.h"
#include "core/inspect/record.h"

enum { MOST_REMEMBERED = 4, ABSOLUTE = 0 };

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
static bool read_record(uintptr_t address, unsigned char *room, struct weft__record *ret)
{
    uint32_t len;
    if (!weft__peek(&len, weft__address(address), sizeof(len)) || len < 4 || len >= 0xfffffff0)
        return false;
    size_t size = len < WEFT__CFI_ROOM ? len : WEFT__CFI_ROOM;
    *ret = weft__record_of(room, size, address + sizeof(len));
    return weft__peek(room, weft__address(address + sizeof(len)), size);
}

/* ---- What several functions have in common ---- */

struct common {
    uint64_t code_align, ra;
    int64_t data_align;
    unsigned encoding; /* of pointers */
    bool has_length, is_signal;
    struct weft__record program;
};

/* "zPLRSB": each letter but the first and S, B has data of its own, in their order. */
static void read_augmentation(struct weft__record *bytes, const char *letters, struct common *ret)
{
    struct weft__record data = weft__record_take_block(bytes);
    for (const char *at = letters + 1; *at; at++) {
        if (*at == 'R')
            ret->encoding = (unsigned)weft__record_take(&data, 1);
        else if (*at == 'P')
            (void)weft__record_take_pointer(&data, (unsigned)weft__record_take(&data, 1));
        else if (*at == 'L')
            (void)weft__record_take(&data, 1);
        else if (*at == 'S')
            ret->is_signal = true;
    }
}

static bool read_common(struct weft__record bytes, struct common *ret)
{
    *ret = (struct common){.encoding = ABSOLUTE};
    uint64_t id = weft__record_take(&bytes, 4), version = weft__record_take(&bytes, 1);
    const char *letters = (const char *)bytes.at;
    while (weft__record_take(&bytes, 1) != 0 && !bytes.is_bad)
        ;
    if (bytes.is_bad || id != 0 || (version != 1 && version != 3) ||
        (letters[0] && letters[0] != 'z'))
        return false;
    ret->code_align = weft__record_take_uleb(&bytes);
    ret->data_align = weft__record_take_sleb(&bytes);
    ret->ra = version == 1 ? weft__record_take(&bytes, 1) : weft__record_take_uleb(&bytes);
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
                           struct weft__record *bytes)
{
    struct weft__record block = weft__record_take_block(bytes);
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

static void remember(struct machine *machine, struct weft__record *bytes)
{
    if (machine->depth < MOST_REMEMBERED)
        machine->remembered[machine->depth++] = machine->row;
    else
        bytes->is_bad = true;
}

/* The rule for the CFA as well: that is how compilers mean it. */
static void restore_all(struct machine *machine, struct weft__record *bytes)
{
    if (machine->depth > 0)
        machine->row = machine->remembered[--machine->depth];
    else
        bytes->is_bad = true;
}

/* DW_CFA_def_cfa… */
static void run_cfa(struct machine *machine, struct weft__record *bytes, unsigned code)
{
    int64_t align = machine->common->data_align, old = machine->row.cfa.value;
    uint64_t reg = machine->row.cfa_reg;
    switch (code) {
    case 0x0c: /* def_cfa */
        reg = weft__record_take_uleb(bytes);
        set_cfa(machine, reg, (int64_t)weft__record_take_uleb(bytes));
        break;
    case 0x0d: /* def_cfa_register */
        set_cfa(machine, weft__record_take_uleb(bytes), old);
        break;
    case 0x0e: /* def_cfa_offset */
        set_cfa(machine, reg, (int64_t)weft__record_take_uleb(bytes));
        break;
    case 0x12: /* def_cfa_sf */
        reg = weft__record_take_uleb(bytes);
        set_cfa(machine, reg, weft__record_take_sleb(bytes) * align);
        break;
    case 0x13: /* def_cfa_offset_sf */
        set_cfa(machine, reg, weft__record_take_sleb(bytes) * align);
        break;
    default: { /* def_cfa_expression */
        struct weft__record block = weft__record_take_block(bytes);
        machine->row.cfa = (struct weft__cfi_rule){
            .kind = WEFT__CFI_VAL_EXPRESSION, .value = block.end - block.at, .code = block.at};
    }
    }
}

/* DW_CFA_… of one register */
static void run_register(struct machine *machine, struct weft__record *bytes, unsigned code)
{
    int64_t align = machine->common->data_align;
    uint64_t reg = weft__record_take_uleb(bytes);
    switch (code) {
    case 0x05: /* offset_extended */
        set_rule(machine, reg, WEFT__CFI_OFFSET, (int64_t)weft__record_take_uleb(bytes) * align);
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
        set_rule(machine, reg, WEFT__CFI_REGISTER, (int64_t)weft__record_take_uleb(bytes));
        break;
    case 0x10: /* expression */
        set_expression(machine, reg, WEFT__CFI_EXPRESSION, bytes);
        break;
    case 0x11: /* offset_extended_sf */
        set_rule(machine, reg, WEFT__CFI_OFFSET, weft__record_take_sleb(bytes) * align);
        break;
    case 0x14: /* val_offset */
        set_rule(machine, reg, WEFT__CFI_VAL_OFFSET,
                 (int64_t)weft__record_take_uleb(bytes) * align);
        break;
    case 0x15: /* val_offset_sf */
        set_rule(machine, reg, WEFT__CFI_VAL_OFFSET, weft__record_take_sleb(bytes) * align);
        break;
    default: /* 0x16, val_expression */
        set_expression(machine, reg, WEFT__CFI_VAL_EXPRESSION, bytes);
    }
}

static void advance(struct machine *machine, uint64_t count)
{
    machine->location += count * machine->common->code_align;
}

static void run_one(struct machine *machine, struct weft__record *bytes)
{
    unsigned code = (unsigned)weft__record_take(bytes, 1), low = code & 0x3f;
    switch (code & 0xc0) {
    case 0x40: /* advance_loc */
        advance(machine, low);
        return;
    case 0x80: /* offset */
        set_rule(machine, low, WEFT__CFI_OFFSET,
                 (int64_t)weft__record_take_uleb(bytes) * machine->common->data_align);
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
        machine->location = weft__record_take_pointer(bytes, machine->common->encoding);
        break;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        advance(machine, weft__record_take(bytes, (size_t)1 << (code - 2)));
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
        (void)weft__record_take_uleb(bytes);
        break;
    default:
        if ((code >= 0x05 && code <= 0x11) || (code >= 0x14 && code <= 0x16))
            run_register(machine, bytes, code);
        else
            bytes->is_bad = true;
    }
}

/* Up to the instruction at `pc`. */
static bool run(struct machine *machine, struct weft__record program)
{
    while (!weft__record_is_over(&program)) {
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
    struct weft__record bytes, shared;
    struct common common;
    if (!record || !read_record(record, ret->bytes, &bytes))
        return false;
    uint64_t back = weft__record_take(&bytes, 4); /* from here to the CIE */
    if (!read_record(record + 4 - (uintptr_t)back, ret->common, &shared) ||
        !read_common(shared, &common))
        return false;
    ret->begin = (uintptr_t)weft__record_take_pointer(&bytes, common.encoding);
    ret->end = ret->begin + (uintptr_t)weft__record_take_pointer(&bytes, common.encoding & 0x0f);
    if (pc < ret->begin || pc >= ret->end)
        return false;
    if (common.has_length)
        (void)weft__record_take_block(&bytes);
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
