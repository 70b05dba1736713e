/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_NAMES_H
#define WEFT_TESTS_NAMES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "tests/support/gate.h"

/*
 * Names for tests, in place of the system's: getaddrinfo() and getnameinfo() know what the test has said,
 * and no network. EAI_NONAME for all others.
 */

/* Use them from now on; none is known, and none is held up. */
void test_names_begin(void);

/* `host` stands for these numbers, separated by blanks: "127.0.0.1 ::1". In their order. */
void test_name(const char *host, const char *numbers);

/* To look up `host` fails with this EAI_ code. */
void test_name_fails(const char *host, int code);

/* From now on each look-up passes this gate. NULL: none does. */
void test_names_gate(struct gate *gate);

/* How many look-ups there were. */
extern atomic_int test_names_asked;

/* The last one that has ended. */
extern struct test_question {
    char host[256], service[32];
    bool has_service;
    int family, type, flags;
} test_names_last;

#endif
