/* SPDX-License-Identifier: MIT */
/**
 * Broadcast: what is sent is seen by all receivers, each at its own pace.
 *
 * The channel keeps the last so many values. Sending never waits: a receiver that is slower than that
 * misses some, and is told how many.
 */
#ifndef WEFT_BROADCAST_H
#define WEFT_BROADCAST_H

#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_broadcast weft_broadcast;
typedef struct weft_receiver weft_receiver;

/**
 * A new channel that keeps the last `capacity` values.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_broadcast_free(), at the latest before weft_loop_free().
 * Errors:    NULL and errno: ENOMEM, EINVAL (`capacity` is 0; this thread has no loop), ESHUTDOWN
 *            (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_broadcast *weft_broadcast_new(size_t capacity);

/**
 * Free a channel and what it keeps; receivers that wait, or ask later, fail with WEFT_ECLOSED. NULL is
 * nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the channel; its receivers are freed one by one, before it or after.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_broadcast_free(weft_broadcast *broadcast);

/**
 * Send a value to all receivers there are. Those who wait run at the next tick.
 *
 * Thread:    loop.
 * Ownership: takes over the value, unless it fails. It is destroyed when the channel does not keep it
 *            any longer, and no receiver looks at it.
 * Errors:    WEFT_ECLOSED (closed), -ENOMEM, -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD, -ESHUTDOWN
 *            (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_broadcast_send(weft_broadcast *broadcast, weft_value value,
                                                    weft_destructor *destructor);

/**
 * Nothing more will be sent: receivers get what is left, and then WEFT_EOF.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD, -ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_broadcast_close(weft_broadcast *broadcast);

/**
 * A new receiver, of what is sent from now on.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_receiver_free(), at the latest before weft_loop_free().
 * Errors:    NULL and errno: ENOMEM, EINVAL (NULL; this thread has no loop), ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_receiver *weft_receiver_new(weft_broadcast *broadcast);

/**
 * Free a receiver; if it waits, that fails with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the receiver.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_receiver_free(weft_receiver *receiver);

/**
 * Wait for the next value. It is borrowed: it lasts until the next call, or until the receiver is
 * freed.
 *
 * When the receiver was too slow, this fails once with -EOVERFLOW; weft_receiver_missed() tells how
 * many are gone, and the next call goes on with the oldest that there is. A future that is dropped
 * before anybody looks has taken nothing.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EOVERFLOW (some were missed), WEFT_EOF (closed, and all were received),
 *            -EBUSY (the receiver waits already), WEFT_ECLOSED (channel or receiver freed), -ECANCELED,
 *            -ENOMEM, -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD, -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_receiver_next(weft_receiver *receiver);

/** How many it has missed since its beginning. Thread: loop. Since: 0.1 */
WEFT_PUBLIC uint64_t weft_receiver_missed(const weft_receiver *receiver);

#ifdef __cplusplus
}
#endif

#endif
