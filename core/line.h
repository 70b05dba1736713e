/* SPDX-License-Identifier: MIT */
/* Lines of the CPU's cache, which go from one CPU to another. */
#ifndef WEFT_CORE_LINE_H
#define WEFT_CORE_LINE_H

/** This will be written to soon, and another CPU has it now: ask for it without waiting. (The builtin
 * asks for a line to be read, which must be asked for again when it is written to.) */
static inline void weft__fetch_to_write(const volatile void *at)
{
#ifdef __x86_64__
    __asm__ volatile("prefetchw %0" : : "m"(*(const volatile char *)at));
#else
    __builtin_prefetch((const void *)at, 1);
#endif
}

#endif
