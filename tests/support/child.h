/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_CHILD_H
#define WEFT_TESTS_CHILD_H

/*
 * A forked child of a test. Criterion knows nothing of it: it says what went wrong by its exit
 * status, a line number, and ends by weft_test_child_exit().
 */

/* In the child: end with the number of this line unless it is as it should be. */
#define CHILD_EXPECT(condition)             \
    do {                                    \
        if (!(condition))                   \
            weft_test_child_exit(__LINE__); \
    } while (0)

/* End the child: 0 is success. Lines that were run are counted (./dev coverage). */
_Noreturn void weft_test_child_exit(int line);

/* fork(); in the child run `body`, then exit with success. In the parent: wait for it, and fail the
 * test with the line that failed. */
void weft_test_in_child(void (*body)(void *arg), void *arg);

/* Wait for a child that the test forked itself, and fail unless it succeeded. */
void weft_test_reap(int pid);

#endif
