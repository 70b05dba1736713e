/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_SCOPE_H
#define WEFT_TESTS_SCOPE_H

#include <weft/scope.h>

/* What a child of a scope under test does. It marks its name when it begins, the same in upper case
 * when it ends, and "!" when it is cancelled. */
struct test_role {
    const char *name; /* one letter */
    int ms;           /* it sleeps for so long */
    int fails;        /* then fails with this, unless it is 0 */
    int cleanup_ms;   /* cancelled, it cleans up for so long */
    int cleanup;      /* then fails with this, in place of -ECANCELED */
    bool swallows;    /* no, it succeeds */
};

struct test_child {
    WEFT_FRAME;
    struct test_role what;
    int status;
};

WEFT_ASYNC_DECLARE(test_child);

weft_future *test_child_spawn(weft_scope *scope, const struct test_role *what);

#endif
