/* SPDX-License-Identifier: MIT */
/* A look at memory that another thread may be changing. See core/inspect/peek.c. */
#ifndef WEFT_CORE_INSPECT_PEEK_H
#define WEFT_CORE_INSPECT_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a function that a signal handler calls, which sanitizers must leave as it is. */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define WEFT__PLAIN __attribute__((disable_sanitizer_instrumentation, no_sanitize("undefined")))
#endif
#endif
#ifndef WEFT__PLAIN
#define WEFT__PLAIN __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif

/** Copy what can be read of `size` bytes, from the first on; how many. Thread: any, and signal handlers; errno
 * may change. */
size_t weft__peek_some(void *to, const void *from, size_t size);

/** Copy `size` bytes from `from`, whatever is there. False: not all of it can be read. Thread: any. */
bool weft__peek(void *to, const void *from, size_t size);

/** The same of a text: at most `size` - 1 characters and a NUL; "" where there is none. */
void weft__peek_text(char *to, size_t size, const char *from);

/** An address that was read as a number, to be peeked at. */
static inline const void *weft__address(uint64_t address)
{
    return (const void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr): it was one */
}

#endif
