/* SPDX-License-Identifier: MIT */
/**
 * Waiting for file descriptors: for those which some other library opened, and reads and writes by
 * itself (asyncio's add_reader and add_writer).
 *
 *     while ((got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) < 0 && errno == EAGAIN)
 *         WEFT_AWAIT(weft_wait_readable(fd));
 *
 * Any number of tasks may wait for one descriptor, for the same or for different things; all are
 * woken. Readiness is a hint: another one may have been faster, so the descriptor should be
 * non-blocking.
 */
#ifndef WEFT_FD_H
#define WEFT_FD_H

#include <stddef.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Wait until a descriptor can be read without blocking, which includes its end and its errors.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The descriptor stays the caller's; before closing
 *            it while somebody waits, call weft_fd_closing().
 * Errors:    by the future: -EBADF, -EPERM (a file that is never waited for: a regular file, a
 *            directory, /dev/null), WEFT_ECLOSED (weft_fd_closing()), -ECANCELED, -ENOMEM,
 *            -ESHUTDOWN, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_wait_readable(int fd);

/**
 * Wait until a descriptor can be written without blocking, which includes its errors; a socket that
 * connects is then connected, or has failed to.
 *
 * Thread:    loop.
 * Ownership: as weft_wait_readable().
 * Errors:    as weft_wait_readable().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_wait_writable(int fd);

/**
 * Say that a descriptor is about to be closed: who waits for it fails with WEFT_ECLOSED.
 *
 * Closing it without that leaves them waiting, for a descriptor that may soon be another one.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands; the caller closes the descriptor.
 * Errors:    how many waited; 0 also without a loop.
 * Since:     0.1
 */
WEFT_PUBLIC size_t weft_fd_closing(int fd);

#ifdef __cplusplus
}
#endif

#endif
