/* SPDX-License-Identifier: MIT */
/**
 * Opt-in: lower-case names for the macros of <weft/task.h>, as in `static async(fetch) { … }` and
 * `await(weft_sleep(1));`. They are plain words, so include this header last, and in sources only.
 */
#ifndef WEFT_SUGAR_H
#define WEFT_SUGAR_H

#include <weft/task.h>

/** WEFT_ASYNC(name). Since: 0.1 */
#define async(name) WEFT_ASYNC(name)

/** WEFT_AWAIT(future). Since: 0.1 */
#define await(future) WEFT_AWAIT(future)

/** WEFT_AWAIT_INTO(lvalue, future). Since: 0.1 */
#define await_into(lvalue, future) WEFT_AWAIT_INTO(lvalue, future)

#endif
