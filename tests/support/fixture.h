/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_FIXTURE_H
#define WEFT_TESTS_FIXTURE_H

/* What a process holds that a test must give back. Take a census before, compare after. */
struct weft_test_census {
    int fds;
    int threads;
};

/* Open file descriptors of this process, the one used for counting not included. */
int weft_test_fd_count(void);

/* Threads of this process that have not ended. One that was joined is never counted. */
int weft_test_thread_count(void);

struct weft_test_census weft_test_take_census(void);

/* Fails the running test, saying what was left, unless all is as it was in `before`. */
void weft_test_assert_nothing_left(struct weft_test_census before);

#endif
