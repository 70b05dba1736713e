/* SPDX-License-Identifier: MIT */
/*
 * Files. What writes to the disk and waits for it is reported always: fsync() and its kin. The others, by
 * path or by descriptor, when they took long or the file system is on another machine.
 *
 * What fails at once with what was wrong in the call (EINVAL, EBADF) has not waited.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "tools/guard/guard.h"

#define SYNC "weft_file_fsync()"
#define OPEN "weft_file_open()"
#define STAT "weft_path_stat() or weft_file_stat()"
#define ON_A_WORKER "weft_to_thread()"

/* ---- To the disk ---- */

static bool was_wrong(int ret)
{
    return ret < 0 && (errno == EINVAL || errno == EBADF || errno == EROFS || errno == ENOMEM);
}

#define SYNCS(name, condition, parameters, arguments)          \
    GUARD_WRAPS int name parameters                            \
    {                                                          \
        GUARD_REAL(name);                                      \
        char text[GUARD_TEXT];                                 \
        if (!(condition) || !guard__watches())                 \
            return real arguments;                             \
        struct guard__call call = guard__begin(#name, SYNC);   \
        int ret = real arguments;                              \
        if (was_wrong(ret))                                    \
            guard__drop(&call);                                \
        else                                                   \
            guard__end(&call, "%s", guard__fd_text(text, fd)); \
        return ret;                                            \
    }

SYNCS(fsync, true, (int fd), (fd))
SYNCS(fdatasync, true, (int fd), (fd))
SYNCS(syncfs, true, (int fd), (fd))
SYNCS(sync_file_range, flags &(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER),
      (int fd, off64_t offset, off64_t size, unsigned flags), (fd, offset, size, flags))

GUARD_WRAPS int msync(void *memory, size_t size, int flags)
{
    GUARD_REAL(msync);
    if (!(flags & MS_SYNC) || !guard__watches())
        return real(memory, size, flags);
    struct guard__call call = guard__begin("msync", ON_A_WORKER);
    int ret = real(memory, size, flags);
    if (was_wrong(ret))
        guard__drop(&call);
    else
        guard__end(&call, "%zu bytes", size);
    return ret;
}

GUARD_WRAPS void sync(void)
{
    GUARD_REAL(sync);
    if (!guard__watches()) {
        real();
        return;
    }
    struct guard__call call = guard__begin("sync", ON_A_WORKER);
    real();
    guard__end(&call, "%s", "");
}

GUARD_WRAPS int tcdrain(int fd)
{
    GUARD_REAL(tcdrain);
    char text[GUARD_TEXT];
    if (!guard__watches())
        return real(fd);
    struct guard__call call = guard__begin_slow("tcdrain", ON_A_WORKER);
    int ret = real(fd);
    if (guard__was_slow(&call))
        guard__end(&call, "%s", guard__fd_text(text, fd));
    else
        guard__drop(&call);
    return ret;
}

/* ---- By path ---- */

/* `path` is looked up from `folder`: that of the process, or a descriptor of one. */
#define BY_PATH_FROM(folder, name, shown, instead, type, parameters, arguments) \
    GUARD_WRAPS type name parameters                                            \
    {                                                                           \
        GUARD_REAL(name);                                                       \
        if (!guard__watches())                                                  \
            return real arguments;                                              \
        struct guard__call call = guard__begin_slow(shown, instead);            \
        type ret = real arguments;                                              \
        guard__end_path(&call, folder, path);                                   \
        return ret;                                                             \
    }
#define BY_PATH_AS(...) BY_PATH_FROM(AT_FDCWD, __VA_ARGS__)
#define BY_PATH(name, ...) BY_PATH_FROM(AT_FDCWD, name, #name, __VA_ARGS__)
#define BY_PATH_AT(name, ...) BY_PATH_FROM(folder, name, #name, __VA_ARGS__)
#define BY_OLD_PATH(name, shown, ...) BY_PATH_AS(name, shown, STAT, int, __VA_ARGS__)

/* The third argument is there if the file may be made. */
#define OPENS(folder, name, parameters, arguments, with_mode)      \
    GUARD_WRAPS int name parameters                                \
    {                                                              \
        GUARD_REAL(name);                                          \
        mode_t mode = 0;                                           \
        if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) { \
            va_list args;                                          \
            va_start(args, flags);                                 \
            mode = (mode_t)va_arg(args, int);                      \
            va_end(args);                                          \
        }                                                          \
        if (!guard__watches())                                     \
            return real with_mode;                                 \
        struct guard__call call = guard__begin_slow(#name, OPEN);  \
        int ret = real with_mode;                                  \
        guard__end_path(&call, folder, path);                      \
        return ret;                                                \
    }

OPENS(AT_FDCWD, open, (const char *path, int flags, ...), (path, flags), (path, flags, mode))
OPENS(AT_FDCWD, open64, (const char *path, int flags, ...), (path, flags), (path, flags, mode))
OPENS(folder, openat, (int folder, const char *path, int flags, ...), (folder, path, flags),
      (folder, path, flags, mode))
OPENS(folder, openat64, (int folder, const char *path, int flags, ...), (folder, path, flags),
      (folder, path, flags, mode))

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

BY_PATH_AS(__open_2, "open", OPEN, int, (const char *path, int flags), (path, flags))
BY_PATH_AS(__open64_2, "open64", OPEN, int, (const char *path, int flags), (path, flags))
BY_PATH_FROM(folder, __openat_2, "openat", OPEN, int, (int folder, const char *path, int flags),
             (folder, path, flags))
BY_PATH_FROM(folder, __openat64_2, "openat64", OPEN, int, (int folder, const char *path, int flags),
             (folder, path, flags))
BY_PATH(creat, OPEN, int, (const char *path, mode_t mode), (path, mode))
BY_PATH(creat64, OPEN, int, (const char *path, mode_t mode), (path, mode))
BY_PATH(fopen, OPEN, FILE *, (const char *path, const char *mode), (path, mode))
BY_PATH(fopen64, OPEN, FILE *, (const char *path, const char *mode), (path, mode))
BY_PATH(opendir, "weft_dir_open()", DIR *, (const char *path), (path))
BY_PATH(freopen, OPEN, FILE *, (const char *path, const char *mode, FILE *stream),
        (path, mode, stream))
BY_PATH(freopen64, OPEN, FILE *, (const char *path, const char *mode, FILE *stream),
        (path, mode, stream))
BY_PATH(realpath, ON_A_WORKER, char *, (const char *path, char *resolved), (path, resolved))
BY_PATH(stat, STAT, int, (const char *path, struct stat *into), (path, into))
BY_PATH(stat64, STAT, int, (const char *path, struct stat64 *into), (path, into))
BY_PATH(lstat, STAT, int, (const char *path, struct stat *into), (path, into))
BY_PATH(lstat64, STAT, int, (const char *path, struct stat64 *into), (path, into))
BY_PATH_AT(fstatat, STAT, int, (int folder, const char *path, struct stat *into, int flags),
           (folder, path, into, flags))
BY_PATH_AT(fstatat64, STAT, int, (int folder, const char *path, struct stat64 *into, int flags),
           (folder, path, into, flags))
BY_PATH_AT(statx, STAT, int,
           (int folder, const char *path, int flags, unsigned mask, struct statx *into),
           (folder, path, flags, mask, into))
BY_PATH(access, STAT, int, (const char *path, int how), (path, how))
BY_PATH_AT(faccessat, STAT, int, (int folder, const char *path, int how, int flags),
           (folder, path, how, flags))
BY_PATH(rename, "weft_path_rename()", int, (const char *from, const char *path), (from, path))
BY_PATH_AT(renameat, "weft_path_rename()", int,
           (int from_folder, const char *from, int folder, const char *path),
           (from_folder, from, folder, path))
BY_PATH(unlink, "weft_path_unlink()", int, (const char *path), (path))
BY_PATH_AT(unlinkat, "weft_path_unlink()", int, (int folder, const char *path, int flags),
           (folder, path, flags))
BY_PATH(remove, "weft_path_unlink()", int, (const char *path), (path))
BY_PATH(link, ON_A_WORKER, int, (const char *from, const char *path), (from, path))
BY_PATH(symlink, ON_A_WORKER, int, (const char *to, const char *path), (to, path))
BY_PATH(readlink, ON_A_WORKER, ssize_t, (const char *path, char *buffer, size_t size),
        (path, buffer, size))
BY_PATH(mkdir, "weft_path_mkdir()", int, (const char *path, mode_t mode), (path, mode))
BY_PATH_AT(mkdirat, "weft_path_mkdir()", int, (int folder, const char *path, mode_t mode),
           (folder, path, mode))
BY_PATH(rmdir, "weft_path_rmdir()", int, (const char *path), (path))
BY_PATH(chmod, ON_A_WORKER, int, (const char *path, mode_t mode), (path, mode))
BY_PATH(truncate, ON_A_WORKER, int, (const char *path, off_t size), (path, size))
BY_PATH(truncate64, ON_A_WORKER, int, (const char *path, off64_t size), (path, size))
BY_PATH(statfs, ON_A_WORKER, int, (const char *path, struct statfs *into), (path, into))

/* As the compiler calls these with _FORTIFY_SOURCE. */
char *__realpath_chk(const char *path, char *resolved, size_t room);
ssize_t __readlink_chk(const char *path, char *buffer, size_t size, size_t room);

BY_PATH_AS(__realpath_chk, "realpath", ON_A_WORKER, char *,
           (const char *path, char *resolved, size_t room), (path, resolved, room))
BY_PATH_AS(__readlink_chk, "readlink", ON_A_WORKER, ssize_t,
           (const char *path, char *buffer, size_t size, size_t room), (path, buffer, size, room))

/* As programs call these that were built against glibc before 2.33, and sanitizers. */
int __xstat(int version, const char *path, struct stat *into);
int __lxstat(int version, const char *path, struct stat *into);
int __xstat64(int version, const char *path, struct stat64 *into);
int __lxstat64(int version, const char *path, struct stat64 *into);
int __fxstat(int version, int fd, struct stat *into);
int __fxstat64(int version, int fd, struct stat64 *into);

BY_OLD_PATH(__xstat, "stat", (int version, const char *path, struct stat *into),
            (version, path, into))
BY_OLD_PATH(__lxstat, "lstat", (int version, const char *path, struct stat *into),
            (version, path, into))
BY_OLD_PATH(__xstat64, "stat", (int version, const char *path, struct stat64 *into),
            (version, path, into))
BY_OLD_PATH(__lxstat64, "lstat", (int version, const char *path, struct stat64 *into),
            (version, path, into))

/* ---- By descriptor ---- */

#define BY_FD_AS(name, shown, instead, type, parameters, arguments)  \
    GUARD_WRAPS type name parameters                                 \
    {                                                                \
        GUARD_REAL(name);                                            \
        if (!guard__watches())                                       \
            return real arguments;                                   \
        struct guard__call call = guard__begin_slow(shown, instead); \
        type ret = real arguments;                                   \
        guard__end_file(&call, fd);                                  \
        return ret;                                                  \
    }
#define BY_FD(name, ...) BY_FD_AS(name, #name, __VA_ARGS__)

BY_FD_AS(__fxstat, "fstat", STAT, int, (int version, int fd, struct stat *into),
         (version, fd, into))
BY_FD_AS(__fxstat64, "fstat", STAT, int, (int version, int fd, struct stat64 *into),
         (version, fd, into))

BY_FD(fstat, STAT, int, (int fd, struct stat *into), (fd, into))
BY_FD(fstat64, STAT, int, (int fd, struct stat64 *into), (fd, into))
BY_FD(ftruncate, "weft_file_truncate()", int, (int fd, off_t size), (fd, size))
BY_FD(ftruncate64, "weft_file_truncate()", int, (int fd, off64_t size), (fd, size))
BY_FD(fallocate, ON_A_WORKER, int, (int fd, int mode, off_t offset, off_t size),
      (fd, mode, offset, size))
BY_FD(posix_fallocate, ON_A_WORKER, int, (int fd, off_t offset, off_t size), (fd, offset, size))
BY_FD(copy_file_range, "weft_path_copy()", ssize_t,
      (int from, off64_t *from_at, int fd, off64_t *to_at, size_t size, unsigned flags),
      (from, from_at, fd, to_at, size, flags))

#define LISTS(name, type)                                                          \
    GUARD_WRAPS type *name(DIR *folder)                                            \
    {                                                                              \
        GUARD_REAL(name);                                                          \
        if (!guard__watches())                                                     \
            return real(folder);                                                   \
        struct guard__call call = guard__begin_slow("readdir", "weft_dir_next()"); \
        type *ret = real(folder);                                                  \
        guard__end_file(&call, dirfd(folder));                                     \
        return ret;                                                                \
    }

LISTS(readdir, struct dirent)
LISTS(readdir64, struct dirent64)
