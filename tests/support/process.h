/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_PROCESS_H
#define WEFT_TESTS_PROCESS_H

#include <weft/weft.h>

/*
 * Processes under test. Each test runs twice, in the suite's two ways to hear of an end: begin by
 * test_process_begin(), end by test_process_end(), which also looks for children that are left.
 */

enum test_watch { BY_PIDFD, BY_SIGCHLD };

void test_process_begin(void);
void test_process_end(void);

/* From now on processes are watched in that way. */
void test_process_watch(enum test_watch how);

/* A command for the shell, with pipes at all three descriptors. */
struct weft_process_options test_shell(const char *command);

/* Start a process; fails the test unless it can be. */
weft_process *test_start(const struct weft_process_options *options);

/* Start test_shell(command). */
weft_process *test_start_shell(const char *command);

/* Its exit status, or an error below -1000 (so that no signal is mistaken for one). */
int64_t test_wait(weft_process *process);

/* Run until the future (consumed) is done: its output, to be freed, or NULL and *ret_status. */
struct weft_process_output *test_output(weft_future *future, int *ret_status);

/* Read a line from the child's `out` (or descriptor `fd`) by hand. */
void test_read_line(int fd, char *line, size_t size);

/* Read a line that is the number of a process, by hand; closes the descriptor. */
pid_t test_read_pid(int fd);

/* True if there is such a process, be it a zombie. */
int test_exists(pid_t pid);

#endif
