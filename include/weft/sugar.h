/* SPDX-License-Identifier: MIT */
/** Opt-in: lower-case names for the coroutine macros. `async static`-style names are not reserved
 * in C; include this last. */
#ifndef WEFT_SUGAR_H
#define WEFT_SUGAR_H

#include <weft/task.h>

#define async(name) WEFT_ASYNC(name)
#define await(future) WEFT_AWAIT(future)
#define await_into(lvalue, future) WEFT_AWAIT_INTO(lvalue, future)

#endif
