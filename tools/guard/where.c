/* SPDX-License-Identifier: MIT */
/*
 * Where a call came from. The stack is unwound by the tables that every compiler writes (.eh_frame), so
 * that no frame pointers are needed. Its first frames are this library's, and beside a sanitizer the
 * function by which that stands before ours: they are left out.
 *
 * A function that ends in the call may have left the stack by then (-O2): its caller is seen.
 *
 * Names and lines come from weft, which reads debugging information; without it, from the table of dynamic
 * symbols, and the place is the module and the offset in it, as addr2line takes it. So it is in a signal
 * handler as well: to read that information takes memory and locks, which the thread may just have been at.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include "tools/guard/guard.h"

extern const char __ehdr_start __attribute__((visibility("hidden")));
extern const char _end __attribute__((visibility("hidden")));

enum { NEAR = 6 }; /* a sanitizer's frames are among so many */

static bool is_own(uintptr_t address)
{
    return address >= (uintptr_t)&__ehdr_start && address < (uintptr_t)&_end;
}

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "";
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* "___interceptor_read", "__interceptor_trampoline_read", or "read" itself: that part of it. */
static const char *called(const char *name)
{
    static const char *const before[] = {"interceptor_", "trampoline_", "isoc99_"};
    while (*name == '_')
        name++;
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        if (starts_with(name, before[i]))
            name += strlen(before[i]);
        while (*name == '_')
            name++;
    }
    return name;
}

/* What was called, of two names: by vfprintf() a sanitizer does what was called as fprintf() or __fprintf_chk(),
 * and the like. NULL: something else. */
static const char *meant(const char *name, const char *call)
{
    static const char *const formats[] = {"printf", "fprintf", "vprintf", "vfprintf", "dprintf",
                                          "scanf",  "fscanf",  "vscanf",  "vfscanf"};
    size_t length = strcspn(name, "_");
    if (strcmp(name, call) == 0)
        return call;
    for (size_t i = 0; *call == 'v' && i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strlen(formats[i]) == length && strncmp(name, formats[i], length) == 0)
            return formats[i];
    return NULL;
}

/* By getline() the compiler calls __getdelim(): what stands before that is known by its own name only. */
static bool is_interceptor(const char *name)
{
    return starts_with(name + strspn(name, "_"), "interceptor_");
}

/* A function of a sanitizer's runtime, linked or loaded; what it was called as, if that is known. */
static bool is_sanitizers(uintptr_t address, const char *call, const char **ret_name)
{
    static const char *const modules[] = {"libasan.so", "libtsan.so", "libubsan.so", "liblsan.so",
                                          "libclang_rt."};
    Dl_info info;
    if (!dladdr((void *)address, &info)) // NOLINT(performance-no-int-to-ptr)
        return false;
    const char *module = base_name(info.dli_fname);
    bool is_runtime = false;
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
        is_runtime = is_runtime || starts_with(module, modules[i]);
    const char *name = info.dli_sname ? meant(called(info.dli_sname), call) : NULL;
    if (name)
        *ret_name = name;
    return is_runtime || name || (info.dli_sname && is_interceptor(info.dli_sname));
}

static _Unwind_Reason_Code add(struct _Unwind_Context *context, void *arg)
{
    struct guard__stack *stack = arg;
    int was_interrupted = 0; /* by a signal, of which the frames before are */
    uintptr_t address = _Unwind_GetIPInfo(context, &was_interrupted);
    stack->is_in_handler = stack->is_in_handler || was_interrupted;
    if (address == 0)
        return _URC_END_OF_STACK;
    if (stack->count == 0 && is_own(address))
        return _URC_NO_REASON;
    stack->address[stack->count++] = address;
    return stack->count < GUARD_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

const char *guard__unwind(struct guard__stack *ret, const char *call)
{
    size_t skipped = 0;
    const char *name = call;
    *ret = (struct guard__stack){0};
    _Unwind_Backtrace(add, ret);
    for (size_t i = 0; i < NEAR && i < ret->count; i++)
        if (is_sanitizers(ret->address[i], call, &name))
            skipped = i + 1;
    ret->count -= skipped;
    memmove(ret->address, ret->address + skipped, ret->count * sizeof(ret->address[0]));
    return name;
}

/* The names of a coroutine's body are made by WEFT_ASYNC. */
static const char *plain_name(const char *name)
{
    return starts_with(name, "weft__body_") ? name + strlen("weft__body_") : name;
}

static void fill(struct guard__frame *to, const struct weft__guard_symbol *symbol)
{
    snprintf(to->function, sizeof(to->function), "%s", plain_name(symbol->function));
    snprintf(to->place, sizeof(to->place), "%s", symbol->place);
    snprintf(to->module, sizeof(to->module), "%s", symbol->module);
    to->is_wefts = symbol->is_wefts;
}

/* Without weft: what the table of dynamic symbols tells. */
static void look_up_alone(const Dl_info *info, uintptr_t address, struct weft__guard_symbol *ret)
{
    *ret = (struct weft__guard_symbol){.place = "?"};
    if (!info->dli_fname)
        return;
    snprintf(ret->module, sizeof(ret->module), "%.63s", base_name(info->dli_fname));
    snprintf(ret->place, sizeof(ret->place), "%s+0x%lx", ret->module,
             (unsigned long)(address - 1 - (uintptr_t)info->dli_fbase));
}

size_t guard__look_up(const struct guard__stack *stack, size_t frame, struct guard__frame *ret,
                      size_t most)
{
    const struct weft__guard_table *table = stack->is_in_handler ? NULL : guard__weft();
    uintptr_t address = stack->address[frame];
    struct weft__guard_symbol symbols[GUARD_CALLERS];
    Dl_info info = {0};
    size_t room = most < GUARD_CALLERS ? most : GUARD_CALLERS;
    bool is_known = dladdr((void *)address, &info); // NOLINT(performance-no-int-to-ptr)
    size_t count = table ? table->symbolize(address, symbols, room) : 0;
    if (count == 0) {
        look_up_alone(&info, address, &symbols[0]);
        count = 1;
    }
    if (!*symbols[0].function && is_known && info.dli_sname)
        snprintf(symbols[0].function, sizeof(symbols[0].function), "%s", info.dli_sname);
    for (size_t i = 0; i < count; i++)
        fill(&ret[i], &symbols[i]);
    return count;
}

bool guard__is_boundary(const struct guard__frame *frame)
{
    return frame->is_wefts || starts_with(frame->function, "weft__") ||
           strcmp(frame->function, "main") == 0;
}
