/* SPDX-License-Identifier: MIT */
/**
 * Streams over the pipes of a process (asyncio's Process.stdin, .stdout and .stderr).
 *
 *     self->out = weft_process_take_stdout(self->process);
 *     for (;;) {
 *         WEFT_AWAIT_INTO(self->line, weft_read_line(self->out, 0));
 *         …
 *     }
 *
 * They are used as any stream (<weft/stream.h>), in one direction: the end of stdin is at once read,
 * and writing to the others is -EPIPE. weft_write_eof() and weft_close() close the child's stdin
 * once all that was written has gone. A process that does not read on is -EPIPE, and no signal.
 */
#ifndef WEFT_PROCESS_STREAM_H
#define WEFT_PROCESS_STREAM_H

#include <weft/process.h>
#include <weft/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A stream to the child's stdin, which must be a pipe (WEFT_STDIO_PIPE).
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_close() or weft_stream_free(); it may outlive the process
 *            object. weft_process_communicate() then leaves this pipe out.
 * Errors:    NULL and errno: EBADF (no pipe, or taken or closed already), EINVAL (NULL), ENOMEM,
 *            ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC weft_stream *weft_process_take_stdin(weft_process *process);

/** A stream from the child's stdout; else as weft_process_take_stdin(). Thread: loop. Since: 0.1 */
WEFT_PUBLIC weft_stream *weft_process_take_stdout(weft_process *process);

/** A stream from the child's stderr; else as weft_process_take_stdin(). Thread: loop. Since: 0.1 */
WEFT_PUBLIC weft_stream *weft_process_take_stderr(weft_process *process);

#ifdef __cplusplus
}
#endif

#endif
