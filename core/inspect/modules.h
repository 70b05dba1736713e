/* SPDX-License-Identifier: MIT */
/* The program and the libraries that are loaded. See core/inspect/modules.c. */
#ifndef WEFT_CORE_INSPECT_MODULES_H
#define WEFT_CORE_INSPECT_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEFT__MODULE_NAME = 192, WEFT__BUILD_ID = 32 };

struct weft__module {
    uintptr_t bias;           /* address in memory minus address in the file's headers */
    uintptr_t begin, end;     /* of its segments */
    uintptr_t code, code_end; /* of those that can be run */
    uintptr_t frames;         /* its .eh_frame_hdr; 0: none */
    bool is_program;          /* and no library */
    unsigned char build_id[WEFT__BUILD_ID]; /* that the linker has made of its content */
    size_t build_id_size;                   /* 0: there is none */
    char name[WEFT__MODULE_NAME];
};

/** As they were at one moment; what is unloaded later can no longer be read, which weft__peek() says. */
struct weft__modules {
    struct weft__module *all;
    size_t count, room;
    uint64_t unloaded; /* how many were, so far: while it is the same, an address means the same */
};

/** 0 or -ENOMEM. Thread: any. */
int weft__modules_read(struct weft__modules *ret);
void weft__modules_fini(struct weft__modules *modules);

/** The one whose code this address is in; NULL: none. */
const struct weft__module *weft__modules_find(const struct weft__modules *modules, uintptr_t pc);

#endif
