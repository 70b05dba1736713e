/* SPDX-License-Identifier: MIT */
/**
 * Streams over pipes, terminals and files, and over what a process was started with: stdin, stdout
 * and stderr (asyncio's connect_read_pipe and connect_write_pipe).
 *
 *     self->in = weft_open_stdin();
 *     for (;;) {
 *         WEFT_AWAIT_INTO(self->line, weft_next_line(self->in, NULL));
 *         …
 *     }
 *
 * They are used as any stream (<weft/stream.h>), in one direction: a reader refuses to write
 * (-EPIPE), and what is only written has nothing to read. A pipe that nobody reads is -EPIPE, and
 * no signal.
 *
 * What the kernel can watch (pipes, terminals, sockets) costs no thread. The rest (files,
 * /dev/null) is read and written by workers, 64 KiB at a time, so that a slow disk never stops the
 * loop.
 */
#ifndef WEFT_STDIO_H
#define WEFT_STDIO_H

#include <weft/macros.h>
#include <weft/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A stream that reads from a descriptor: the end of a pipe, a FIFO, a terminal, a file.
 *
 * It is made close-on-exec, and non-blocking if it can be watched: for every process that has it.
 * So give one of your own; for what the process was started with there is weft_open_stdin().
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_close() or weft_stream_free(). Takes over `fd`, unless it
 *            fails.
 * Errors:    NULL and errno: EBADF (not open for reading, or not at all), EISDIR, ENOMEM, EMFILE,
 *            ESHUTDOWN, -WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC weft_stream *weft_open_pipe_reader(int fd);

/**
 * A stream that writes to a descriptor; else as weft_open_pipe_reader(). weft_write_eof() and
 * weft_close() close it when all that was written has gone; a file, when the kernel has it.
 *
 * Thread:    loop.
 * Ownership: as weft_open_pipe_reader().
 * Errors:    NULL and errno, as weft_open_pipe_reader().
 * Since:     0.1
 */
WEFT_PUBLIC weft_stream *weft_open_pipe_writer(int fd);

/**
 * A stream that reads what the process was started with as its stdin, be that a terminal, a pipe, a
 * socket or a file.
 *
 * Descriptor 0 stays open and blocking, for this process and for those that share it: a shell would
 * find its terminal spoilt. What was read ahead is gone for others who read it, as with stdio.
 * While the stream is open, so is an end of a pipe.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_close() or weft_stream_free().
 * Errors:    NULL and errno, as weft_open_pipe_reader(); EBADF: it is closed.
 * Since:     0.1
 */
WEFT_PUBLIC weft_stream *weft_open_stdin(void);

/**
 * A stream that writes to the stdout of the process; else as weft_open_stdin().
 *
 * What is written is sent in order with other writes of the stream, but not with those of printf()
 * and its like: call fflush() before. Await weft_close(), or weft_drain(), before the loop ends:
 * what waits then is lost.
 *
 * Thread:    loop.
 * Ownership: as weft_open_stdin().
 * Errors:    as weft_open_stdin().
 * Since:     0.1
 */
WEFT_PUBLIC weft_stream *weft_open_stdout(void);

/** The same for stderr. Thread: loop. Since: 0.1 */
WEFT_PUBLIC weft_stream *weft_open_stderr(void);

#ifdef __cplusplus
}
#endif

#endif
