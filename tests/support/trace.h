/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_TRACE_H
#define WEFT_TESTS_TRACE_H

/* What a test's coroutines and callbacks did, a letter a step, to be compared with the order that was
 * promised. */
extern char test_trace[512];

/* Append to the trace. */
void weft_test_mark(const char *text);

/* The same as a weft_call_fn: marks the string that is its argument. */
void weft_test_mark_call(void *text);

/* Let the loop of the test run `count` ticks. */
void weft_test_ticks(int count);

/*
 * Run a scene with its first allocation failing, then with its second one, and so on until none fails
 * any more. The scene returns what its operation ended with: 0, or -ENOMEM if an allocation failed.
 */
void weft_test_every_lack_of_memory(int (*scene)(void));

#endif
