/* SPDX-License-Identifier: MIT */
/*
 * The program and the libraries that are loaded, as the C library's list of them says: the same for programs
 * of fixed addresses, position-independent ones, static ones, and for the vdso.
 *
 * The list is copied, so that its lock is not held while anything is read. That lock is held by others
 * for moments only: the constructors of a library are run without.
 *
 * Fork: the C library does not keep that lock in order. A child that was forked while a thread held it
 * could load no library and throw no exception. So it is taken under `mu`, for which a fork waits.
 */
#include "core/inspect/modules.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/inspect/peek.h"
#include "core/memory.h"
#include "core/mutex.h"

enum { FIRST_ROOM = 16 };

/* The end of a long one is what tells them apart. */
static void set_name(struct weft__module *module, const char *name)
{
    char own[4096];
    if (!name || !name[0]) {
        ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
        own[len > 0 ? len : 0] = '\0';
        name = own;
    }
    size_t len = strlen(name),
           skipped = len < sizeof(module->name) ? 0 : len - sizeof(module->name) + 1;
    snprintf(module->name, sizeof(module->name), "%s", name + skipped);
}

/* Notes stand one behind the other: sizes, a name, and what is noted, each filled up to four bytes. */
static void read_notes(struct weft__module *module, const char *at, const char *end)
{
    ElfW(Nhdr) note;
    while ((size_t)(end - at) >= sizeof(note)) {
        memcpy(&note, at, sizeof(note));
        size_t name = (note.n_namesz + (size_t)3) & ~(size_t)3;
        size_t noted = (note.n_descsz + (size_t)3) & ~(size_t)3;
        at += sizeof(note);
        if (name > (size_t)(end - at) || noted > (size_t)(end - at) - name)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
            memcmp(at, "GNU", sizeof("GNU")) == 0 && note.n_descsz <= WEFT__BUILD_ID) {
            memcpy(module->build_id, at + name, note.n_descsz);
            module->build_id_size = note.n_descsz;
        }
        at += name + noted;
    }
}

static void add_segment(struct weft__module *module, const ElfW(Phdr) * header)
{
    uintptr_t begin = module->bias + header->p_vaddr, end = begin + header->p_memsz;
    if (header->p_type == PT_NOTE && header->p_align <= 4)
        read_notes(module, weft__address(begin), weft__address(end));
    if (header->p_type == PT_GNU_EH_FRAME)
        module->frames = begin;
    if (header->p_type != PT_LOAD)
        return;
    module->begin = begin < module->begin ? begin : module->begin;
    module->end = end > module->end ? end : module->end;
    if (!(header->p_flags & PF_X))
        return;
    module->code = begin < module->code ? begin : module->code;
    module->code_end = end > module->code_end ? end : module->code_end;
}

static bool make_room(struct weft__modules *modules)
{
    if (modules->count < modules->room)
        return true;
    size_t room = modules->room ? modules->room * 2 : FIRST_ROOM;
    struct weft__module *all = weft__realloc(modules->all, room * sizeof(*all));
    if (!all)
        return false;
    modules->all = all;
    modules->room = room;
    return true;
}

static struct weft__mutex mu = {PTHREAD_MUTEX_INITIALIZER};

static void before_fork(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__mutex_lock(&mu);
}

static void after_fork(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__mutex_unlock(&mu);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork);
}

static int add(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct weft__modules *modules = arg;
    if (!make_room(modules))
        return -ENOMEM;
    struct weft__module *module = &modules->all[modules->count];
    *module =
        (struct weft__module){.bias = info->dlpi_addr, .begin = UINTPTR_MAX, .code = UINTPTR_MAX};
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        add_segment(module, &info->dlpi_phdr[i]);
    set_name(module, info->dlpi_name);
    module->is_program = modules->count == 0; /* it is the first one */
    modules->unloaded = info->dlpi_subs;
    modules->count += module->code < module->code_end;
    return 0;
}

int weft__modules_read(struct weft__modules *ret)
{
    *ret = (struct weft__modules){0};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    weft__mutex_lock(&mu);
    int status = dl_iterate_phdr(add, ret);
    weft__mutex_unlock(&mu);
    if (status < 0)
        weft__modules_fini(ret);
    return status;
}

void weft__modules_fini(struct weft__modules *modules)
{
    weft__free(modules->all);
    *modules = (struct weft__modules){0};
}

const struct weft__module *weft__modules_find(const struct weft__modules *modules, uintptr_t pc)
{
    for (size_t i = 0; i < modules->count; i++)
        if (pc >= modules->all[i].code && pc < modules->all[i].code_end)
            return &modules->all[i];
    return NULL;
}
