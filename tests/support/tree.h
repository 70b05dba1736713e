/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_TREE_H
#define WEFT_TESTS_TREE_H

#include <stdbool.h>

/*
 * The task tree of the test's loop, in which places are HERE and addresses @: what remains is the same in
 * each run. All texts are to be freed.
 */

/* As text, without its first line, which has the thread's number. */
char *test_tree_text(bool from_outside);

/* As JSON. */
char *test_tree_json(bool from_outside);

/* The text is this, by itself and from outside. */
void test_tree_is(const char *expected);

/* The JSON has this in it, by itself and from outside. */
void test_tree_has(const char *part);

/* Let all tasks get to where they wait. */
void test_tree_settle(void);

#endif
