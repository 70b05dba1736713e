/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_HEAP_H
#define WEFT_TESTS_HEAP_H

#include <stddef.h>

/* An allocator for weft that counts what is live and can fail on demand. Thread-safe. */

/* Use it from now on; before the first call of weft in the test. */
void weft_test_heap_install(void);

/* Blocks that are allocated and not freed. */
size_t weft_test_heap_live(void);

/* Let the n-th allocation from now on fail, counting from 1, once; 0: none. */
void weft_test_heap_fail_at(size_t n);

/* True once the allocation that was to fail was asked for. */
int weft_test_heap_failed(void);

#endif
