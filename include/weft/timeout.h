/* SPDX-License-Identifier: MIT */
/**
 * Timeout blocks: a limit of time for a part of a coroutine's body (asyncio.timeout).
 *
 *     WEFT_TIMEOUT_ENTER(self->limit, WEFT_S(5));
 *     WEFT_AWAIT_INTO(self->line, ask(self->server));
 *     WEFT_AWAIT_INTO(self->reply, ask(self->line));
 *     WEFT_TIMEOUT_EXIT(self->limit);
 *     …                                     (not limited)
 *     WEFT_FINALLY;
 *     …
 *     WEFT_TIMEOUT_EXIT(self->limit);       (where a failed await in the block ends up)
 *     WEFT_END;
 *
 * Or to go on after it, with the calls below:
 *
 *     self->limit = weft_timeout_enter(WEFT_S(5));
 *     WEFT_CATCH_INTO(self->status, self->line, ask(self->server));
 *     self->status = weft_timeout_exit(self->limit, self->status);
 *
 * When the time is over the coroutine is cancelled: the await in progress gets -ECANCELED. The exit
 * takes that back, and makes it -ETIMEDOUT. A coroutine that is cancelled by somebody else as well
 * goes on with -ECANCELED: that wins. Blocks may be nested, and be in a weft_call() or in
 * WEFT_FINALLY.
 *
 * Every block that was entered is to be left, also where an await jumps to WEFT_FINALLY. One that is
 * still open when its coroutine ends is closed, and reported to the loop's error handler.
 */
#ifndef WEFT_TIMEOUT_H
#define WEFT_TIMEOUT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <weft/macros.h>
#include <weft/task.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_timeout weft_timeout;

/**
 * Begin a block that may last for `after`; WEFT_FOREVER: without a limit, to be given one later. Zero
 * or less: it is over at once, and its first await that suspends gets -ECANCELED.
 *
 * Thread:    loop, in a coroutine.
 * Ownership: the block belongs to the coroutine in which it was entered; weft_timeout_exit() frees it.
 * Errors:    NULL and errno: ENOMEM; EINVAL outside of a coroutine. The calls below accept NULL.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_timeout *weft_timeout_enter(weft_ns after);

/**
 * weft_timeout_enter() with the point in time at which the block is over (asyncio.timeout_at).
 *
 * Thread:    loop, in a coroutine.
 * Ownership: as weft_timeout_enter().
 * Errors:    as weft_timeout_enter().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_timeout *weft_timeout_enter_at(weft_ns deadline);

/**
 * End a block whose body ended with `status`; returns the status to go on with.
 *
 * That is -ETIMEDOUT when `status` is -ECANCELED, the time was over, and nobody else has asked for a
 * cancel since the block was entered. Otherwise it is `status`: a body that swallowed the cancel and
 * went on has succeeded. A cancel of the block's own that was not delivered yet is dropped. Blocks
 * may be left in any order.
 *
 * Thread:    loop, in the coroutine that entered it.
 * Ownership: frees the block.
 * Errors:    when `status` is no error: -ENOMEM for NULL, since there was no limit; -EINVAL when
 *            called in another task or outside of any.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_timeout_exit(weft_timeout *timeout, int status);

/**
 * Set another deadline; WEFT_FOREVER: none. One that is past is over at the next tick.
 *
 * Thread:    loop; any callback or task may do it.
 * Ownership: nothing changes hands.
 * Errors:    -EALREADY when its time was over before; -ENOMEM (the old deadline stays); -EINVAL for NULL.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_timeout_reschedule(weft_timeout *timeout, weft_ns deadline);

/** Its deadline; WEFT_FOREVER when there is none, and for NULL. Thread: loop. Since: 0.1 */
WEFT_PUBLIC weft_ns weft_timeout_when(const weft_timeout *timeout);

/**
 * True once its time was over, whatever the body made of the cancel; false for NULL.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC bool weft_timeout_expired(const weft_timeout *timeout);

/**
 * In a coroutine: weft_timeout_enter() into `block`, a field of the frame; fails with -ENOMEM when
 * there is no memory for it. Since: 0.1
 */
#define WEFT_TIMEOUT_ENTER(block, after)     \
    do {                                     \
        (block) = weft_timeout_enter(after); \
        if (!(block))                        \
            WEFT_FAIL(-errno);               \
    } while (0)

/**
 * In a coroutine: weft_timeout_exit(), once; nothing when `block` is NULL, which it is afterwards.
 *
 * In the body it ends the block. In WEFT_FINALLY, as the last statement there, it ends a block that
 * the body was in when it failed; if what ended the body was the block's own cancel, the coroutine
 * fails with -ETIMEDOUT. Since: 0.1
 */
#define WEFT_TIMEOUT_EXIT(block)                                                       \
    do {                                                                               \
        weft_timeout *weft__left = (block);                                            \
        (block) = NULL;                                                                \
        if (weft__left && weft_timeout_exit(weft__left, WEFT_OUTCOME) != WEFT_OUTCOME) \
            WEFT_FAIL(-ETIMEDOUT, "timed out");                                        \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif
