/* SPDX-License-Identifier: MIT */
/*
 * Event: a flag, and the line of those who wait for it.
 *
 * Setting completes all who wait, so clearing it afterwards takes nothing back; one who is cancelled
 * after that has his result all the same.
 */
#include <weft/event.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/sync.h"

struct weft_event {
    struct weft__sync sync; /* first */
    bool is_set;            /* [loop] */
};

static const struct weft__sync_ops event_ops = {.name = "event"};
WEFT__OPS(wait_ops) = {.name = "event",
                       .cancel = weft__turn_cancel,
                       .dispose = weft__turn_dispose,
                       .explain = weft__explain_wait};
WEFT__OPS(done_ops) = {.name = "event"};

weft_event *weft_event_new(void)
{
    return weft__sync_new(&event_ops, sizeof(weft_event));
}

void weft_event_free(weft_event *event)
{
    WEFT__SYNC_FREE(event);
}

int weft_event_set(weft_event *event)
{
    int status = WEFT__SYNC_CHECK(event);
    if (status < 0)
        return status;
    event->is_set = true;
    while (event->sync.line.first)
        weft__turn_complete(event->sync.line.first, weft_value_i64(0));
    return 0;
}

int weft_event_clear(weft_event *event)
{
    int status = WEFT__SYNC_CHECK(event);
    if (status == 0)
        event->is_set = false;
    return status;
}

bool weft_event_is_set(const weft_event *event)
{
    if (WEFT__ELSEWHERE(event->sync.loop_id))
        return false;
    return event->is_set;
}

weft_future *weft_event_wait(weft_event *event)
{
    int status = WEFT__SYNC_CHECK(event);
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    weft_future *future = NULL;
    if (event->is_set) {
        future = weft__succeeded(&done_ops, weft_value_i64(0));
    } else {
        weft__turn *turn = weft__turn_new(&event->sync, &wait_ops, NULL, sizeof(*turn));
        future = turn ? &turn->future : NULL;
    }
    return future ? future : weft__future_enomem(weft__loop);
}
