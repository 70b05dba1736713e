/* SPDX-License-Identifier: MIT */
#include "tests/support/lender.h"

#include <string.h>

WEFT_BLOCKING(write_to)
{
    gate_pass(self->gate);
    memset(self->place, 1, self->size);
    return weft_ok(0);
}

WEFT_ASYNC(lender)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread(write_to, .gate = self->gate, .place = self->room,
                              .size = sizeof(self->room)));
    WEFT_END;
}
