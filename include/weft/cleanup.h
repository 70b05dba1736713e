/* SPDX-License-Identifier: MIT */
/**
 * Clean-up blocks: a part of a coroutine's body, mostly of its WEFT_FINALLY, that a cancel from
 * elsewhere does not interrupt, and that cannot take longer than it may.
 *
 *     WEFT_FINALLY;
 *     self->cleanup = weft_cleanup_enter(WEFT_S(5));
 *     WEFT_CATCH(self->status, say_goodbye(self->peer));
 *     self->status = weft_cleanup_exit(self->cleanup, self->status);
 *
 * A request to cancel the coroutine that comes in between is kept, and delivered by the first await
 * behind the block. When the block's time is over, the await in progress gets -ECANCELED all the
 * same; the exit makes that -ETIMEDOUT. What is started within the block can be cancelled as ever,
 * and timeout blocks and scopes within it work.
 *
 * Every block that was entered is to be left. One that is still open when its coroutine ends is
 * closed, and reported to the loop's error handler.
 */
#ifndef WEFT_CLEANUP_H
#define WEFT_CLEANUP_H

#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_cleanup weft_cleanup;

/**
 * Begin a clean-up that may last for `limit`; WEFT_FOREVER: as long as it takes.
 *
 * A request that was made before, and not delivered yet, is kept too.
 *
 * Thread:    loop, in a coroutine.
 * Ownership: the block belongs to the coroutine in which it was entered; weft_cleanup_exit() frees it.
 * Errors:    NULL and errno: ENOMEM; EINVAL outside of a coroutine. weft_cleanup_exit() accepts NULL.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_cleanup *weft_cleanup_enter(weft_ns limit);

/**
 * End a clean-up whose body ended with `status`; returns the status to go on with: -ETIMEDOUT when
 * `status` is -ECANCELED and the time was over, else `status`.
 *
 * Thread:    loop, in the coroutine that entered it.
 * Ownership: frees the block.
 * Errors:    when `status` is no error: -ENOMEM for NULL, since nothing was kept off; -EINVAL when
 *            called in another task or outside of any.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_cleanup_exit(weft_cleanup *cleanup, int status);

#ifdef __cplusplus
}
#endif

#endif
