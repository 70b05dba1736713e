/* SPDX-License-Identifier: MIT */
/* Files below a folder, from the inside. See net/http/files/static.c and net/http/files/beneath.c. */
#ifndef WEFT_NET_HTTP_STATIC_H
#define WEFT_NET_HTTP_STATIC_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/http_static.h>

enum { WEFT__HTTP_SMALL_FILE = 32 * 1024 /* read by the job that opens it */ };

/** What was found, and is open; the value of weft__http_open_beneath(). Destructor: that below. */
struct weft__http_file {
    int fd;         /* owned; -1: it is a folder, or all of it is in `data` */
    bool is_folder; /* then nothing else is known */
    bool is_read;
    int64_t size, modified; /* bytes; seconds since 1970 */
    char etag[64];
    char data[]; /* `size` bytes, if it is read */
};

void weft__http_file_free(void *file);

/**
 * Open what `path` leads to below the folder `root`, on a worker; the value is a struct weft__http_file.
 * Without `wanted` it is closed again; with it, a small one is read and closed.
 *
 * Errors: by the future: -ENOENT (also what is neither file nor folder, and what leads out of the
 * folder), -EACCES, and what else open() has to say; those of jobs.
 */
weft_future *weft__http_open_beneath(const char *root, const char *path,
                                     enum weft_http_file_flags flags, bool wanted);

/** openat2() beneath an open folder, or what it does by hand (`by_hand`: also where there is one). The
 * descriptor or -errno. Thread: any but the loop's. */
int weft__http_open_at(int folder, const char *path, enum weft_http_file_flags flags, bool by_hand);

/** "text/html" … by the ending of a name. Static. */
const char *weft__http_type_of(const char *name);

#endif
