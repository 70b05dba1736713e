/* SPDX-License-Identifier: MIT */
/*
 * Debugging information, read by elfutils' libdw.
 *
 * The library is opened at run time, by its name: libweft itself needs nothing for what is used while somebody
 * looks for a fault. Its headers are needed to build this (WEFT_HAVE_LIBDW).
 *
 * A session is one module, opened, asked and closed: nothing stays open or mapped, of what may be
 * hundreds of megabytes. Nothing is fetched from the network either: where debuginfod is set
 * up, only separate files found by their build id are used.
 *
 * An address is looked up in three steps: the compilation unit (by .debug_aranges, which clang does not
 * write; then by asking each), the functions in it that cover the address, inlined ones in the ones
 * they were inlined into, and the line. Without debugging information there is the symbol table, which
 * has static functions as well unless it was stripped.
 */
#include "core/inspect/dwarf.h"

#include "core/memory.h"

const char *weft__dwarf_library = "libdw.so.1";

#ifdef WEFT_HAVE_LIBDW

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CALLS(X)                    \
    X(dwarf_attr)                   \
    X(dwarf_child)                  \
    X(dwarf_diename)                \
    X(dwarf_filesrc)                \
    X(dwarf_formudata)              \
    X(dwarf_getsrc_die)             \
    X(dwarf_getsrcfiles)            \
    X(dwarf_haspc)                  \
    X(dwarf_lineno)                 \
    X(dwarf_linesrc)                \
    X(dwarf_siblingof)              \
    X(dwarf_tag)                    \
    X(dwfl_begin)                   \
    X(dwfl_build_id_find_debuginfo) \
    X(dwfl_end)                     \
    X(dwfl_module_addrdie)          \
    X(dwfl_module_addrname)         \
    X(dwfl_module_build_id)         \
    X(dwfl_module_nextcu)           \
    X(dwfl_report_begin)            \
    X(dwfl_report_elf)              \
    X(dwfl_report_end)              \
    X(dwfl_standard_find_debuginfo)

/* [const] once it is loaded */
static struct {
#define FIELD(name) __typeof__(name) *name;
    CALLS(FIELD)
#undef FIELD
    bool is_loaded;
} dw;

static Dwfl_Callbacks callbacks;

static void load(void)
{
    void *library = dlopen(weft__dwarf_library, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    dw.is_loaded = true;
#define FIND(name)                              \
    *(void **)&dw.name = dlsym(library, #name); \
    dw.is_loaded = dw.is_loaded && dw.name;
    CALLS(FIND)
#undef FIND
    const char *servers = getenv("DEBUGINFOD_URLS");
    callbacks.find_debuginfo =
        servers && *servers ? dw.dwfl_build_id_find_debuginfo : dw.dwfl_standard_find_debuginfo;
}

bool weft__dwarf_load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return dw.is_loaded;
}

struct weft__dwarf {
    Dwfl *dwfl;
    Dwfl_Module *module;
};

/* The program by a name that is right even if its file was replaced. */
static const char *path_of(const struct weft__module *module)
{
    return module->is_program ? "/proc/self/exe" : module->name;
}

/* False: another file is there by now, as after an upgrade. Without a build id that cannot be told. */
static bool is_what_runs(Dwfl_Module *found, const struct weft__module *module)
{
    const unsigned char *id = NULL;
    GElf_Addr address;
    int size = module->build_id_size ? dw.dwfl_module_build_id(found, &id, &address) : 0;
    return !module->build_id_size || (size > 0 && (size_t)size == module->build_id_size &&
                                      memcmp(id, module->build_id, module->build_id_size) == 0);
}

struct weft__dwarf *weft__dwarf_open(const struct weft__module *module)
{
    struct weft__dwarf *dwarf = weft__malloc(sizeof(*dwarf));
    if (!dwarf)
        return NULL;
    *dwarf = (struct weft__dwarf){.dwfl = dw.dwfl_begin(&callbacks)};
    if (dwarf->dwfl) {
        dw.dwfl_report_begin(dwarf->dwfl);
        dwarf->module =
            dw.dwfl_report_elf(dwarf->dwfl, module->name, path_of(module), -1, module->bias, true);
        dw.dwfl_report_end(dwarf->dwfl, NULL, NULL);
    }
    if (dwarf->module && is_what_runs(dwarf->module, module))
        return dwarf;
    weft__dwarf_close(dwarf);
    return NULL;
}

void weft__dwarf_close(struct weft__dwarf *dwarf)
{
    if (dwarf->dwfl)
        dw.dwfl_end(dwarf->dwfl);
    weft__free(dwarf);
}

/* ---- Functions ---- */

/* Outermost first. */
struct scopes {
    Dwarf_Die all[WEFT__DWARF_FRAMES];
    size_t count;
};

static bool holds_functions(int tag)
{
    return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
           tag == DW_TAG_class_type;
}

static bool is_function(int tag)
{
    return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

static bool is_block(int tag)
{
    return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* The functions within `die` that cover the address. */
static bool find_scopes(Dwarf_Die *die, Dwarf_Addr address,
                        struct scopes *ret) /* NOLINT(misc-no-recursion) */
{
    Dwarf_Die child;
    if (dw.dwarf_child(die, &child) != 0)
        return false;
    do {
        int tag = dw.dwarf_tag(&child);
        if (holds_functions(tag) && find_scopes(&child, address, ret))
            return true;
        if ((!is_function(tag) && !is_block(tag)) || dw.dwarf_haspc(&child, address) <= 0)
            continue;
        if (is_function(tag) && ret->count < WEFT__DWARF_FRAMES)
            ret->all[ret->count++] = child;
        find_scopes(&child, address, ret);
        return true;
    } while (dw.dwarf_siblingof(&child, &child) == 0);
    return false;
}

static Dwarf_Die *find_unit(const struct weft__dwarf *dwarf, Dwarf_Addr pc, Dwarf_Addr *ret_bias)
{
    Dwarf_Die *unit = dw.dwfl_module_addrdie(dwarf->module, pc, ret_bias);
    if (unit)
        return unit;
    while ((unit = dw.dwfl_module_nextcu(dwarf->module, unit, ret_bias)))
        if (dw.dwarf_haspc(unit, pc - *ret_bias) > 0)
            return unit;
    return NULL;
}

/* ---- Lines ---- */

static bool read_number(Dwarf_Die *die, unsigned name, Dwarf_Word *ret)
{
    Dwarf_Attribute attribute;
    return dw.dwarf_attr(die, name, &attribute) && dw.dwarf_formudata(&attribute, ret) == 0;
}

/* Where the inlined function was called. */
static void find_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct weft__dwarf_frame *ret)
{
    Dwarf_Files *files;
    size_t count;
    Dwarf_Word file, line;
    ret->file = NULL;
    ret->line = 0;
    if (read_number(inlined, DW_AT_call_line, &line))
        ret->line = (int)line;
    if (read_number(inlined, DW_AT_call_file, &file) &&
        dw.dwarf_getsrcfiles(unit, &files, &count) == 0 && file < count)
        ret->file = dw.dwarf_filesrc(files, file, NULL, NULL);
}

static void find_line(Dwarf_Die *unit, Dwarf_Addr address, struct weft__dwarf_frame *ret)
{
    Dwarf_Line *line = dw.dwarf_getsrc_die(unit, address);
    ret->file = line ? dw.dwarf_linesrc(line, NULL, NULL) : NULL;
    if (!line || dw.dwarf_lineno(line, &ret->line) != 0)
        ret->line = 0;
}

size_t weft__dwarf_look_up(struct weft__dwarf *dwarf, uintptr_t pc,
                           struct weft__dwarf_frame ret[WEFT__DWARF_FRAMES])
{
    struct scopes scopes = {.count = 0};
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = find_unit(dwarf, pc, &bias);
    struct weft__dwarf_frame frame = {.name = NULL};
    if (unit) {
        find_line(unit, pc - bias, &frame);
        find_scopes(unit, pc - bias, &scopes);
    }
    for (size_t i = 0; i < scopes.count; i++) {
        Dwarf_Die *scope = &scopes.all[scopes.count - 1 - i];
        frame.name = dw.dwarf_diename(scope);
        frame.is_inlined = dw.dwarf_tag(scope) == DW_TAG_inlined_subroutine;
        ret[i] = frame;
        if (frame.is_inlined)
            find_call(unit, scope, &frame);
    }
    if (scopes.count > 0)
        return scopes.count;
    frame.name = dw.dwfl_module_addrname(dwarf->module, pc);
    ret[0] = frame;
    return frame.name || frame.line;
}

#else

bool weft__dwarf_load(void)
{
    return false;
}

struct weft__dwarf *weft__dwarf_open(const struct weft__module *module)
{
    (void)module;
    return NULL;
}

void weft__dwarf_close(struct weft__dwarf *dwarf)
{
    (void)dwarf;
}

size_t weft__dwarf_look_up(struct weft__dwarf *dwarf, uintptr_t pc,
                           struct weft__dwarf_frame ret[WEFT__DWARF_FRAMES])
{
    (void)dwarf, (void)pc, (void)ret;
    return 0;
}

#endif
