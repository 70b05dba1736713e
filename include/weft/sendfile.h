/* SPDX-License-Identifier: MIT */
/** Files by streams (loop.sendfile). */
#ifndef WEFT_SENDFILE_H
#define WEFT_SENDFILE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Send a part of a file: `len` bytes from `offset` on, behind what was written before; the value is
 * how many were sent.
 *
 *     WEFT_AWAIT_INTO(self->sent, weft_sendfile(self->stream, weft_file_fd(self->file), 0, 0));
 *
 * By a socket the kernel sends them without a copy; a worker asks it to, since the disk may be
 * slow. By pipes and TLS, and from files of which the kernel cannot, a worker reads and the stream
 * writes, 256 KiB at a time. No more waits in memory than that and the stream's `write_high`. The
 * file's position is neither used nor moved.
 *
 * What was sent counts. The value is less than `len` when the file ends before, and also when
 * something fails or a cancel comes after a part was sent: then the reason is met by the next call,
 * and a cancel is kept by who awaits this. So the stream's bytes can be accounted for: it fails,
 * and is cancelled, only if nothing of the file was sent.
 *
 * Meanwhile the stream can be read, but not written: a second writer is -EBUSY.
 *
 * Thread:    loop. The file is read on a worker.
 * Ownership: returns one reference, never NULL. `fd` stays the caller's, who may close it at once.
 *            `len` 0: up to the file's end.
 * Errors:    by the future: -EBUSY (another one, or a drain, is under way), -EINVAL (a negative
 *            offset), -EBADF, -ESPIPE (a pipe), -EISDIR, -EIO and what else the file has to say;
 *            -EMFILE; -EPIPE after weft_write_eof(), the failure of the connection as for
 *            weft_write(); WEFT_ECLOSED (the stream was closed meanwhile, whatever was sent),
 *            -EAGAIN (too many jobs wait in the pool), -ENOMEM, -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sendfile(weft_stream *stream, int fd, int64_t offset,
                                                       size_t len);

#ifdef __cplusplus
}
#endif

#endif
