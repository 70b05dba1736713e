/* SPDX-License-Identifier: MIT */
/*
 * Each direction is a task: what has arrived is written on from the stream's own buffer, and
 * weft_drain() makes a fast sender wait for a slow receiver. The end of one direction is passed on and
 * leaves the other alone. A failure ends both.
 *
 * Idle is a connection on which nothing came from either side. So a direction whose own time is up looks
 * when the other one heard something.
 */
#include <errno.h>

#include "proxy.h"

struct pump {
    WEFT_FRAME;
    weft_stream *from, *to;
    weft_ns idle_timeout;
    weft_ns *heard; /* when something came, by either direction */
    uint64_t *bytes;
    weft_ns left;
    const char *data;
    size_t len;
    int status;
};

static WEFT_ASYNC(pump)
{
    WEFT_BEGIN;
    for (;;) {
        self->left = *self->heard + self->idle_timeout - weft_now();
        if (self->left <= 0)
            WEFT_FAIL(-ETIMEDOUT, "idle");
        WEFT_CATCH_INTO(self->status, self->len,
                        weft_wait_for(weft_fill(self->from, 0), self->left));
        if (self->status == -ETIMEDOUT)
            continue; /* the other direction may have heard something */
        if (self->status < 0)
            WEFT_FAIL(self->status);
        *self->heard = weft_now();
        if (!self->len)
            break;
        self->data = weft_peek(self->from, &self->len);
        self->status = weft_write(self->to, self->data, self->len);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        weft_consume(self->from, self->len);
        *self->bytes += self->len;
        /* a receiver that takes nothing is idle as well */
        WEFT_AWAIT(weft_wait_for(weft_drain(self->to), self->idle_timeout));
    }
    weft_write_eof(self->to);
    WEFT_END;
}

struct relay_both {
    WEFT_FRAME;
    weft_stream *client, *target;
    weft_ns idle_timeout;
    struct totals *totals;
    weft_ns heard;
    weft_scope *both;
};

static WEFT_ASYNC(relay_both)
{
    WEFT_BEGIN;
    self->heard = weft_now();
    self->both = weft_scope_open(NULL);
    weft_scope_spawn(self->both, pump, .from = self->client, .to = self->target,
                     .idle_timeout = self->idle_timeout, .heard = &self->heard,
                     .bytes = &self->totals->up);
    weft_scope_spawn(self->both, pump, .from = self->target, .to = self->client,
                     .idle_timeout = self->idle_timeout, .heard = &self->heard,
                     .bytes = &self->totals->down);

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->both);
    WEFT_END;
}

weft_future *relay(weft_stream *client, weft_stream *target, weft_ns idle_timeout,
                   struct totals *totals)
{
    return weft_call(relay_both, .client = client, .target = target, .idle_timeout = idle_timeout,
                     .totals = totals);
}
