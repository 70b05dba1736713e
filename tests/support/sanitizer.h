/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_SANITIZER_H
#define WEFT_TESTS_SANITIZER_H

/*
 * What ThreadSanitizer itself cannot do, so that a test which needs it is left out of those builds:
 *
 * WEFT_TEST_NO_SIGNALS_IN_CHILD   deliver signals in a forked child (gcc's and clang's)
 * WEFT_TEST_NO_THREADS_IN_CHILD   start threads in a child that a process with threads forked (gcc's)
 * WEFT_TEST_NO_FRESH_CALLOC       leave alone what calloc() got from the kernel (both)
 * WEFT_TEST_NO_LAST_DESTRUCTORS   run anything in a thread's last round of destructors: its own state of the
 *                                 thread goes in that round, and what comes later crashes (both)
 * WEFT_TEST_NO_THREADS_OF_LIBC    bear threads that libc makes for itself (both)
 * WEFT_TEST_NO_JUMPS_OUT_OF_LIBC  bear a longjmp() out of a call that it stands before (both)
 */
#if defined(__SANITIZE_THREAD__)
#define WEFT_TEST_NO_SIGNALS_IN_CHILD 1
#define WEFT_TEST_NO_THREADS_IN_CHILD 1
#define WEFT_TEST_NO_FRESH_CALLOC 1
#define WEFT_TEST_NO_LAST_DESTRUCTORS 1
#define WEFT_TEST_NO_THREADS_OF_LIBC 1
#define WEFT_TEST_NO_JUMPS_OUT_OF_LIBC 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TEST_NO_SIGNALS_IN_CHILD 1
#define WEFT_TEST_NO_FRESH_CALLOC 1
#define WEFT_TEST_NO_LAST_DESTRUCTORS 1
#define WEFT_TEST_NO_THREADS_OF_LIBC 1
#define WEFT_TEST_NO_JUMPS_OUT_OF_LIBC 1
#endif
#endif

#endif
