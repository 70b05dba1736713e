/* SPDX-License-Identifier: MIT */
/*
 * stdio on pipes, sockets and terminals. On files it is left alone: their buffers hide when the disk is
 * met.
 *
 * Reading waits when the buffer is empty and the descriptor is not ready. Writing waits when the
 * descriptor is not ready and the call wrote to it: then less is in the buffer than was there and came. So
 * a printf() that a pipe has room for, or that a buffer keeps, is no report.
 *
 * Names that begin with __ are what the compiler calls in place of others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <wchar.h>

#include "tools/guard/guard.h"

#define READ "weft_read() of a stream: weft_stdin()"
#define WRITE "weft_write() to a stream: weft_stdout(), or a job that writes"

/* Another process is on the other side. */
static bool has_other_side(int fd)
{
    struct stat status;
    long failed = syscall(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH);
    return failed == 0 &&
           (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode));
}

/* -1: it has no descriptor (open_memstream()), or there is nothing to wait for. */
static int fd_of(FILE *stream)
{
    int error = errno, fd = fileno(stream);
    errno = error;
    return fd >= 0 && has_other_side(fd) ? fd : -1;
}

/* ---- Reading ---- */

static bool reading_waits(FILE *stream)
{
    if (stream->_IO_read_end > stream->_IO_read_ptr)
        return false;
    int fd = fd_of(stream);
    return fd >= 0 && guard__fd_waits(fd, POLLIN);
}

static void end_reading(struct guard__call *call, FILE *stream)
{
    guard__end_fd(call, GUARD_FD_WAITS, stream->_fileno);
}

#define READS(name, shown, stream, type, parameters, arguments) \
    GUARD_WRAPS type name parameters                            \
    {                                                           \
        GUARD_REAL(name);                                       \
        if (!guard__watches() || !reading_waits(stream))        \
            return real arguments;                              \
        struct guard__call call = guard__begin(shown, READ);    \
        type ret = real arguments;                              \
        end_reading(&call, stream);                             \
        return ret;                                             \
    }

#undef getc
#undef getchar
#undef getc_unlocked
#undef getchar_unlocked
#undef fread_unlocked
int _IO_getc(FILE *stream);
char *__fgets_chk(char *text, size_t room, int size, FILE *stream);
char *__fgets_unlocked_chk(char *text, size_t room, int size, FILE *stream);
size_t __fread_chk(void *items, size_t room, size_t size, size_t count, FILE *stream);
size_t __fread_unlocked_chk(void *items, size_t room, size_t size, size_t count, FILE *stream);
ssize_t __getdelim(char **line, size_t *size, int end, FILE *stream);
int __uflow(FILE *stream);

READS(fgetc, "fgetc", stream, int, (FILE * stream), (stream))
READS(getc, "getc", stream, int, (FILE * stream), (stream))
READS(_IO_getc, "getc", stream, int, (FILE * stream), (stream))
READS(getc_unlocked, "getc_unlocked", stream, int, (FILE * stream), (stream))
READS(fgetc_unlocked, "fgetc_unlocked", stream, int, (FILE * stream), (stream))
READS(__uflow, "getc_unlocked", stream, int, (FILE * stream), (stream))
READS(getchar, "getchar", stdin, int, (void), ())
READS(getchar_unlocked, "getchar_unlocked", stdin, int, (void), ())
READS(fgets, "fgets", stream, char *, (char *text, int size, FILE *stream), (text, size, stream))
READS(fgets_unlocked, "fgets_unlocked", stream, char *, (char *text, int size, FILE *stream),
      (text, size, stream))
READS(__fgets_chk, "fgets", stream, char *, (char *text, size_t room, int size, FILE *stream),
      (text, room, size, stream))
READS(__fgets_unlocked_chk, "fgets_unlocked", stream, char *,
      (char *text, size_t room, int size, FILE *stream), (text, room, size, stream))
READS(fread, "fread", stream, size_t, (void *items, size_t size, size_t count, FILE *stream),
      (items, size, count, stream))
READS(fread_unlocked, "fread_unlocked", stream, size_t,
      (void *items, size_t size, size_t count, FILE *stream), (items, size, count, stream))
READS(__fread_chk, "fread", stream, size_t,
      (void *items, size_t room, size_t size, size_t count, FILE *stream),
      (items, room, size, count, stream))
READS(__fread_unlocked_chk, "fread_unlocked", stream, size_t,
      (void *items, size_t room, size_t size, size_t count, FILE *stream),
      (items, room, size, count, stream))
READS(getline, "getline", stream, ssize_t, (char **line, size_t *size, FILE *stream),
      (line, size, stream))
READS(getdelim, "getdelim", stream, ssize_t, (char **line, size_t *size, int end, FILE *stream),
      (line, size, end, stream))
READS(__getdelim, "getline", stream, ssize_t, (char **line, size_t *size, int end, FILE *stream),
      (line, size, end, stream))
READS(fgetwc, "fgetwc", stream, wint_t, (FILE * stream), (stream))
READS(fgetws, "fgetws", stream, wchar_t *, (wchar_t * text, int size, FILE *stream),
      (text, size, stream))

/* With a format: by the function that takes a va_list. */
int __isoc99_scanf(const char *format, ...) __attribute__((__format__(__scanf__, 1, 2)));
int __isoc99_fscanf(FILE *stream, const char *format, ...)
    __attribute__((__format__(__scanf__, 2, 3)));
int __isoc99_vscanf(const char *format, va_list args) __attribute__((__format__(__scanf__, 1, 0)));
int __isoc99_vfscanf(FILE *stream, const char *format, va_list args)
    __attribute__((__format__(__scanf__, 2, 0)));

typedef int scan(FILE *stream, const char *format, va_list args);

static int scan_by(scan *real, const char *shown, FILE *stream, const char *format, va_list args)
    __attribute__((__format__(__scanf__, 4, 0)));

static int scan_by(scan *real, const char *shown, FILE *stream, const char *format, va_list args)
{
    if (!guard__watches() || !reading_waits(stream))
        return real(stream, format, args);
    struct guard__call call = guard__begin(shown, READ);
    int ret = real(stream, format, args);
    end_reading(&call, stream);
    return ret;
}

GUARD_WRAPS int __isoc99_vfscanf(FILE *stream, const char *format, va_list args)
{
    GUARD_REAL(__isoc99_vfscanf);
    return scan_by(real, "vfscanf", stream, format, args);
}

GUARD_WRAPS int __isoc99_vscanf(const char *format, va_list args)
{
    GUARD_REAL_AS("__isoc99_vfscanf", scan);
    return scan_by(real, "vscanf", stdin, format, args);
}

GUARD_WRAPS int __isoc99_fscanf(FILE *stream, const char *format, ...)
{
    GUARD_REAL_AS("__isoc99_vfscanf", scan);
    va_list args;
    va_start(args, format);
    int ret = scan_by(real, "fscanf", stream, format, args);
    va_end(args);
    return ret;
}

GUARD_WRAPS int __isoc99_scanf(const char *format, ...)
{
    GUARD_REAL_AS("__isoc99_vfscanf", scan);
    va_list args;
    va_start(args, format);
    int ret = scan_by(real, "scanf", stdin, format, args);
    va_end(args);
    return ret;
}

/* ---- Writing ---- */

/* A call that writes, begun; fd -1: it cannot wait. */
struct writing {
    struct guard__call call;
    FILE *stream;
    size_t pending; /* in the buffer */
    int fd;
};

static struct writing begin_writing(const char *name, FILE *stream)
{
    struct writing writing = {.stream = stream, .fd = -1};
    if (!guard__watches())
        return writing;
    int fd = fd_of(stream);
    if (fd < 0 || !guard__fd_waits(fd, POLLOUT))
        return writing;
    writing.fd = fd;
    writing.pending = __fpending(stream);
    writing.call = guard__begin(name, WRITE);
    return writing;
}

/* So many bytes came; the buffer has not all that was there and came: it wrote. */
static void end_writing(struct writing *writing, size_t came)
{
    if (writing->fd < 0)
        return;
    if (__fpending(writing->stream) == writing->pending + came)
        guard__drop(&writing->call);
    else
        guard__end_fd(&writing->call, GUARD_FD_WAITS, writing->fd);
}

static size_t length_of(int printed)
{
    return printed > 0 ? (size_t)printed : 0;
}

/* `came`: how many bytes, of what is returned as `ret`. */
#define WRITES(name, shown, stream, came, type, parameters, arguments) \
    GUARD_WRAPS type name parameters                                   \
    {                                                                  \
        GUARD_REAL(name);                                              \
        struct writing writing = begin_writing(shown, stream);         \
        type ret = real arguments;                                     \
        end_writing(&writing, came);                                   \
        return ret;                                                    \
    }

#undef putc
#undef putchar
#undef putc_unlocked
#undef putchar_unlocked
#undef fputc_unlocked
#undef fwrite_unlocked
#undef fputs_unlocked
#undef fflush_unlocked
int _IO_putc(int c, FILE *stream);
int __overflow(FILE *stream, int c);

WRITES(fputc, "fputc", stream, ret >= 0, int, (int c, FILE *stream), (c, stream))
WRITES(putc, "putc", stream, ret >= 0, int, (int c, FILE *stream), (c, stream))
WRITES(_IO_putc, "putc", stream, ret >= 0, int, (int c, FILE *stream), (c, stream))
WRITES(putc_unlocked, "putc_unlocked", stream, ret >= 0, int, (int c, FILE *stream), (c, stream))
WRITES(fputc_unlocked, "fputc_unlocked", stream, ret >= 0, int, (int c, FILE *stream), (c, stream))
WRITES(__overflow, "putc_unlocked", stream, ret >= 0, int, (FILE * stream, int c), (stream, c))
WRITES(putchar, "putchar", stdout, ret >= 0, int, (int c), (c))
WRITES(putchar_unlocked, "putchar_unlocked", stdout, ret >= 0, int, (int c), (c))
WRITES(fputs, "fputs", stream, strlen(text), int, (const char *text, FILE *stream), (text, stream))
WRITES(fputs_unlocked, "fputs_unlocked", stream, strlen(text), int,
       (const char *text, FILE *stream), (text, stream))
WRITES(puts, "puts", stdout, strlen(text) + 1, int, (const char *text), (text))
WRITES(fwrite, "fwrite", stream, size *ret, size_t,
       (const void *items, size_t size, size_t count, FILE *stream), (items, size, count, stream))
WRITES(fwrite_unlocked, "fwrite_unlocked", stream, size *ret, size_t,
       (const void *items, size_t size, size_t count, FILE *stream), (items, size, count, stream))
WRITES(vfprintf, "vfprintf", stream, length_of(ret), int,
       (FILE * stream, const char *format, va_list args), (stream, format, args))
WRITES(vprintf, "vprintf", stdout, length_of(ret), int, (const char *format, va_list args),
       (format, args))

/* Of a line that is waited for in vain, nothing was counted: errors are reported, too. */
GUARD_WRAPS int fflush(FILE *stream)
{
    GUARD_REAL(fflush);
    FILE *looked_at = stream ? stream : stdout;
    struct writing writing = begin_writing("fflush", looked_at);
    int ret = real(stream);
    end_writing(&writing, 0);
    return ret;
}

GUARD_WRAPS int fflush_unlocked(FILE *stream)
{
    GUARD_REAL(fflush_unlocked);
    FILE *looked_at = stream ? stream : stdout;
    struct writing writing = begin_writing("fflush_unlocked", looked_at);
    int ret = real(stream);
    end_writing(&writing, 0);
    return ret;
}

/* The stream is gone when it returns; what was in its buffer was written then. */
GUARD_WRAPS int fclose(FILE *stream)
{
    GUARD_REAL(fclose);
    struct writing writing = begin_writing("fclose", stream);
    char text[GUARD_TEXT];
    if (writing.fd >= 0)
        guard__fd_text(text, writing.fd);
    int ret = real(stream);
    if (writing.fd >= 0 && writing.pending)
        guard__end(&writing.call, "%s", text);
    else if (writing.fd >= 0)
        guard__drop(&writing.call);
    return ret;
}

/* ---- Writing with a format ---- */

typedef int print(FILE *stream, const char *format, va_list args);
typedef int print_checked(FILE *stream, int flag, const char *format, va_list args);

/* Without its builtins the compiler does not know of these that they have a format. */
int printf(const char *format, ...) WEFT_PRINTF(1, 2);
int fprintf(FILE *stream, const char *format, ...) WEFT_PRINTF(2, 3);

int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list args) WEFT_PRINTF(3, 0);
int __vprintf_chk(int flag, const char *format, va_list args) WEFT_PRINTF(2, 0);
int __fprintf_chk(FILE *stream, int flag, const char *format, ...) WEFT_PRINTF(3, 4);
int __printf_chk(int flag, const char *format, ...) WEFT_PRINTF(2, 3);

static int print_by(print *real, const char *shown, FILE *stream, const char *format, va_list args)
    WEFT_PRINTF(4, 0);
static int print_checked_by(print_checked *real, const char *shown, FILE *stream, int flag,
                            const char *format, va_list args) WEFT_PRINTF(5, 0);

static int print_by(print *real, const char *shown, FILE *stream, const char *format, va_list args)
{
    struct writing writing = begin_writing(shown, stream);
    int ret = real(stream, format, args);
    end_writing(&writing, length_of(ret));
    return ret;
}

static int print_checked_by(print_checked *real, const char *shown, FILE *stream, int flag,
                            const char *format, va_list args)
{
    struct writing writing = begin_writing(shown, stream);
    int ret = real(stream, flag, format, args);
    end_writing(&writing, length_of(ret));
    return ret;
}

GUARD_WRAPS int fprintf(FILE *stream, const char *format, ...)
{
    GUARD_REAL_AS("vfprintf", print);
    va_list args;
    va_start(args, format);
    int ret = print_by(real, "fprintf", stream, format, args);
    va_end(args);
    return ret;
}

GUARD_WRAPS int printf(const char *format, ...)
{
    GUARD_REAL_AS("vfprintf", print);
    va_list args;
    va_start(args, format);
    int ret = print_by(real, "printf", stdout, format, args);
    va_end(args);
    return ret;
}

GUARD_WRAPS int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list args)
{
    GUARD_REAL(__vfprintf_chk);
    return print_checked_by(real, "vfprintf", stream, flag, format, args);
}

GUARD_WRAPS int __vprintf_chk(int flag, const char *format, va_list args)
{
    GUARD_REAL_AS("__vfprintf_chk", print_checked);
    return print_checked_by(real, "vprintf", stdout, flag, format, args);
}

GUARD_WRAPS int __fprintf_chk(FILE *stream, int flag, const char *format, ...)
{
    GUARD_REAL_AS("__vfprintf_chk", print_checked);
    va_list args;
    va_start(args, format);
    int ret = print_checked_by(real, "fprintf", stream, flag, format, args);
    va_end(args);
    return ret;
}

GUARD_WRAPS int __printf_chk(int flag, const char *format, ...)
{
    GUARD_REAL_AS("__vfprintf_chk", print_checked);
    va_list args;
    va_start(args, format);
    int ret = print_checked_by(real, "printf", stdout, flag, format, args);
    va_end(args);
    return ret;
}

/* ---- By descriptor: nothing is kept back ---- */

typedef int print_to_fd(int fd, const char *format, va_list args);

static int print_to(print_to_fd *real, const char *shown, int fd, const char *format, va_list args)
    WEFT_PRINTF(4, 0);

static int print_to(print_to_fd *real, const char *shown, int fd, const char *format, va_list args)
{
    if (!guard__watches() || !guard__fd_waits(fd, POLLOUT))
        return real(fd, format, args);
    struct guard__call call = guard__begin(shown, WRITE);
    int ret = real(fd, format, args);
    guard__end_fd(&call, GUARD_FD_WAITS, fd);
    return ret;
}

GUARD_WRAPS int vdprintf(int fd, const char *format, va_list args)
{
    GUARD_REAL(vdprintf);
    return print_to(real, "vdprintf", fd, format, args);
}

GUARD_WRAPS int dprintf(int fd, const char *format, ...)
{
    GUARD_REAL_AS("vdprintf", print_to_fd);
    va_list args;
    va_start(args, format);
    int ret = print_to(real, "dprintf", fd, format, args);
    va_end(args);
    return ret;
}

typedef int print_to_fd_checked(int fd, int flag, const char *format, va_list args);

int __vdprintf_chk(int fd, int flag, const char *format, va_list args) WEFT_PRINTF(3, 0);
int __dprintf_chk(int fd, int flag, const char *format, ...) WEFT_PRINTF(3, 4);

static int print_to_checked(print_to_fd_checked *real, const char *shown, int fd, int flag,
                            const char *format, va_list args) WEFT_PRINTF(5, 0);

static int print_to_checked(print_to_fd_checked *real, const char *shown, int fd, int flag,
                            const char *format, va_list args)
{
    if (!guard__watches() || !guard__fd_waits(fd, POLLOUT))
        return real(fd, flag, format, args);
    struct guard__call call = guard__begin(shown, WRITE);
    int ret = real(fd, flag, format, args);
    guard__end_fd(&call, GUARD_FD_WAITS, fd);
    return ret;
}

GUARD_WRAPS int __vdprintf_chk(int fd, int flag, const char *format, va_list args)
{
    GUARD_REAL(__vdprintf_chk);
    return print_to_checked(real, "vdprintf", fd, flag, format, args);
}

GUARD_WRAPS int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    GUARD_REAL_AS("__vdprintf_chk", print_to_fd_checked);
    va_list args;
    va_start(args, format);
    int ret = print_to_checked(real, "dprintf", fd, flag, format, args);
    va_end(args);
    return ret;
}

/* perror(), and what else writes to stderr inside of libc, is not seen: it writes what fits a pipe. */
