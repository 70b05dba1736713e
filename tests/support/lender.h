/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_LENDER_H
#define WEFT_TESTS_LENDER_H

#include <stddef.h>
#include <weft/job.h>
#include <weft/task.h>

#include "tests/support/gate.h"

/* A blocking function that writes to memory which it was lent, once it has passed the gate. */
struct write_to {
    struct gate *gate;
    char *place;
    size_t size;
};

WEFT_BLOCKING_DECLARE(write_to);

/* Lends such a job a field of its frame. */
struct lender {
    WEFT_FRAME;
    struct gate *gate;
    char room[500];
};

WEFT_ASYNC_DECLARE(lender);

#endif
