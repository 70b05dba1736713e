/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_BESIDE_H
#define WEFT_TESTS_BESIDE_H

#include <weft/loop.h>

/* Call `fn(arg)` on another thread while the test's loop runs; ends when it has returned. */
void weft_test_beside(void (*fn)(void *arg), void *arg);

/* Run until what is in the loop's mailbox now has run, and what that started has had some ticks. */
void weft_test_take_mail(void);

#endif
