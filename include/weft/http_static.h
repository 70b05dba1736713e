/* SPDX-License-Identifier: MIT */
/**
 * Files below a folder, sent as answers.
 *
 *     weft_http_route(server, "GET /static/...", weft_http_files, .root = "/srv/www",
 *                     .options = {.index = "index.html", .cache_control = "max-age=3600"});
 *
 * or from a handler of your own, when it is known who may see what:
 *
 *     WEFT_AWAIT(weft_http_send_file(self->request, "/srv/reports", self->name, NULL));
 *
 * Nothing outside of the folder is ever sent, whatever the path says and whatever links lead to
 * (openat2() with RESOLVE_BENEATH; without it links are not followed). Files are opened and read on
 * workers, in the pool's lane "files".
 *
 * An answer has ETag and Last-Modified, and heeds If-Match, If-None-Match, If-Modified-Since,
 * If-Unmodified-Since (304, 412), Range and If-Range (206, 416). Several ranges at once are sent as
 * multipart/byteranges, in the order that was asked for; those that overlap or are near each other are
 * one, and more than 16 are answered with the whole file. HEAD gets the same head as GET.
 *
 * The ETag is made of the file's number, size and time of change in nanoseconds. It is weak while that is
 * less than two seconds ago, when another change may leave it the same; parts are then
 * sent to those only who do not ask for If-Range.
 */
#ifndef WEFT_HTTP_STATIC_H
#define WEFT_HTTP_STATIC_H

#include <stddef.h>
#include <stdint.h>
#include <weft/bytes.h>
#include <weft/file.h>
#include <weft/future.h>
#include <weft/http_server.h>
#include <weft/macros.h>
#include <weft/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weft_http_file_flags {
    WEFT_HTTP_FILE_NO_LINKS = 1, /* symbolic links are not followed, wherever they lead */
    WEFT_HTTP_FILE_HIDDEN = 2    /* names that begin with "." are sent, too */
};

/** Zero is the default of every field. */
struct weft_http_file_options {
    size_t size;              /* sizeof(struct weft_http_file_options), or 0 for "this version" */
    const char *content_type; /* NULL: by the ending of the name; else "application/octet-stream" */
    const char *cache_control; /* value of that header; NULL: none */
    const char
        *index; /* the file that stands for its folder: "index.html"; NULL: folders are 404 */
    enum weft_http_file_flags flags;
};

/**
 * Answer a GET or HEAD with the file that `path` leads to below the folder `root`; the value is the
 * status that was answered.
 *
 * 404: it is not there, is neither file nor folder, leads out of the root, or one of its names begins with
 * "." (but ".well-known"). 403: it may not be read. 405: another method. 503: too many jobs wait. A folder
 * with an index is 301 unless the path ends with "/". Headers that were added before stay.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL. `path` is copied; `root`, and what `options` (NULL: the
 *            defaults) points to, is borrowed until it is done.
 * Errors:    by the future, without an answer: -EALREADY (there is one), -ENOTDIR (`root` is no folder),
 *            -EMFILE, -ENFILE, -EIO, -EINVAL (options that make no sense), -ENOMEM, -ECANCELED; within
 *            one: WEFT_EPROTO (the file got shorter), -EIO, and as weft_http_write().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_http_send_file(weft_http_request *request, const char *root, const char *path,
                    const struct weft_http_file_options *options);

/**
 * A handler that does it, for what the "..." of its route stands for.
 * Since: 0.1
 */
struct weft_http_files {
    WEFT_FRAME;
    weft_http_request *request;
    const char *root;
    struct weft_http_file_options options;
};
WEFT_PUBLIC WEFT_ASYNC_DECLARE(weft_http_files);

#ifdef __cplusplus
}
#endif

#endif
