/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct inner {
    WEFT_FRAME;
    weft_scope *group;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, work, .name = "a", .seconds = 1, .error = "a is broken");
    weft_scope_spawn(self->group, work, .name = "b", .seconds = 10);
    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->group);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_scope *group;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, inner);
    weft_scope_spawn(self->group, work, .name = "c", .seconds = 10);
    WEFT_CATCH(self->status, weft_scope_close(self->group, 0));
    if (self->status == WEFT_EGROUP) {
        const weft_errors *nested = weft_errors_nested(WEFT_CAUGHT_ERRORS, 0);
        say("%zu failed: a scope in which %zu failed: %s", weft_errors_count(WEFT_CAUGHT_ERRORS),
            weft_errors_count(nested), weft_errors_message(nested, 0));
    }
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
