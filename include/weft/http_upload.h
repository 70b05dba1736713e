/* SPDX-License-Identifier: MIT */
/**
 * Uploads: forms with files (multipart/form-data), written to disk as they arrive.
 *
 *     WEFT_AWAIT_INTO(self->upload, weft_http_read_upload(self->request, NULL));
 *     self->photo = weft_http_upload_get(self->upload, "photo");
 *     if (self->photo && self->photo->file)
 *         WEFT_AWAIT(weft_http_upload_keep(self->upload, self->photo, "/srv/photos/17.jpg"));
 *     …
 *     weft_http_upload_free(self->upload);
 *
 * No more of it is in memory than a piece of 64 KiB and the fields that are no files. A client that sends
 * faster than the disk writes has to wait.
 *
 * Files have no name until they are kept: whatever happens (a failure, a cancel, the end of the
 * process), nothing is left behind, and nothing is to be cleared away.
 */
#ifndef WEFT_HTTP_UPLOAD_H
#define WEFT_HTTP_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/file.h>
#include <weft/future.h>
#include <weft/http_server.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Zero is the default of every field. More than a limit: 413. */
struct weft_http_upload_options {
    size_t size;        /* sizeof(struct weft_http_upload_options), or 0 for "this version" */
    const char *folder; /* where files are written; NULL: "/tmp" */
    size_t max_parts;   /* 0: 100 */
    size_t max_field;   /* bytes of a part that is no file; 0: 64 KiB */
    uint64_t max_file;  /* bytes of a file; 0: 16 MiB */
    uint64_t max_total; /* bytes of all files and fields; 0: 64 MiB */
};

/** What was uploaded, in the order in which it was sent. */
typedef struct weft_http_upload weft_http_upload;

/** A part. All of it is borrowed, as long as the upload is there. */
struct weft_http_part {
    const char *name;
    const char *value;        /* of what is no file; "" of a file */
    size_t value_len;         /* a value may hold NULs; one follows it */
    const char *filename;     /* as the client calls it, without folders; NULL: it is no file */
    const char *content_type; /* as the client says; NULL: it does not */
    weft_file *file;          /* to read and write; NULL: it is no file */
    uint64_t size;            /* of the file */
};

/**
 * Read the body of a request as an upload; the value is a weft_http_upload.
 *
 * A handler that passes its failure on (as WEFT_AWAIT_INTO does) has answered with the status that fits:
 * 415 if the body is of another type, 400 if it is malformed, 413 if it is too much.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL. `options` is copied; its folder is borrowed until it is
 *            done. The value has a destructor: take it and call weft_http_upload_free().
 * Errors:    by the future: WEFT_EPROTO (another type, malformed), WEFT_ELIMIT (too much), -EINVAL (options
 *            that make no sense), and as weft_http_read(), weft_file_open() and weft_file_write().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_http_read_upload(weft_http_request *request, const struct weft_http_upload_options *options);

/**
 * The first part of that name; NULL: there is none. Borrowed. Thread: any. Since: 0.1
 */
WEFT_PUBLIC const struct weft_http_part *weft_http_upload_get(const weft_http_upload *upload,
                                                              const char *name);

/** The part at `index`, from 0; NULL behind the last. Borrowed. Thread: any. Since: 0.1 */
WEFT_PUBLIC const struct weft_http_part *weft_http_upload_at(const weft_http_upload *upload,
                                                             size_t index);

/**
 * Give a file a name: a path of your own making, never the client's.
 *
 * Without a copy if it is on the file system of the upload's folder and that can do so. What is there
 * is not replaced. It is this user's alone (mode 0600) until you say otherwise. It is in the kernel's memory; weft_file_fsync() of the part's file puts it on the disk.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The path is copied; the upload is borrowed until it is
 *            done. The part's file stays open.
 * Errors:    by the future: -EINVAL (the part is no file), -EEXIST, -ENOENT, -EACCES, -ENOSPC and what
 *            else open() and write() have to say, -ECANCELED, -ENOMEM, and as weft_to_thread().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_upload_keep(const weft_http_upload *upload,
                                                               const struct weft_http_part *part,
                                                               const char *path);

/**
 * Free an upload, and close its files; those that were not kept are gone. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the upload.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_http_upload_free(weft_http_upload *upload);

#ifdef __cplusplus
}
#endif

#endif
