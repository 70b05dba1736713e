/* SPDX-License-Identifier: MIT */
#include "tests/support/scope.h"

#include <ctype.h>
#include <errno.h>
#include <weft/weft.h>

#include "tests/support/trace.h"

static void mark_end(const char *name)
{
    char text[2] = {(char)toupper((unsigned char)*name)};
    weft_test_mark(text);
}

WEFT_ASYNC(test_child)
{
    WEFT_BEGIN;
    weft_test_mark(self->what.name);
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->what.ms)));
    if (self->status == 0) {
        mark_end(self->what.name);
        if (self->what.fails < 0)
            WEFT_FAIL(self->what.fails, "%s failed", self->what.name);
        WEFT_RETURN(1);
    }
    weft_test_mark("!");
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->what.cleanup_ms)));
    if (self->what.cleanup < 0)
        WEFT_FAIL(self->what.cleanup, "clean-up of %s", self->what.name);
    if (!self->what.swallows)
        WEFT_FAIL(self->status);
    WEFT_END;
}

weft_future *test_child_spawn(weft_scope *scope, const struct test_role *what)
{
    return weft_scope_spawn(scope, test_child, .what = *what);
}
