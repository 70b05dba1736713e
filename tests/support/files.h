/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_FILES_H
#define WEFT_TESTS_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <weft/file.h>

#include "core/sys.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"

/*
 * Files under test, in a folder of their own that is empty at the beginning, and again, or the test
 * fails, when test_files_end() has removed what the test says is there.
 */

/* A loop, a pool of two threads, a folder. */
void test_files_begin(void);

/* Remove all in the folder, and end the loop; fails the test unless everything is given back. */
void test_files_end(void);

/* The path of a name in the folder; valid for some calls. */
const char *test_path(const char *name);

/* What is in a file, to be freed; NULL: it is not there. */
char *test_content(const char *name);

/* Make a file. */
void test_make(const char *name, const char *content);

/* How many entries the folder has. */
size_t test_count_entries(void);

/* Run until the future (consumed) is done: its integer, or the error. */
int64_t test_number(weft_future *future);

/* Run until the future (consumed) is done: its pointer; fails the test when it failed. */
void *test_pointer(weft_future *future);

/* Run until the future is done; true if it failed with that error and that message. */
bool test_fails(weft_future *future, int status, const char *message);

/* Open a file in the folder; fails the test unless it can be. */
weft_file *test_open(const char *name, int flags);

/* Let a system call of files wait at a gate before it is made: from now on, until it is opened. */
extern struct gate test_call_gate;
void test_gate_writes(void);
void test_gate_opens(void);

#endif
