/* SPDX-License-Identifier: MIT */
/* With what the body of a coroutine ends. See core/outcome.c. */
#ifndef WEFT_CORE_OUTCOME_H
#define WEFT_CORE_OUTCOME_H

#include <weft/value.h>

/** loop->outcome while the coroutine runs; all zero until its body has ended. */
struct weft__outcome {
    int status;
    weft_value value; /* or when it failed, the message in value.ptr: owned, may be NULL */
    weft_destructor *destructor; /* of the value */
};

#endif
