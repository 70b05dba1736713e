/* SPDX-License-Identifier: MIT */
/*
 * How a coroutine ends.
 *
 * Ending goes through WEFT_FINALLY: the outcome (value or failure) is noted, the body is entered once
 * more at FINALLY, and at its end the outcome moves into the future. A failure in FINALLY replaces
 * the outcome and ends at once.
 *
 * The outcome is the loop's while a coroutine runs, since few coroutines await anything in FINALLY.
 * Where one does, the outcome is kept for it: the status where the future's will be, the value or the
 * message in the cold part.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/cancel.h"
#include "core/cold.h"
#include "core/group.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/task.h"
#include "core/text.h"

/* What is destroyed may start something, which has no outcome yet. */
static void set_outcome(weft__coro *coro, struct weft__outcome *outcome, struct weft__outcome now)
{
    struct weft__outcome before = *outcome;
    *outcome = (struct weft__outcome){0};
    weft__errors_drop(&coro->future);
    if (before.status < 0)
        weft__free(before.value.ptr);
    else if (before.destructor)
        before.destructor(before.value.ptr);
    *outcome = now;
}

void weft__set_failure(weft__coro *coro, struct weft__outcome *outcome, int status, char *message)
{
    set_outcome(coro, outcome,
                (struct weft__outcome){.status = status < 0 ? status : -EINVAL,
                                       .value = weft_value_ptr(message)});
}

/* The status has room in the future; the rest, if there is any, has it in the cold part. */
void weft__keep_outcome(weft__coro *coro, struct weft__outcome *outcome)
{
    bool is_bare = !outcome->destructor && outcome->value.i64 == 0;
    struct weft__cold *cold = is_bare ? weft__cold(&coro->future) : weft__cold_make(&coro->future);
    if (!is_bare && !cold)
        weft__set_failure(coro, outcome, outcome->status < 0 ? outcome->status : -ENOMEM, NULL);
    if (cold) {
        cold->outcome = outcome->value;
        cold->outcome_destructor = outcome->destructor;
    }
    coro->future.status = outcome->status;
    *outcome = (struct weft__outcome){0};
}

struct weft__outcome weft__find_outcome(const weft__coro *coro)
{
    const struct weft__cold *cold = weft__cold(&coro->future);
    struct weft__outcome outcome = {.status = coro->future.status};
    if (cold) {
        outcome.value = cold->outcome;
        outcome.destructor = cold->outcome_destructor;
    }
    return outcome;
}

weft_step weft__leave(weft__coro *coro)
{
    if (weft__coro_has(coro, WEFT__IN_FINALLY))
        return WEFT__STEP(WEFT__DONE);
    weft__coro_set(coro, WEFT__IN_FINALLY);
    weft__frame_of(coro)->weft_state = WEFT__STATE_FINALLY;
    return WEFT__STEP(WEFT__AGAIN);
}

weft_step weft__return(struct weft_frame *frame, weft_value value, weft_destructor *destructor)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    set_outcome(coro, &weft__loop->outcome,
                (struct weft__outcome){.value = value, .destructor = destructor});
    return weft__leave(coro);
}

weft_step weft__failf(struct weft_frame *frame, int status, const char *format, ...)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    va_list args;
    va_start(args, format);
    weft__set_failure(coro, &weft__loop->outcome, status, weft__vformat(format, args));
    va_end(args);
    return weft__leave(coro);
}

weft_step weft__fail_bare(struct weft_frame *frame, int status)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    if (status >= 0)
        return weft__failf(frame, -EINVAL, "WEFT_FAIL(%d): an error is negative", status);
    weft__set_failure(coro, &weft__loop->outcome, status, NULL);
    return weft__leave(coro);
}

int weft__outcome(struct weft_frame *frame)
{
    (void)frame;
    return weft__loop->outcome.status;
}

/*
 * What was awaited knows how the body ended. A success answers a cancel of the body; any other
 * success leaves the outcome, and its value, as it is. An error without a message of its own is the
 * one that the body has.
 */
void weft__settle_coro(weft__coro *coro, struct weft__outcome *outcome)
{
    weft_future *future = coro->waiter.future;
    int status = weft__observe(future);
    if (status >= 0) {
        if (outcome->status == -ECANCELED)
            set_outcome(coro, outcome, (struct weft__outcome){0});
    } else if (status != outcome->status || weft_message(future)) {
        weft__set_failure(coro, outcome, status, weft__strdup(weft_message(future)));
        weft__errors_pass(&coro->future, future);
        if (status == -ECANCELED)
            weft__pass_origin(&coro->future, future);
    }
}

bool weft__settle(struct weft_frame *frame)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    if (!weft__coro_has(coro, WEFT__IN_FINALLY))
        return weft__await_end(frame, NULL) < 0;
    weft__settle_coro(coro, &weft__loop->outcome);
    return false;
}

/* By a failure it is entered anew, and all is noted already. */
void weft__enter_finally(struct weft_frame *frame, weft_step ending)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    if (weft__coro_has(coro, WEFT__IN_FINALLY))
        return;
    weft__leave(coro);
    weft__loop->outcome.value = ending.weft_returned;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

weft_step weft__no_such_state(struct weft_frame *frame)
{
    const weft__coro *coro = weft__coro_of_frame(frame);
    return weft__failf(
        frame, WEFT_EAWAIT,
        "%s at %s:%d: an await inside a switch of its own, or a break outside a loop",
        coro->code->name, base_name(coro->code->file), frame->weft_state);
}
