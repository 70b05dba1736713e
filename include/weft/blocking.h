/* SPDX-License-Identifier: MIT */
/**
 * Blocking on the loop on purpose: said in the code, with the reason, so that who looks for calls that
 * block (<weft/guard.h>) passes it over and a reader knows why.
 *
 *     WEFT_ALLOW_BLOCKING("the configuration is read once, before anybody connects") {
 *         config = load_config(path);
 *     }
 *
 * It changes nothing else: the loop stands still meanwhile.
 */
#ifndef WEFT_BLOCKING_H
#define WEFT_BLOCKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A part of the program that may block this thread; made and ended by the calls below. */
struct weft_blocking_scope {
    const char *why;                   /* NULL: it is not open */
    struct weft_blocking_scope *outer; /* around this one, on the same thread */
};

/**
 * The block that follows may block this thread; `why` says the reason, a text that lasts as long.
 *
 * It ends by its last statement, or by `break`, `return`, WEFT_RETURN or WEFT_FAIL; `break` leaves this
 * block only. Blocks nest. There is no await in it: the compiler refuses one, as others would run meanwhile.
 *
 * Thread:    any.
 * Since:     0.1
 */
#define WEFT_ALLOW_BLOCKING(why) \
    WEFT__ALLOW_BLOCKING(why, WEFT__JOINED(weft__blocking_scope_, __LINE__))

/**
 * What the block does, for who cannot write it as one (a binding of another language): from here to the end
 * this thread may block. Within a step, and not across an await: what is open when the step, or the tick that
 * it is in, is over is ended by the loop, and its error handler is told (-EPROTO).
 *
 * Thread:    any.
 * Ownership: `scope` and `why` are the caller's, and used until the end.
 * Errors:    NULL as `why` is "no reason was given".
 * Since:     0.1
 */
WEFT_PUBLIC void weft_allow_blocking_begin(struct weft_blocking_scope *scope, const char *why);

/** End it, and those within it that were not ended; nothing if it is not open on this thread. Thread: any.
 * Since: 0.1 */
WEFT_PUBLIC void weft_allow_blocking_end(struct weft_blocking_scope *scope);

/** Why this thread may block now, as the innermost block says it; NULL: it may not. Thread: any. Since: 0.1 */
WEFT_PUBLIC const char *weft_blocking_allowed(void);

/** How many such blocks were entered since the process began, on all threads. Thread: any. Since: 0.1 */
WEFT_PUBLIC uint64_t weft_blocking_scopes(void);

/* ---- What the macro expands to; nothing below is for direct use. ---- */

#define WEFT__JOINED_(a, b) a##b
#define WEFT__JOINED(a, b) WEFT__JOINED_(a, b)
#define WEFT__ALLOW_BLOCKING(reason, open)                                \
    for (struct weft_blocking_scope open WEFT_ATTRIBUTE(                  \
             (__cleanup__(weft_allow_blocking_end))) = {NULL, NULL};      \
         !open.why && (weft_allow_blocking_begin(&open, (reason)), true); \
         weft_allow_blocking_end(&open), open.why = "")

#ifdef __cplusplus
}
#endif

#endif
