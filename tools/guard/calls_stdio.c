/* SPDX-License-Identifier: MIT */
/*
 * stdio on pipes, sockets and terminals. On files it is left alone: their buffers hide when the disk is
 * met.
 *
 * Reading waits when the buffer is empty and the descriptor is not ready. Writing waits when the
 * descriptor is not ready and the call wrote to it: then less is in the buffer than was there and came. So
 * a printf() that a pipe has room for, or that a buffer keeps, is no report. What begins well may wait in its
 * midst, for the rest of a line or for more room: it is timed, and reported if it was slow.
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

/* A call on a stream, begun; fd -1: it cannot wait. */
struct transfer {
    struct guard__call call;
    FILE *stream;
    size_t pending; /* in the buffer, when writing */
    enum guard__fd how;
    int fd;
};

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
    if (fd >= 0 && !has_other_side(fd))
        fd = -1;
    errno = error;
    return fd;
}

static void begin_io(struct transfer *transfer, const char *name, const char *instead)
{
    if (transfer->how == GUARD_FD_NEVER)
        transfer->fd = -1;
    else
        transfer->call = guard__begin_fd(transfer->how, name, instead);
}

static void end_io(struct transfer *transfer)
{
    if (transfer->fd >= 0)
        guard__end_fd(&transfer->call, transfer->how, transfer->fd);
}

/* ---- Reading ---- */

/* In its buffer. Wide characters have one of their own, which begins with the same two pointers as this one;
 * while something is read that was put back, the rest is aside. */
static bool has_kept(const FILE *stream)
{
    enum { IN_BACKUP = 0x100 };
    if (stream->_IO_read_end > stream->_IO_read_ptr)
        return true;
    if (stream->_flags & IN_BACKUP && stream->_IO_save_end > stream->_IO_save_base)
        return true;
    const wchar_t *const *wide = (const void *)stream->_wide_data;
    return stream->_mode > 0 && wide && wide[1] > wide[0];
}

enum amount { ONE, MANY };

/* A stream that has met its end gives that again, or reads on. */
static struct transfer begin_reading(const char *name, FILE *stream, enum amount amount)
{
    struct transfer transfer = {.stream = stream, .fd = -1};
    if (!guard__watches())
        return transfer;
    bool has_answer = has_kept(stream) || feof_unlocked(stream);
    if (has_answer && amount == ONE)
        return transfer;
    transfer.fd = fd_of(stream);
    transfer.how = transfer.fd < 0 ? GUARD_FD_NEVER : guard__fd_is(transfer.fd, POLLIN);
    if (has_answer && transfer.how == GUARD_FD_WAITS)
        transfer.how = GUARD_FD_SLOW;
    begin_io(&transfer, name, READ);
    return transfer;
}

#define READS(name, shown, stream, amount, type, parameters, arguments)  \
    GUARD_WRAPS type name parameters                                     \
    {                                                                    \
        GUARD_REAL(name);                                                \
        struct transfer transfer = begin_reading(shown, stream, amount); \
        type ret = real arguments;                                       \
        end_io(&transfer);                                               \
        return ret;                                                      \
    }

#undef getc
#undef getchar
#undef getc_unlocked
#undef getchar_unlocked
#undef fread_unlocked
int _IO_getc(FILE *stream);
int __uflow(FILE *stream);
ssize_t __getdelim(char **line, size_t *size, int end, FILE *stream);
char *__fgets_chk(char *text, size_t room, int size, FILE *stream);
char *__fgets_unlocked_chk(char *text, size_t room, int size, FILE *stream);
size_t __fread_chk(void *items, size_t room, size_t size, size_t count, FILE *stream);
size_t __fread_unlocked_chk(void *items, size_t room, size_t size, size_t count, FILE *stream);
wchar_t *__fgetws_chk(wchar_t *text, size_t room, int size, FILE *stream);
wchar_t *__fgetws_unlocked_chk(wchar_t *text, size_t room, int size, FILE *stream);

#define READS_ONE(name, shown, stream, type, ...) READS(name, shown, stream, ONE, type, __VA_ARGS__)

READS_ONE(fgetc, "fgetc", stream, int, (FILE * stream), (stream))
READS_ONE(getc, "getc", stream, int, (FILE * stream), (stream))
READS_ONE(_IO_getc, "getc", stream, int, (FILE * stream), (stream))
READS_ONE(getc_unlocked, "getc_unlocked", stream, int, (FILE * stream), (stream))
READS_ONE(fgetc_unlocked, "fgetc_unlocked", stream, int, (FILE * stream), (stream))
READS_ONE(__uflow, "getc_unlocked", stream, int, (FILE * stream), (stream))
READS_ONE(getchar, "getchar", stdin, int, (void), ())
READS_ONE(getchar_unlocked, "getchar_unlocked", stdin, int, (void), ())
READS_ONE(fgetwc, "fgetwc", stream, wint_t, (FILE * stream), (stream))
READS_ONE(getwc, "getwc", stream, wint_t, (FILE * stream), (stream))
READS_ONE(getwchar, "getwchar", stdin, wint_t, (void), ())
READS_ONE(fgetwc_unlocked, "fgetwc_unlocked", stream, wint_t, (FILE * stream), (stream))
READS_ONE(getwc_unlocked, "getwc_unlocked", stream, wint_t, (FILE * stream), (stream))
READS_ONE(getwchar_unlocked, "getwchar_unlocked", stdin, wint_t, (void), ())

#define READS_MANY(name, shown, type, ...) READS(name, shown, stream, MANY, type, __VA_ARGS__)

READS_MANY(fgets, "fgets", char *, (char *text, int size, FILE *stream), (text, size, stream))
READS_MANY(fgets_unlocked, "fgets_unlocked", char *, (char *text, int size, FILE *stream),
           (text, size, stream))
READS_MANY(__fgets_chk, "fgets", char *, (char *text, size_t room, int size, FILE *stream),
           (text, room, size, stream))
READS_MANY(__fgets_unlocked_chk, "fgets_unlocked", char *,
           (char *text, size_t room, int size, FILE *stream), (text, room, size, stream))
READS_MANY(fread, "fread", size_t, (void *items, size_t size, size_t count, FILE *stream),
           (items, size, count, stream))
READS_MANY(fread_unlocked, "fread_unlocked", size_t,
           (void *items, size_t size, size_t count, FILE *stream), (items, size, count, stream))
READS_MANY(__fread_chk, "fread", size_t,
           (void *items, size_t room, size_t size, size_t count, FILE *stream),
           (items, room, size, count, stream))
READS_MANY(__fread_unlocked_chk, "fread_unlocked", size_t,
           (void *items, size_t room, size_t size, size_t count, FILE *stream),
           (items, room, size, count, stream))
READS_MANY(getline, "getline", ssize_t, (char **line, size_t *size, FILE *stream),
           (line, size, stream))
READS_MANY(getdelim, "getdelim", ssize_t, (char **line, size_t *size, int end, FILE *stream),
           (line, size, end, stream))
READS_MANY(__getdelim, "getline", ssize_t, (char **line, size_t *size, int end, FILE *stream),
           (line, size, end, stream))
READS_MANY(fgetws, "fgetws", wchar_t *, (wchar_t * text, int size, FILE *stream),
           (text, size, stream))
READS_MANY(fgetws_unlocked, "fgetws_unlocked", wchar_t *, (wchar_t * text, int size, FILE *stream),
           (text, size, stream))
READS_MANY(__fgetws_chk, "fgetws", wchar_t *, (wchar_t * text, size_t room, int size, FILE *stream),
           (text, room, size, stream))
READS_MANY(__fgetws_unlocked_chk, "fgetws_unlocked", wchar_t *,
           (wchar_t * text, size_t room, int size, FILE *stream), (text, room, size, stream))

/* ---- Writing ---- */

static struct transfer begin_writing(const char *name, FILE *stream)
{
    struct transfer transfer = {.stream = stream, .fd = -1};
    if (!guard__watches())
        return transfer;
    transfer.fd = fd_of(stream);
    if (transfer.fd < 0)
        return transfer;
    transfer.how = guard__fd_is(transfer.fd, POLLOUT);
    transfer.pending = __fpending(stream);
    begin_io(&transfer, name, WRITE);
    return transfer;
}

/* So many characters came; if the buffer has all that was there and came, nothing was written. */
static void end_writing(struct transfer *transfer, size_t came)
{
    bool has_written =
        transfer->fd >= 0 && __fpending(transfer->stream) != transfer->pending + came;
    if (transfer->fd >= 0 && transfer->how == GUARD_FD_WAITS && !has_written)
        guard__drop(&transfer->call);
    else
        end_io(transfer);
}

static size_t length_of(int printed)
{
    return printed > 0 ? (size_t)printed : 0;
}

/* `came`: how many characters, of what is returned as `ret`. */
#define WRITES(name, shown, stream, came, type, parameters, arguments) \
    GUARD_WRAPS type name parameters                                   \
    {                                                                  \
        GUARD_REAL(name);                                              \
        struct transfer transfer = begin_writing(shown, stream);       \
        type ret = real arguments;                                     \
        end_writing(&transfer, came);                                  \
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

#define WRITES_ONE(name, shown, stream, ...) WRITES(name, shown, stream, ret >= 0, int, __VA_ARGS__)

WRITES_ONE(fputc, "fputc", stream, (int c, FILE *stream), (c, stream))
WRITES_ONE(putc, "putc", stream, (int c, FILE *stream), (c, stream))
WRITES_ONE(_IO_putc, "putc", stream, (int c, FILE *stream), (c, stream))
WRITES_ONE(putc_unlocked, "putc_unlocked", stream, (int c, FILE *stream), (c, stream))
WRITES_ONE(fputc_unlocked, "fputc_unlocked", stream, (int c, FILE *stream), (c, stream))
WRITES_ONE(__overflow, "putc_unlocked", stream, (FILE * stream, int c), (stream, c))
WRITES_ONE(putchar, "putchar", stdout, (int c), (c))
WRITES_ONE(putchar_unlocked, "putchar_unlocked", stdout, (int c), (c))

#define WRITES_WIDE(name, shown, stream, ...) \
    WRITES(name, shown, stream, ret != WEOF, wint_t, __VA_ARGS__)

WRITES_WIDE(fputwc, "fputwc", stream, (wchar_t c, FILE *stream), (c, stream))
WRITES_WIDE(putwc, "putwc", stream, (wchar_t c, FILE *stream), (c, stream))
WRITES_WIDE(putwchar, "putwchar", stdout, (wchar_t c), (c))
WRITES_WIDE(fputwc_unlocked, "fputwc_unlocked", stream, (wchar_t c, FILE *stream), (c, stream))
WRITES_WIDE(putwc_unlocked, "putwc_unlocked", stream, (wchar_t c, FILE *stream), (c, stream))
WRITES_WIDE(putwchar_unlocked, "putwchar_unlocked", stdout, (wchar_t c), (c))

WRITES(fputs, "fputs", stream, strlen(text), int, (const char *text, FILE *stream), (text, stream))
WRITES(fputs_unlocked, "fputs_unlocked", stream, strlen(text), int,
       (const char *text, FILE *stream), (text, stream))
WRITES(puts, "puts", stdout, strlen(text) + 1, int, (const char *text), (text))
WRITES(fputws, "fputws", stream, wcslen(text), int, (const wchar_t *text, FILE *stream),
       (text, stream))
WRITES(fputws_unlocked, "fputws_unlocked", stream, wcslen(text), int,
       (const wchar_t *text, FILE *stream), (text, stream))
WRITES(fwrite, "fwrite", stream, size *ret, size_t,
       (const void *items, size_t size, size_t count, FILE *stream), (items, size, count, stream))
WRITES(fwrite_unlocked, "fwrite_unlocked", stream, size *ret, size_t,
       (const void *items, size_t size, size_t count, FILE *stream), (items, size, count, stream))

/* Of a line that is waited for in vain, nothing was counted: errors are reported, too. */
WRITES(fflush, "fflush", stream ? stream : stdout, 0, int, (FILE * stream), (stream))
WRITES(fflush_unlocked, "fflush_unlocked", stream ? stream : stdout, 0, int, (FILE * stream),
       (stream))

/* The stream is gone when it returns; what was in its buffer was written then. */
GUARD_WRAPS int fclose(FILE *stream)
{
    GUARD_REAL(fclose);
    struct transfer transfer = begin_writing("fclose", stream);
    char text[GUARD_TEXT];
    if (transfer.fd >= 0)
        guard__fd_text(text, transfer.fd);
    int ret = real(stream);
    if (transfer.fd >= 0 && transfer.pending &&
        (transfer.how == GUARD_FD_WAITS || guard__was_slow(&transfer.call)))
        guard__end(&transfer.call, "%s", text);
    else if (transfer.fd >= 0)
        guard__drop(&transfer.call);
    return ret;
}

static struct transfer begin_writing_to(const char *name, int fd)
{
    struct transfer transfer = {.fd = -1};
    if (!guard__watches())
        return transfer;
    transfer.fd = fd;
    transfer.how = guard__fd_is(fd, POLLOUT);
    begin_io(&transfer, name, WRITE);
    return transfer;
}

/* ---- With a format: all of a kind by the one that takes a stream and a list ---- */

#define LISTS(name, begin, end, by, parameters, arguments) \
    int name parameters;                                   \
    GUARD_WRAPS int name parameters                        \
    {                                                      \
        GUARD_REAL(by);                                    \
        struct transfer transfer = begin;                  \
        int ret = real arguments;                          \
        end;                                               \
        return ret;                                        \
    }

/* The same with dots. */
#define DOTS(name, begin, end, by, parameters, arguments) \
    int name parameters;                                  \
    GUARD_WRAPS int name parameters                       \
    {                                                     \
        GUARD_REAL(by);                                   \
        va_list args;                                     \
        va_start(args, format);                           \
        struct transfer transfer = begin;                 \
        int ret = real arguments;                         \
        end;                                              \
        va_end(args);                                     \
        return ret;                                       \
    }

#define END_PRINT end_writing(&transfer, length_of(ret))
#define END_SCAN end_io(&transfer)

/* `w` is in the names of those for wide characters. */
#define PRINTS(w, type)                                                                     \
    LISTS(vf##w##printf, begin_writing("vf" #w "printf", stream), END_PRINT, vf##w##printf, \
          (FILE * stream, const type *format, va_list args), (stream, format, args))        \
    LISTS(v##w##printf, begin_writing("v" #w "printf", stdout), END_PRINT, vf##w##printf,   \
          (const type *format, va_list args), (stdout, format, args))                       \
    DOTS(f##w##printf, begin_writing("f" #w "printf", stream), END_PRINT, vf##w##printf,    \
         (FILE * stream, const type *format, ...), (stream, format, args))                  \
    DOTS(w##printf, begin_writing(#w "printf", stdout), END_PRINT, vf##w##printf,           \
         (const type *format, ...), (stdout, format, args))

#define PRINTS_CHECKED(w, type)                                                                 \
    LISTS(__vf##w##printf_chk, begin_writing("vf" #w "printf", stream), END_PRINT,              \
          __vf##w##printf_chk, (FILE * stream, int flag, const type *format, va_list args),     \
          (stream, flag, format, args))                                                         \
    LISTS(__v##w##printf_chk, begin_writing("v" #w "printf", stdout), END_PRINT,                \
          __vf##w##printf_chk, (int flag, const type *format, va_list args),                    \
          (stdout, flag, format, args))                                                         \
    DOTS(__f##w##printf_chk, begin_writing("f" #w "printf", stream), END_PRINT,                 \
         __vf##w##printf_chk, (FILE * stream, int flag, const type *format, ...),               \
         (stream, flag, format, args))                                                          \
    DOTS(__##w##printf_chk, begin_writing(#w "printf", stdout), END_PRINT, __vf##w##printf_chk, \
         (int flag, const type *format, ...), (stdout, flag, format, args))

/* What <stdio.h> calls them depends on the standard of the language. */
#define SCANS(standard, w, type)                                                                   \
    LISTS(__isoc##standard##_vf##w##scanf, begin_reading("vf" #w "scanf", stream, MANY), END_SCAN, \
          __isoc##standard##_vf##w##scanf, (FILE * stream, const type *format, va_list args),      \
          (stream, format, args))                                                                  \
    LISTS(__isoc##standard##_v##w##scanf, begin_reading("v" #w "scanf", stdin, MANY), END_SCAN,    \
          __isoc##standard##_vf##w##scanf, (const type *format, va_list args),                     \
          (stdin, format, args))                                                                   \
    DOTS(__isoc##standard##_f##w##scanf, begin_reading("f" #w "scanf", stream, MANY), END_SCAN,    \
         __isoc##standard##_vf##w##scanf, (FILE * stream, const type *format, ...),                \
         (stream, format, args))                                                                   \
    DOTS(__isoc##standard##_##w##scanf, begin_reading(#w "scanf", stdin, MANY), END_SCAN,          \
         __isoc##standard##_vf##w##scanf, (const type *format, ...), (stdin, format, args))

PRINTS(, char)
PRINTS(w, wchar_t)
PRINTS_CHECKED(, char)
PRINTS_CHECKED(w, wchar_t)
SCANS(99, , char)
SCANS(99, w, wchar_t)
SCANS(23, , char)
SCANS(23, w, wchar_t)

/* By descriptor nothing is kept back. */
LISTS(vdprintf, begin_writing_to("vdprintf", fd), end_io(&transfer), vdprintf,
      (int fd, const char *format, va_list args), (fd, format, args))
DOTS(dprintf, begin_writing_to("dprintf", fd), end_io(&transfer), vdprintf,
     (int fd, const char *format, ...), (fd, format, args))
LISTS(__vdprintf_chk, begin_writing_to("vdprintf", fd), end_io(&transfer), __vdprintf_chk,
      (int fd, int flag, const char *format, va_list args), (fd, flag, format, args))
DOTS(__dprintf_chk, begin_writing_to("dprintf", fd), end_io(&transfer), __vdprintf_chk,
     (int fd, int flag, const char *format, ...), (fd, flag, format, args))

/* perror(), and what else writes to stderr inside of libc, is not seen: it writes what fits a pipe. */
