/* SPDX-License-Identifier: MIT */
/**
 * Group errors: what is known when several operations failed together (ExceptionGroup).
 *
 * What waits for several operations, a scope say, fails with WEFT_EGROUP. Its message names every
 * failure; each of them can be looked at one by one:
 *
 *     WEFT_CATCH(self->status, weft_scope_close(self->scope, 0));
 *     for (size_t i = 0; i < weft_errors_count(WEFT_CAUGHT_ERRORS); i++)
 *         printf("%s\n", weft_errors_name(WEFT_CAUGHT_ERRORS, i));
 */
#ifndef WEFT_GROUP_H
#define WEFT_GROUP_H

#include <stddef.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The failures of a group, in the order in which they came. */
typedef struct weft_errors weft_errors;

/**
 * The failures behind a future that failed with WEFT_EGROUP.
 *
 * Thread:    loop.
 * Ownership: borrowed, until the last reference to the future goes.
 * Errors:    NULL when the future has none: it is under way, succeeded, or failed otherwise.
 * Since:     0.1
 */
WEFT_PUBLIC const weft_errors *weft_future_errors(const weft_future *future);

/** The failures behind the WEFT_EGROUP that the last WEFT_CATCH caught, or NULL; borrowed until the
 * next await. */
#define WEFT_CAUGHT_ERRORS weft__caught_errors(&self->weft_frame)

/** How many there are; 0 for NULL. Thread: loop. Since: 0.1 */
WEFT_PUBLIC size_t weft_errors_count(const weft_errors *errors);

/** The status of the i-th; -ERANGE when there is none. Thread: loop. Since: 0.1 */
WEFT_PUBLIC int weft_errors_status(const weft_errors *errors, size_t index);

/** The message of the i-th, borrowed; NULL when it has none. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_errors_message(const weft_errors *errors, size_t index);

/** The name of the i-th: of a task, or of an operation. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_errors_name(const weft_errors *errors, size_t index);

/** "file:line" where the i-th was started; NULL: not known. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_errors_spawned_at(const weft_errors *errors, size_t index);

/** The failures behind the i-th, when it is itself a group; else NULL. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const weft_errors *weft_errors_nested(const weft_errors *errors, size_t index);

/**
 * Is there a failure with this status, here or in a group within?
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_errors_has(const weft_errors *errors, int status);

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC const weft_errors *weft__caught_errors(struct weft_frame *frame);

#ifdef __cplusplus
}
#endif

#endif
