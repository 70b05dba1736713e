/* SPDX-License-Identifier: MIT */
/**
 * Files and folders: the calls that block, made on worker threads (what aiofiles is to Python).
 *
 *     struct keep_note { WEFT_FRAME; weft_file *file; };
 *
 *     static WEFT_ASYNC(keep_note)
 *     {
 *         WEFT_BEGIN;
 *         WEFT_AWAIT_INTO(self->file, weft_file_open("notes", O_WRONLY | O_CREAT | O_APPEND, 0666));
 *         WEFT_AWAIT(weft_file_write(self->file, "a note\n", 7));
 *         WEFT_AWAIT(weft_file_close(self->file));
 *         WEFT_FINALLY;
 *         weft_file_unref(self->file);
 *         WEFT_END;
 *     }
 *
 * There is no readiness for files: epoll calls every one of them ready, and the read blocks all the
 * same. So each call here is a job (<weft/job.h>) in the pool's lane "files". What waits there is
 * bounded, and the names of these functions are the jobs' names in lists of what is stuck. (Reads and
 * writes of what is no regular file, a pipe say, are in the lane "default": while they wait they take
 * no thread from others, up to the pool's `max_spares`.)
 *
 * Failures carry a message with the path: "open /x/y: No such file or directory". A write that
 * failed half-way says how much it had written: "… (4096 of 8192 bytes were written)".
 *
 * Cancelling: a call that no worker has begun is dropped, and completes with -ECANCELED: nothing was
 * done. One that runs cannot be stopped half-way through a system call. It completes with what came
 * of it, and whoever awaits it keeps the request; until then what it was given (a buffer, data) stays
 * borrowed, and so does a descriptor: it is closed only when no call uses it. What waits for a pipe or
 * a terminal does stop: nothing was read then. weft_path_copy(),
 * _read_all(), _write_all() and _write_atomic() look between pieces of a megabyte, and say below what
 * they leave behind. The value of a call that was not awaited to its end is destroyed: a file that was
 * opened too late is closed.
 *
 * Paths are copied. A relative one means what the working folder is when the job runs.
 */
#ifndef WEFT_FILE_H
#define WEFT_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <weft/bytes.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Open files ---- */

/**
 * An open file. Several tasks may use one, and several operations may be under way:
 *
 * - What is done at the file's position (read, write, readv, writev, seek) is done one after another,
 *   in the order of the calls. Writes that were started without an await in between keep their order.
 * - What names its own place (pread, pwrite, preadv, pwritev, stat) runs beside all that.
 * - fsync, fdatasync, truncate and close wait for all that was started before them, and what is
 *   started after them waits for them. So an fsync covers every write before it.
 */
typedef struct weft_file weft_file;

/**
 * Open a file as open(2) does; the value is a weft_file.
 *
 * Always close-on-exec. A FIFO is opened when somebody opens its other end; until then it takes a
 * worker (O_NONBLOCK avoids that).
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value's destructor is weft_file_unref().
 * Errors:    by the future: what open() has to say (-ENOENT, -EACCES, -EMFILE …), -EINVAL (no path),
 *            -ENAMETOOLONG, -ENOMEM, -EAGAIN (too many jobs wait in the lane), -ESHUTDOWN (the loop is
 *            closing), -ECANCELED, WEFT_ENOLOOP, WEFT_ESTUCK (the loop gave it up).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_open(const char *path, int flags, mode_t mode);

/**
 * A file over a descriptor that is open already: a pipe, a terminal, standard input. It is made
 * close-on-exec.
 *
 * Thread:    loop.
 * Ownership: one reference, given up by weft_file_unref(). Takes over `fd`, unless it fails.
 * Errors:    NULL and errno: EBADF, ENOMEM, -WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC weft_file *weft_file_new(int fd);

/** One more reference; returns `file`. Thread: loop. Since: 0.1 */
WEFT_PUBLIC weft_file *weft_file_ref(weft_file *file);

/**
 * Give up a reference. NULL is nothing.
 *
 * With the last one a file that was not closed is closed in the background, when all that was started
 * has ended. A failure of that is reported to the loop's error handler: who wants to know awaits
 * weft_file_close() first. May be called when the loop has been freed.
 *
 * Thread:    loop.
 * Ownership: consumes the reference.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_file_unref(weft_file *file);

/**
 * The descriptor, for calls that do not block: fcntl(), isatty(). Valid until weft_file_close().
 *
 * Thread:    loop.
 * Ownership: borrowed: never close it.
 * Errors:    -EBADF (closed), -EINVAL.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_file_fd(const weft_file *file);

/**
 * Close a file when all that was started before has ended. From now on its operations fail with
 * -EBADF, a second close too. NULL is nothing: done.
 *
 * It cannot be cancelled: a descriptor that is to go goes. It is closed also when this fails. A failed
 * close means that something which was written before may be lost (NFS, quotas).
 *
 * Thread:    loop.
 * Ownership: returns one reference to the future, never NULL. The file stays the caller's: follow with
 *            weft_file_unref().
 * Errors:    by the future: -EIO, -ENOSPC, -EDQUOT and what else close() has to say, -EBADF, -ENOMEM
 *            (it is not closed), WEFT_ENOLOOP, WEFT_ESTUCK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_close(weft_file *file);

/* ---- Reading and writing ---- */

/**
 * Read at the file's position; the value is how many bytes.
 *
 * `size`, or fewer at the end of the file: 0 there. What is no regular file (a pipe, a terminal) gives
 * what it has, at least one byte.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `buffer` is borrowed until completion, also when a
 *            cancel was asked for.
 * Errors:    by the future: -EIO, -EISDIR and what else read() has to say, -EBADF (closed, or not open
 *            for reading), -EINVAL, and as weft_file_open(). After a failure the position and the
 *            buffer's content are not known.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_read(weft_file *file, void *buffer, size_t size);

/**
 * Write at the file's position, or at its end with O_APPEND; the value is `size`: all is written, or
 * it fails.
 *
 * It is then in the kernel's memory, where every process sees it. weft_file_fsync() puts it on the
 * disk.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `data` is borrowed until completion, also when a
 *            cancel was asked for.
 * Errors:    by the future: -ENOSPC, -EDQUOT, -EFBIG, -EIO, -EPIPE and what else write() has to say,
 *            -EBADF, -EINVAL, and as weft_file_open(). When a part was written the message says how
 *            much, and the position is behind it (weft_file_seek() tells).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_write(weft_file *file, const void *data,
                                                         size_t size);

/**
 * Read at `offset`; the position does not move. Else as weft_file_read().
 *
 * Thread:    loop.
 * Ownership: as weft_file_read().
 * Errors:    as weft_file_read(); -ESPIPE (a pipe).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_pread(weft_file *file, void *buffer, size_t size,
                                                         int64_t offset);

/**
 * Write at `offset`; the position does not move. Else as weft_file_write(). (With O_APPEND Linux
 * writes at the end all the same.)
 *
 * Thread:    loop.
 * Ownership: as weft_file_write().
 * Errors:    as weft_file_write(); -ESPIPE (a pipe).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_pwrite(weft_file *file, const void *data,
                                                          size_t size, int64_t offset);

/**
 * weft_file_read() into several buffers, one after another; at most 1,024.
 *
 * Thread:    loop.
 * Ownership: as weft_file_read(); the array is copied.
 * Errors:    as weft_file_read(); -EINVAL (too many, or of a length beyond 2^63 together).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_readv(weft_file *file,
                                                         const struct iovec *pieces, int count);

/**
 * weft_file_write() from several buffers, one after another; at most 1,024.
 *
 * Thread:    loop.
 * Ownership: as weft_file_write(); the array is copied.
 * Errors:    as weft_file_write(); -EINVAL (too many, or of a length beyond 2^63 together).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_writev(weft_file *file,
                                                          const struct iovec *pieces, int count);

/**
 * weft_file_pread() into several buffers.
 *
 * Thread:    loop.
 * Ownership: as weft_file_readv().
 * Errors:    as weft_file_readv(); -ESPIPE.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_file_preadv(weft_file *file, const struct iovec *pieces, int count, int64_t offset);

/**
 * weft_file_pwrite() from several buffers.
 *
 * Thread:    loop.
 * Ownership: as weft_file_writev().
 * Errors:    as weft_file_writev(); -ESPIPE.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_file_pwritev(weft_file *file, const struct iovec *pieces, int count, int64_t offset);

/**
 * Move the position as lseek(2) does (SEEK_SET, SEEK_CUR, SEEK_END …); the value is the new one. So
 * `weft_file_seek(file, 0, SEEK_CUR)` tells where it is.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EINVAL, -ESPIPE, -EBADF, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_seek(weft_file *file, int64_t offset,
                                                        int whence);

/**
 * Put everything that was written, and what is known of the file, on the disk (fsync).
 *
 * A failure is final: what could not be written is not known to be anywhere, and a second fsync that
 * succeeds does not say otherwise.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EIO, -ENOSPC, -EDQUOT, -EINVAL (a pipe), -EBADF, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_fsync(weft_file *file);

/**
 * As weft_file_fsync(), without times and the like: what is needed to read the data back is on the
 * disk.
 *
 * Thread:    loop.
 * Ownership: as weft_file_fsync().
 * Errors:    as weft_file_fsync().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_fdatasync(weft_file *file);

/**
 * Cut the file to `length` bytes, or extend it with zeros. The position does not move.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EINVAL (negative, or not open for writing), -EFBIG, -EBADF, and as
 *            weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_truncate(weft_file *file, int64_t length);

/**
 * What is known of the file (fstat); the value is a `struct stat *`.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it and call
 *            weft_stat_free().
 * Errors:    by the future: -EBADF, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_file_stat(weft_file *file);

/**
 * Free what a stat returned. NULL is nothing.
 *
 * Thread:    any.
 * Ownership: consumes `status`.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_stat_free(struct stat *status);

/* ---- Lines ---- */

/** The lines of a file, one after another (`async for line in file`). */
typedef struct weft_lines weft_lines;

enum weft_line_ends {
    WEFT_LINES_LF,  /* "\n" ends a line; an "\r" before it belongs to the line */
    WEFT_LINES_CRLF /* "\r\n" ends one as well */
};

/** Zero is the default of every field. */
struct weft_lines_options {
    size_t size;  /* sizeof(struct weft_lines_options), or 0 for "this version" */
    size_t limit; /* of a line in bytes, without "\n"; 0: 64 KiB */
    size_t chunk; /* how much to read at once; 0: 64 KiB */
    enum weft_line_ends ends;
};

/**
 * Begin to read lines at the file's position.
 *
 * Reads ahead, up to `limit` and `chunk` bytes: the position is behind what was read, so let nobody
 * else read or seek meanwhile.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_lines_free(). Holds a reference to the file. `options` may be NULL
 *            and is copied.
 * Errors:    NULL and errno: EINVAL, EBADF (closed), ENOMEM, and what weft_error_name() knows.
 * Since:     0.1
 */
WEFT_PUBLIC weft_lines *weft_lines_new(weft_file *file, const struct weft_lines_options *options);

/**
 * The next line; the value is a `const weft_bytes *`, or NULL at the end of the file.
 *
 * The line comes without its end; a NUL follows the last byte (and one within the line is a byte like
 * any other). What follows the last "\n", if anything, is a line too. At the end a further call looks
 * again, so that a file that grows can be followed.
 *
 * Done at once while there are lines in memory; no job then.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The line is borrowed: until the next call, or
 *            weft_lines_free().
 * Errors:    by the future: WEFT_ELIMIT (a longer line; every further call fails so, too), -EBUSY
 *            (another one is under way), WEFT_ECLOSED (freed meanwhile), and as weft_file_read(): then
 *            no line is lost, and it may be tried again.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_lines_next(weft_lines *lines);

/**
 * Stop. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes `lines`, and its reference to the file.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_lines_free(weft_lines *lines);

/* ---- Whole files ---- */

/**
 * Read a whole file (Path.read_bytes); the value is a weft_bytes, which carries the length.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it and call
 *            weft_bytes_free().
 * Errors:    by the future: -EFBIG when it has more than `limit` bytes (0: 16 MiB; SIZE_MAX: no limit),
 *            whatever its size was said to be; and as weft_file_open() and weft_file_read().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_read_all(const char *path, size_t limit);

/**
 * Write a whole file (Path.write_bytes), in place of what was in it; the value is `size`. A new file
 * gets `mode`, less the umask.
 *
 * Who looks meanwhile sees a part of it, and a failure or a cancel in the middle leaves that part:
 * weft_path_write_atomic() does not.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `data` is borrowed until completion.
 * Errors:    by the future: as weft_file_open() and weft_file_write().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_write_all(const char *path, const void *data,
                                                             size_t size, mode_t mode);

/**
 * Replace a file as a whole: at any moment, and after a crash, it has the old content or the new one;
 * the value is `size`.
 *
 * Writes a temporary file in the same folder, ".NAME.XXXXXXXX.weft", puts it on the disk (fsync),
 * renames it, and puts the folder on the disk. So it takes two waits for the disk, milliseconds and
 * more. A file that was there gives its mode to the new one, and its owner as far as we may; a new one
 * gets `mode`, less the umask. A symbolic link is replaced, not followed; other hard links keep the old
 * content. What is no regular file is replaced by one, too: a FIFO, a device, /dev/stdout.
 *
 * A failure or a cancel removes the temporary file and leaves the old one as it was. From the rename on
 * there is no way back. A process that is killed in the middle leaves its temporary file behind.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `data` is borrowed until completion.
 * Errors:    by the future: as weft_file_open(), weft_file_write() and weft_file_fsync(); -EISDIR. If
 *            the message begins with "replaced", it was, but the folder's fsync failed: a crash may
 *            bring the old content back.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_write_atomic(const char *path, const void *data,
                                                                size_t size, mode_t mode);

enum weft_copy_existing {
    WEFT_COPY_REPLACE, /* what is there gets the new content, and keeps its mode */
    WEFT_COPY_REFUSE   /* -EEXIST */
};

/** Zero is the default of every field. */
struct weft_copy_options {
    size_t size; /* sizeof(struct weft_copy_options), or 0 for "this version" */
    enum weft_copy_existing existing;
    size_t progress; /* tell how far it is, up to so many values ahead; 0: no */
};

/**
 * Copy the content of a file (shutil.copy); the value is how many bytes. A new file gets the mode of
 * the source, less the umask.
 *
 * By copy_file_range() where it works, so that some file systems copy nothing but share the blocks. A
 * failure or a cancel removes the copy if there was none before; what was there before is lost.
 *
 * With `progress` it tells how many bytes are copied, each megabyte: await weft_job_next() of the
 * future until that is WEFT_ECLOSED. Nobody reading, it waits.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `options` may be NULL and is copied.
 * Errors:    by the future: -EINVAL (a file onto itself), -EEXIST, -EISDIR, and as weft_file_open(),
 *            weft_file_read() and weft_file_write().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_copy(const char *from, const char *to,
                                                        const struct weft_copy_options *options);

/* ---- Paths ---- */

/**
 * What is known of what the path leads to (stat); the value is a `struct stat *`.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it and call
 *            weft_stat_free().
 * Errors:    by the future: as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_stat(const char *path);

/**
 * weft_path_stat() of a symbolic link itself (lstat).
 *
 * Thread:    loop.
 * Ownership: as weft_path_stat().
 * Errors:    as weft_path_stat().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_lstat(const char *path);

/**
 * Does the path lead to something? The value is 1 or 0. (By the time that you look it may be
 * otherwise: better open it, and see.)
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EACCES and what else stat() has to say, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_exists(const char *path);

/**
 * Rename or move within a file system; what `to` was is replaced, at one moment.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EXDEV (another file system: weft_path_copy(), then weft_path_unlink()),
 *            -ENOTEMPTY and what else rename() has to say, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_rename(const char *from, const char *to);

/**
 * Remove a file.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EISDIR and what else unlink() has to say, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_unlink(const char *path);

/**
 * Make a folder, with `mode` less the umask.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EEXIST and what else mkdir() has to say, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_mkdir(const char *path, mode_t mode);

/**
 * Make a folder and those above it that are missing, each with `mode` less the umask (mkdir -p). One
 * that is there already is a success.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EEXIST or -ENOTDIR (something else has that name), and what else mkdir()
 *            has to say, and as weft_file_open(). Those that were made stay.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_mkdir_all(const char *path, mode_t mode);

/**
 * Remove an empty folder.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -ENOTEMPTY and what else rmdir() has to say, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_path_rmdir(const char *path);

/* ---- Folders ---- */

/** A folder that is being listed (os.scandir). */
typedef struct weft_dir weft_dir;

enum weft_file_type {
    WEFT_FILE_OTHER, /* a device, a socket, a FIFO; or it has gone */
    WEFT_FILE_REGULAR,
    WEFT_FILE_FOLDER,
    WEFT_FILE_LINK /* a symbolic one */
};

struct weft_dir_entry {
    const char *name; /* without the folder */
    enum weft_file_type type;
    uint64_t inode;
};

/**
 * Begin to list a folder; the value is a weft_dir.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value's destructor is weft_dir_free().
 * Errors:    by the future: -ENOTDIR, and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_dir_open(const char *path);

/**
 * The next entry; the value is a `const struct weft_dir_entry *`, or NULL at the end. Without "." and
 * "..", in no order.
 *
 * Entries are read in batches of up to 128, so that memory is bounded and most calls are done at once.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The entry is borrowed: until the next call, or
 *            weft_dir_free().
 * Errors:    by the future: -EBUSY (another one is under way), WEFT_ECLOSED (freed meanwhile), -EIO and
 *            what else readdir() has to say (after the entries before it), and as weft_file_open().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_dir_next(weft_dir *dir);

/**
 * Stop. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes `dir`.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_dir_free(weft_dir *dir);

#ifdef __cplusplus
}
#endif

#endif
