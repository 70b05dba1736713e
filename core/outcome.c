/* SPDX-License-Identifier: MIT */
/*
 * How a coroutine ends.
 *
 * Ending goes through WEFT_FINALLY: the outcome (value or failure) is stored in the coroutine, the
 * body is entered once more at FINALLY, and at its end the outcome moves into the future. A failure
 * in FINALLY replaces the outcome and ends at once.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/group.h"
#include "core/memory.h"
#include "core/task.h"
#include "core/text.h"

static void set_outcome(weft__coro *coro, int status, weft_value value, weft_destructor *destructor)
{
    if (coro->outcome < 0)
        weft__free(coro->value.ptr);
    else if (coro->destructor)
        coro->destructor(coro->value.ptr);
    weft__errors_drop(&coro->future);
    coro->outcome = status;
    coro->value = value;
    coro->destructor = destructor;
}

void weft__set_failure(weft__coro *coro, int status, char *message)
{
    set_outcome(coro, status < 0 ? status : -EINVAL, weft_value_ptr(message), NULL);
}

weft_step weft__leave(weft__coro *coro)
{
    if (coro->in_finally)
        return WEFT__STEP(WEFT__DONE);
    coro->in_finally = true;
    weft__frame_of(coro)->weft_state = WEFT__STATE_FINALLY;
    return WEFT__STEP(WEFT__AGAIN);
}

weft_step weft__return(struct weft_frame *frame, weft_value value, weft_destructor *destructor)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    set_outcome(coro, 0, value, destructor);
    return weft__leave(coro);
}

weft_step weft__failf(struct weft_frame *frame, int status, const char *format, ...)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    va_list args;
    va_start(args, format);
    weft__set_failure(coro, status, weft__vformat(format, args));
    va_end(args);
    return weft__leave(coro);
}

weft_step weft__fail_bare(struct weft_frame *frame, int status)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    if (status >= 0)
        return weft__failf(frame, -EINVAL, "WEFT_FAIL(%d): an error is negative", status);
    weft__set_failure(coro, status, NULL);
    return weft__leave(coro);
}

int weft__outcome(struct weft_frame *frame)
{
    return weft__coro_of_frame(frame)->outcome;
}

void weft__leave_body(struct weft_frame *frame)
{
    weft__coro_of_frame(frame)->in_finally = true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

weft_step weft__no_such_state(struct weft_frame *frame)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    if (frame->weft_state == WEFT__STATE_FINALLY)
        return WEFT__STEP(WEFT__DONE); /* the body has no WEFT_FINALLY */
    return weft__failf(
        frame, WEFT_EAWAIT,
        "%s at %s:%d: an await inside a switch of its own, or a break outside a loop",
        coro->code->name, base_name(coro->code->file), frame->weft_state);
}
