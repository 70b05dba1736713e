/* SPDX-License-Identifier: MIT */
#include "tests/support/relay.h"

#include <weft/scope.h>
#include <weft/task.h>

struct pump {
    WEFT_FRAME;
    weft_stream *from, *to; /* borrowed */
    size_t len;
    const char *data;
};

static WEFT_ASYNC(pump)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->len, weft_fill(self->from, 0));
        if (self->len == 0)
            break;
        self->data = weft_peek(self->from, &self->len);
        weft_write(self->to, self->data, self->len);
        weft_consume(self->from, self->len);
        WEFT_AWAIT(weft_drain(self->to));
    }
    weft_write_eof(self->to);
    WEFT_END;
}

struct relay {
    WEFT_FRAME;
    weft_stream *one, *other;
    weft_scope *scope;
};

static WEFT_ASYNC(relay)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, pump, .from = self->one, .to = self->other);
    weft_scope_spawn(self->scope, pump, .from = self->other, .to = self->one);

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

weft_future *test_relay(weft_stream *one, weft_stream *other)
{
    return weft_call(relay, .one = one, .other = other);
}
