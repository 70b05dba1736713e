/* SPDX-License-Identifier: MIT */
/*
 * Files as answers.
 *
 *     names ─► a job opens it ─► conditions ─► 304, 412, 416, 404 … or
 *                │ small: read as well           all of it or parts: at once what was read, else by the
 *                │ folder: 301, or its index       kernel, or through a filter or coder by pieces
 *
 * The decision is made on the loop, since what it depends on are the request's texts. A job has nothing of
 * the request: it may go on when that is over.
 *
 * Failure modes. Nothing is sent before the file is open and its length known. Should it get shorter while it is
 * sent, the answer cannot be what was promised: it is broken off. Memory is at most one buffer for each answer.
 */
#include "net/http/files/static.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/text.h"
#include "net/http/coding/coding.h"
#include "net/http/files/conditional.h"
#include "net/http/parser/date.h"
#include "net/http/server.h"
#include "net/net.h"

enum { PIECE = 128 * 1024 };

struct http_send_file {
    WEFT_FRAME;
    weft_http_request *request;
    const char *root, *asked;
    struct weft_http_file_options options;
    char *path; /* owned */
    bool is_get, entered;
    struct weft__http_file *found; /* owned */
    int status;                    /* to answer with, or an error */
    struct weft__http_ranges what; /* of it */
    size_t part;                   /* of that which is sent next */
    int64_t first, len;            /* what is left of this part */
    char boundary[20];             /* between several parts */
    weft_file *file;               /* owned; from here on of large ones */
    bool by_kernel;                /* it is sent so */
    char *buffer;                  /* owned; if it is not */
    size_t got;
    int failure;
};

/* ---- Before ---- */

static bool is_hidden(const char *path)
{
    static const char known[] = ".well-known";
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += strspn(at, "/");
        bool well_known = strncmp(at, known, sizeof(known) - 1) == 0 &&
                          (!at[sizeof(known) - 1] || at[sizeof(known) - 1] == '/');
        if (*at == '.' && !well_known)
            return true;
    }
    return false;
}

/* 0, or the status to answer with. */
static int look_at_request(struct http_send_file *self)
{
    const char *method = weft_http_request_method(self->request);
    self->is_get = strcmp(method, "GET") == 0;
    if (!self->is_get && strcmp(method, "HEAD") != 0)
        return 405;
    return !(self->options.flags & WEFT_HTTP_FILE_HIDDEN) && is_hidden(self->path) ? 404 : 0;
}

/* What a failure to open it is answered with; else the failure itself. */
static int as_status(int error)
{
    switch (error) {
    case -ENOENT:
        return 404;
    case -EACCES:
    case -EPERM:
        return 403;
    case -EAGAIN:
        return 503;
    default:
        return error;
    }
}

static weft_future *open_it(const struct http_send_file *self)
{
    return weft__http_open_beneath(self->root, self->path, self->options.flags, self->is_get);
}

/* ---- Folders ---- */

/* Does the path name a folder as links to what is in it need it? */
static bool ends_as_folder(const char *path)
{
    size_t len = strlen(path);
    return len == 0 || path[len - 1] == '/';
}

/* Go on with the index. 0, 301, 404 or -ENOMEM. */
static int enter_folder(struct http_send_file *self)
{
    if (!self->options.index || self->entered)
        return 404;
    self->entered = true;
    if (!ends_as_folder(self->path))
        return 301;
    char *path = weft__format("%s%s", self->path, self->options.index);
    if (!path)
        return -ENOMEM;
    weft__free(self->path);
    self->path = path;
    weft__http_file_free(self->found);
    self->found = NULL;
    return 0;
}

/* The same name with a slash, as it was sent. It is relative, so that no path can lead to another host
 * ("//host/"). */
static int add_location(weft_http_request *request)
{
    const char *target = weft_http_request_target(request);
    size_t len = strcspn(target, "?");
    size_t begin = len;
    while (begin && target[begin - 1] != '/')
        begin--;
    char *location = weft__format("./%.*s/%s", (int)(len - begin), target + begin, target + len);
    int status = location ? weft_http_add_header(request, "Location", location) : -ENOMEM;
    weft__free(location);
    return status;
}

/* ---- What is said of it ---- */

static const char *type_of(const struct http_send_file *self)
{
    const char *type = self->options.content_type;
    return type ? type : weft__http_type_of(self->path);
}

static bool would_be_coded(const struct http_send_file *self)
{
    const weft__http_exchange *request = weft__http_alive(self->request);
    return request && weft__http_would_code(request, type_of(self), self->found->size);
}

static int judge(struct http_send_file *self)
{
    weft_http_request *request = self->request;
    struct weft__http_conditions asked = {
        .if_match = weft_http_request_header(request, "If-Match"),
        .if_none_match = weft_http_request_header(request, "If-None-Match"),
        .if_modified_since = weft_http_request_header(request, "If-Modified-Since"),
        .if_unmodified_since = weft_http_request_header(request, "If-Unmodified-Since"),
        .range = weft_http_request_header(request, "Range"),
        .if_range = weft_http_request_header(request, "If-Range"),
        .is_get = self->is_get,
        .is_coded = would_be_coded(self),
        .now = time(NULL),
    };
    struct weft__http_version version = {self->found->etag, self->found->modified,
                                         self->found->size};
    return weft__http_judge(&asked, &version, &self->what);
}

/* The first that fails counts. */
static void add(int *status, weft_http_request *request, const char *name, const char *value)
{
    if (*status == 0 && value)
        *status = weft_http_add_header(request, name, value);
}

/* "bytes 2-4/10", or of nothing "bytes * /10". */
static void print_range(char text[80], const struct weft__http_range *range, int64_t size)
{
    if (range)
        snprintf(text, 80, "bytes %lld-%lld/%lld", (long long)range->first,
                 (long long)(range->first + range->len - 1), (long long)size);
    else
        snprintf(text, 80, "bytes */%lld", (long long)size);
}

static bool has_parts(const struct http_send_file *self)
{
    return self->status == 206 && self->what.count > 1;
}

static int add_headers(const struct http_send_file *self)
{
    char date[WEFT__HTTP_DATE], range[80];
    const struct weft__http_file *found = self->found;
    int status = 0;
    weft__http_format_date(found->modified, date);
    add(&status, self->request, "ETag", found->etag);
    add(&status, self->request, "Last-Modified", date);
    add(&status, self->request, "Accept-Ranges", "bytes");
    add(&status, self->request, "Cache-Control", self->options.cache_control);
    if ((self->status == 206 && !has_parts(self)) || self->status == 416) {
        print_range(range, self->status == 206 ? &self->what.at[0] : NULL, found->size);
        add(&status, self->request, "Content-Range", range);
    }
    return status;
}

/* Answers without the file. */
static weft_future *answer_briefly(const struct http_send_file *self)
{
    int status = 0;
    if (self->status == 301)
        status = add_location(self->request);
    if (self->status == 405)
        add(&status, self->request, "Allow", "GET, HEAD");
    if (self->found && !self->found->is_folder)
        status = add_headers(self);
    if (status < 0)
        return weft__net_refused(status);
    if (self->status == 304)
        return weft_http_respond(self->request, 304, NULL, NULL, 0);
    return weft_http_respond_status(self->request, self->status);
}

/* ---- Sending ---- */

/* In one piece: HEAD, and what was read. */
static weft_future *send_whole(const struct http_send_file *self)
{
    int status = add_headers(self);
    const struct weft__http_range *what = &self->what.at[0];
    if (status < 0)
        return weft__net_refused(status);
    const char *data = self->found->is_read ? self->found->data + what->first : NULL;
    return weft_http_respond(self->request, self->status, type_of(self), data, (size_t)what->len);
}

/* ---- In parts (RFC 9110, 14.6) ---- */

enum { PART_HEAD = 400 };

/* What is before a part, or behind the last one; how long it is. */
static size_t print_part(const struct http_send_file *self, size_t part, char text[PART_HEAD])
{
    char range[80];
    if (part == self->what.count)
        return (size_t)snprintf(text, PART_HEAD, "\r\n--%s--\r\n", self->boundary);
    print_range(range, &self->what.at[part], self->found->size);
    return (size_t)snprintf(text, PART_HEAD,
                            "\r\n--%s\r\nContent-Type: %.200s\r\nContent-Range: %s\r\n\r\n",
                            self->boundary, type_of(self), range);
}

static int64_t length_of(const struct http_send_file *self)
{
    char text[PART_HEAD];
    int64_t len = 0;
    for (size_t i = 0; i < self->what.count; i++)
        len += self->what.at[i].len;
    for (size_t i = 0; has_parts(self) && i <= self->what.count; i++)
        len += (int64_t)print_part(self, i, text);
    return len;
}

/* What nobody can have written into the file. */
static int start_parts(struct http_send_file *self)
{
    char type[60];
    if (weft__http_has_control(type_of(self), strlen(type_of(self))))
        return -EINVAL;
    snprintf(self->boundary, sizeof(self->boundary), "%016llx",
             (unsigned long long)weft__random(weft__here()));
    snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s", self->boundary);
    return weft_http_start(self->request, 206, type, length_of(self));
}

/* Go to the next part. False: there is none. */
static bool next_part(struct http_send_file *self)
{
    char text[PART_HEAD];
    if (has_parts(self) && self->failure == 0)
        self->failure = weft_http_write(self->request, text, print_part(self, self->part, text));
    if (self->failure < 0 || self->part == self->what.count)
        return false;
    self->first = self->what.at[self->part].first;
    self->len = self->what.at[self->part].len;
    self->part++;
    return true;
}

/* ---- In pieces ---- */

/* The file is the coroutine's from now on. */
static int begin_pieces(struct http_send_file *self)
{
    int status = add_headers(self);
    if (!self->found->is_read) {
        self->file = weft_file_new(self->found->fd);
        if (!self->file)
            return -ENOMEM;
        self->found->fd = -1;
    }
    if (status == 0)
        status = has_parts(self)
                     ? start_parts(self)
                     : weft_http_start(self->request, self->status, type_of(self), length_of(self));
    self->by_kernel = weft__http_can_sendfile(self->request);
    if (status < 0 || self->by_kernel || self->found->is_read)
        return status;
    self->buffer = weft__malloc(PIECE);
    return self->buffer ? 0 : -ENOMEM;
}

/* Of what was read already. */
static int write_read(struct http_send_file *self)
{
    int status = weft_http_write(self->request, self->found->data + self->first, (size_t)self->len);
    self->len = 0;
    return status;
}

/* By the kernel, all that is left of the part; else the next piece is read. */
static weft_future *get_on(const struct http_send_file *self)
{
    if (self->by_kernel)
        return weft__http_sendfile(self->request, weft_file_fd(self->file), self->first,
                                   (size_t)self->len);
    size_t size = self->len < PIECE ? (size_t)self->len : PIECE;
    return weft_file_pread(self->file, self->buffer, size, self->first);
}

static int note_piece(struct http_send_file *self)
{
    self->first += (int64_t)self->got;
    self->len -= (int64_t)self->got;
    return self->by_kernel ? weft__http_file_sent(self->request, self->got)
                           : weft_http_write(self->request, self->buffer, self->got);
}

/* Not on the loop, which may have to wait for it. */
static void close_it(const struct http_send_file *self)
{
    struct weft__http_file *found = self->found;
    weft_file *file =
        !self->file && found && found->fd >= 0 ? weft_file_new(found->fd) : self->file;
    if (file && found)
        found->fd = -1;
    weft_file_unref(file);
    weft__http_file_free(found);
}

static WEFT_ASYNC(http_send_file)
{
    WEFT_BEGIN;
    self->path = weft__strdup(self->asked);
    self->status = self->path ? look_at_request(self) : -ENOMEM;
    while (!self->status) {
        WEFT_CATCH_INTO(self->status, self->found, open_it(self));
        if (self->status < 0) {
            self->status = as_status(self->status);
            if (self->status < 0)
                WEFT_FAIL(self->status, "%s", WEFT_CAUGHT_MESSAGE ? WEFT_CAUGHT_MESSAGE : "");
        } else {
            self->status = self->found->is_folder ? enter_folder(self) : judge(self);
        }
    }
    if (self->status < 0)
        WEFT_FAIL(self->status);
    if (self->status != 200 && self->status != 206) {
        WEFT_AWAIT(answer_briefly(self));
        WEFT_RETURN(self->status);
    }
    if (!self->is_get || (self->found->is_read && !has_parts(self))) {
        WEFT_AWAIT(send_whole(self));
        WEFT_RETURN(self->status);
    }
    self->failure = begin_pieces(self);
    while (self->failure == 0 && next_part(self)) {
        if (self->found->is_read)
            self->failure = write_read(self);
        while (self->failure == 0 && self->len) {
            WEFT_AWAIT_INTO(self->got, get_on(self));
            if (!self->got)
                WEFT_FAIL(WEFT_EPROTO, "%s has got shorter while it was sent", self->path);
            self->failure = note_piece(self);
            if (self->failure == 0)
                WEFT_AWAIT(weft_http_drain(self->request));
        }
    }
    if (self->failure < 0)
        WEFT_FAIL(self->failure);
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_RETURN(self->status);
    WEFT_FINALLY;
    close_it(self);
    weft__free(self->buffer);
    weft__free(self->path);
    WEFT_END;
}

static int check_options(const struct weft_http_file_options *options)
{
    if ((options->size && options->size != sizeof(*options)) ||
        (options->flags & ~(unsigned)(WEFT_HTTP_FILE_NO_LINKS | WEFT_HTTP_FILE_HIDDEN)))
        return -EINVAL;
    return 0;
}

weft_future *weft_http_send_file(weft_http_request *handle, const char *root, const char *path,
                                 const struct weft_http_file_options *options)
{
    static const struct weft_http_file_options none = {0};
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    options = options ? options : &none;
    int status = root && path ? check_options(options) : -EINVAL;
    if (status == 0 && request->answer != WEFT__HTTP_NO_ANSWER)
        status = -EALREADY;
    if (status < 0)
        return weft__net_refused(status);
    return weft_call(http_send_file, .request = handle, .root = root, .asked = path,
                     .options = *options);
}

WEFT_ASYNC(weft_http_files)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_send_file(self->request, self->root, weft_http_request_tail(self->request),
                                   &self->options));
    WEFT_END;
}
