/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_REPORTED_H
#define WEFT_TESTS_REPORTED_H

#ifdef __clang__
#define APART __attribute__((noinline))
#else
#define APART __attribute__((noinline, noclone))
#endif

/* Be held up by two tasks, and print what is reported. 0, or 1 if that fails. */
int report(void);

#endif
