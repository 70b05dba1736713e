/* SPDX-License-Identifier: MIT */
/* Addresses as function, file and line. */
#include "core/inspect/symbol.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/inspect/dwarf.h"
#include "core/inspect/modules.h"
#include "tests/support/child.h"
#include "tests/support/fixture.h"
#include "tests/support/heap.h"

TestSuite(symbol, .timeout = 60);

static int line_of_static_one;

__attribute__((noinline)) static uintptr_t static_one(void)
{
    line_of_static_one = __LINE__ + 1;
    return (uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0)) - 1;
}

/* An address within this function, and its line. */
__attribute__((noinline)) static uintptr_t address_here(int *ret_line)
{
    *ret_line = __LINE__ + 1;
    uintptr_t address = static_one();
    line_of_static_one++;
    return address;
}

static inline __attribute__((always_inline)) uintptr_t inner(int *ret_line)
{
    *ret_line = __LINE__ + 1;
    uintptr_t address = static_one();
    line_of_static_one++;
    return address;
}

__attribute__((noinline)) static uintptr_t inlining(int *ret_line, int *ret_outer_line)
{
    *ret_outer_line = __LINE__ + 1;
    uintptr_t address = inner(ret_line);
    line_of_static_one++;
    return address;
}

struct seen {
    size_t count, frame[8];
    struct weft__symbol symbol[8];
};

static void see(void *arg, size_t frame, const struct weft__symbol *symbol)
{
    struct seen *seen = arg;
    if (seen->count < 8) {
        seen->frame[seen->count] = frame;
        seen->symbol[seen->count++] = *symbol;
    }
}

static struct seen look_up(uintptr_t pc)
{
    struct seen seen = {.count = 0};
    weft__symbols_resolve(&pc, 1, see, &seen);
    return seen;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void assert_is_here(const struct weft__symbol *symbol, const char *function, int line)
{
    cr_assert_str_eq(symbol->function, function);
    cr_assert(ends_with(symbol->file, "test_symbol.c"), "%s", symbol->file);
    cr_assert_eq(symbol->line, line, "line %d, not %d", symbol->line, line);
}

Test(symbol, of_a_static_function_is_its_name_file_and_line)
{
    int line;
    uintptr_t pc = address_here(&line);
    cr_assert(weft__symbols_prepare());
    for (int i = 0; i < 2; i++) { /* looked up, and kept */
        struct seen seen = look_up(pc);
        cr_assert_eq(seen.count, 1);
        cr_assert_eq(seen.frame[0], 0);
        assert_is_here(&seen.symbol[0], "address_here", line);
        cr_assert_not(seen.symbol[0].is_inlined);
        const char *file = seen.symbol[0].file;
        while (strncmp(file, "../", 3) == 0)
            file += 3;
        cr_assert_null(strstr(file, "../"), "no way there and back: %s", seen.symbol[0].file);
    }
}

Test(symbol, of_an_inlined_function_tells_both)
{
    int line, outer_line;
    uintptr_t pc = inlining(&line, &outer_line);
    for (int i = 0; i < 2; i++) {
        struct seen seen = look_up(pc);
        cr_assert_eq(seen.count, 2);
        assert_is_here(&seen.symbol[0], "inner", line);
        cr_assert(seen.symbol[0].is_inlined);
        assert_is_here(&seen.symbol[1], "inlining", outer_line);
        cr_assert_not(seen.symbol[1].is_inlined);
        cr_assert_eq(seen.frame[1], 0);
    }
}

Test(symbol, of_several_addresses_is_told_in_their_order)
{
    int line, other;
    uintptr_t pc[3] = {address_here(&line), 1, inlining(&other, &other)};
    struct seen seen = {.count = 0};
    weft__symbols_resolve(pc, 3, see, &seen);
    cr_assert_eq(seen.count, 4);
    cr_assert_str_eq(seen.symbol[0].function, "address_here");
    cr_assert_eq(seen.frame[1], 1);
    cr_assert_str_eq(seen.symbol[1].function, "");
    cr_assert_str_eq(seen.symbol[1].module, "");
    cr_assert_eq(seen.symbol[1].offset, 1);
    cr_assert_str_eq(seen.symbol[2].function, "inner");
    cr_assert_eq(seen.frame[3], 2);
}

/* What addr2line says: "function\nfile:line\n". */
static void ask_addr2line(const struct weft__symbol *symbol, char *to, size_t size)
{
    char command[512];
    snprintf(command, sizeof(command), "addr2line -f -e '%s' %#lx", symbol->module,
             (unsigned long)symbol->offset);
    FILE *answer = popen(command, "r"); /* NOLINT(cert-env33-c) */
    size_t len = fread(to, 1, size - 1, answer);
    to[len] = '\0';
    cr_assert_eq(pclose(answer), 0);
}

Test(symbol, without_libdw_is_what_addr2line_takes)
{
    char told[512], expected[64];
    int line;
    uintptr_t pc = address_here(&line);
    weft__dwarf_library = "there-is-none.so";
    cr_assert_not(weft__symbols_prepare());
    struct seen seen = look_up(pc);
    cr_assert_eq(seen.count, 1);
    cr_assert_str_eq(seen.symbol[0].function, "");
    cr_assert_eq(seen.symbol[0].line, 0);
    ask_addr2line(&seen.symbol[0], told, sizeof(told));
    snprintf(expected, sizeof(expected), "test_symbol.c:%d", line);
    cr_assert(strncmp(told, "address_here\n", 13) == 0 && strstr(told, expected), "%s", told);
}

Test(symbol, of_the_c_library_has_its_module)
{
    struct seen seen = look_up((uintptr_t)&getenv);
    cr_assert_geq(seen.count, 1);
    struct seen here = look_up((uintptr_t)&look_up);
    char self[512];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    cr_assert_gt(len, 0);
    self[len] = '\0';
    cr_assert(ends_with(self, here.symbol[0].module), "%s", here.symbol[0].module);
}

/* Put a copy of a file in the place of another one. */
static void copy_file(const char *from, const char *to)
{
    char fresh[80];
    struct stat there;
    snprintf(fresh, sizeof(fresh), "%s.new", to);
    int in = open(from, O_RDONLY | O_CLOEXEC),
        out = open(fresh, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    cr_assert_eq(fstat(in, &there), 0);
    for (off_t at = 0; at < there.st_size;)
        cr_assert_gt(sendfile(out, in, &at, (size_t)(there.st_size - at)), 0);
    close(in);
    close(out);
    cr_assert_eq(rename(fresh, to), 0);
}

static struct weft__symbol symbol_in(void *library, const char *name)
{
    struct seen seen = {.count = 0};
    uintptr_t address = (uintptr_t)dlsym(library, name);
    cr_assert_neq(address, 0);
    weft__symbols_resolve(&address, 1, see, &seen);
    return seen.symbol[0];
}

/* As an upgrade does it while the program runs: what is in the new file is not what runs. */
Test(symbol, of_a_library_whose_file_was_replaced_has_no_wrong_name)
{
    char folder[] = "/tmp/weft-symbol-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/library.so", folder);
    copy_file(FIRST_FILE, path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(library, "%s", dlerror());
    cr_assert_str_eq(symbol_in(library, "weft_test_replaced").function, "weft_test_replaced");
    copy_file(SECOND_FILE, path);
    struct weft__symbol symbol = symbol_in(library, "of_what_runs");
    cr_assert_str_eq(symbol.function, "");
    cr_assert_str_eq(symbol.module, path);
    cr_assert_gt(symbol.offset, 0);
    dlclose(library);
    unlink(path);
    rmdir(folder);
}

Test(symbol, of_an_address_of_no_module_is_the_address)
{
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const uintptr_t pc[] = {0, (uintptr_t)page, UINTPTR_MAX};
    char text[64], expected[64];
    for (size_t i = 0; i < sizeof(pc) / sizeof(pc[0]); i++) {
        struct seen seen = look_up(pc[i]);
        cr_assert_eq(seen.count, 1);
        cr_assert_str_eq(seen.symbol[0].module, "");
        cr_assert_eq(seen.symbol[0].offset, pc[i]);
        weft__symbol_write(&seen.symbol[0], text, sizeof(text));
        snprintf(expected, sizeof(expected), "%#lx", (unsigned long)pc[i]);
        cr_assert_str_eq(text, expected);
    }
    munmap(page, 4096);
}

Test(symbol, is_written_as_far_as_it_is_known)
{
    char text[256];
    struct weft__symbol symbol = {.function = "parse",
                                  .file = "src/parse.c",
                                  .line = 12,
                                  .module = "/usr/bin/server",
                                  .offset = 0x1234};
    weft__symbol_write(&symbol, text, sizeof(text));
    cr_assert_str_eq(text, "parse (src/parse.c:12)");
    symbol.line = 0;
    weft__symbol_write(&symbol, text, sizeof(text));
    cr_assert_str_eq(text, "parse (server+0x1234)");
    symbol.function[0] = '\0';
    weft__symbol_write(&symbol, text, sizeof(text));
    cr_assert_str_eq(text, "server+0x1234");
    weft__symbol_write(&symbol, text, 5);
    cr_assert_str_eq(text, "serv");
}

Test(symbol, out_of_memory_is_told_as_an_address)
{
    int line;
    uintptr_t pc = address_here(&line);
    size_t n = 0;
    weft_test_heap_install();
    do {
        weft_test_heap_fail_at(++n);
        struct seen seen = look_up(pc);
        cr_assert_eq(seen.count, 1);
        if (weft_test_heap_failed())
            cr_assert_eq(seen.symbol[0].line, 0);
        else
            assert_is_here(&seen.symbol[0], "address_here", line);
    } while (weft_test_heap_failed());
    cr_assert_gt(n, 2);
    cr_assert_eq(weft_test_heap_live(), 0);
}

Test(symbol, leaves_no_file_open)
{
    int line;
    struct weft_test_census before = weft_test_take_census();
    look_up(address_here(&line));
    look_up((uintptr_t)&getenv);
    weft_test_assert_nothing_left(before);
}

static void look_up_in_child(void *pc)
{
    struct seen seen = look_up(*(uintptr_t *)pc);
    CHILD_EXPECT(strcmp(seen.symbol[0].function, "address_here") == 0);
}

Test(symbol, is_found_in_a_forked_child)
{
    int line;
    uintptr_t pc = address_here(&line);
    look_up(pc);
    weft_test_in_child(look_up_in_child, &pc);
}
