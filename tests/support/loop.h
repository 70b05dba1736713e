/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_LOOP_H
#define WEFT_TESTS_LOOP_H

#include <stdint.h>
#include <weft/loop.h>

/*
 * A loop for a test, and proof afterwards that the test left nothing: no memory, no descriptor, no
 * thread.
 *
 *     TestSuite(unit, .init = weft_test_loop_begin);      each test: … weft_test_loop_end();
 *
 * The end is called at the end of the test's body, since Criterion ignores a failed assertion in
 * .fini.
 */

/* The loop of this test. */
extern weft_loop *test_loop;

/* What the error handler was told last, and how often. */
extern struct weft_test_reports {
    size_t count;
    int status;
    uint64_t task_id;
    char what[128], message[256], task[64], spawned_at[256];
} test_reports;

/* A loop on virtual time, on the counting heap. */
void weft_test_loop_begin(void);

/* The same on the real clock. */
void weft_test_loop_begin_real(void);

/* Free the loop; fails the test unless all is as it was before. */
void weft_test_loop_end(void);

/* Run until `future` (consumed) is done; returns its status. */
int weft_test_run(weft_future *future);

#endif
