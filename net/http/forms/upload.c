/* SPDX-License-Identifier: MIT */
/*
 * Uploads.
 *
 *     weft_http_read() ─► multipart.c ─► a field: memory
 *                                    └► a file: weft_file_write(), awaited before more is read
 *
 * One piece is under way at a time, so that the client waits for the disk. What the parser hands out of a file
 * may be as little as a byte (after each CR it looks for the delimiter), so it is moved together at the
 * front of the buffer first: a job for each piece that was read, whatever is in it.
 *
 * Files are made without a name (O_TMPFILE); where the file system cannot, with one that is taken away at
 * once. Keeping one links it to its name, or copies it where that cannot be done.
 *
 * Failure modes: what is the client's fault is blamed on the body (400, 413, 415). All others fail the
 * reading; what was read is freed with it.
 */
#include <weft/http_upload.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/text.h"
#include "net/http/forms/multipart.h"
#include "net/http/server.h"
#include "net/net.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"

enum {
    PIECE = 64 * 1024,
    MARGIN =
        128 /* of the buffer: the beginning of a delimiter that was none, of the piece before */
};
_Static_assert((int)MARGIN > WEFT__MULTIPART_BOUNDARY + 4, "a delimiter has room");

struct part {
    struct weft_http_part part; /* first */
    struct part *next;
    char *name, *filename, *content_type, *value; /* owned */
    size_t room;                                  /* of the value */
};

struct weft_http_upload {
    uint32_t loop_id; /* [const] */
    struct part *first, **last;
    size_t count;
    uint64_t total;
};

/* ---- The object ---- */

static void free_part(struct part *part)
{
    weft_file_unref(part->part.file);
    weft__free(part->name);
    weft__free(part->filename);
    weft__free(part->content_type);
    weft__free(part->value);
    weft__free(part);
}

void weft_http_upload_free(weft_http_upload *upload)
{
    if (upload && WEFT__ELSEWHERE(upload->loop_id))
        return;
    while (upload && upload->first) {
        struct part *next = upload->first->next;
        free_part(upload->first);
        upload->first = next;
    }
    weft__free(upload);
}

static void destroy(void *upload)
{
    weft_http_upload_free(upload);
}

const struct weft_http_part *weft_http_upload_get(const weft_http_upload *upload, const char *name)
{
    for (const struct part *part = upload->first; part; part = part->next)
        if (strcmp(part->name, name) == 0)
            return &part->part;
    return NULL;
}

const struct weft_http_part *weft_http_upload_at(const weft_http_upload *upload, size_t index)
{
    const struct part *part = upload->first;
    while (part && index--)
        part = part->next;
    return part ? &part->part : NULL;
}

/* ---- A file without a name: a job ---- */

/* The value of the job. */
struct opened {
    int fd; /* owned; -1: it was taken */
};

static void close_opened(void *value)
{
    struct opened *opened = value;
    if (opened && opened->fd >= 0)
        close(opened->fd);
    weft__free(opened);
}

/* `text` is the folder, and a name in it. */
static int open_unnamed(const char *folder, const char *name)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink(name);
    return fd;
}

static weft_result run_open(void *args)
{
    const struct weft__path_call *call = args;
    struct opened *opened = weft__malloc(sizeof(*opened));
    if (!opened)
        return weft_err(-ENOMEM);
    opened->fd = open_unnamed(call->text, weft__path_second(call));
    if (opened->fd >= 0)
        return weft_ok(opened, close_opened);
    int error = errno;
    weft__free(opened);
    return weft__file_error(call->what, call->text, error);
}

static weft_future *open_file(const char *folder)
{
    char name[WEFT__FILE_PATH];
    weft_loop *loop = weft__here();
    unsigned long long high = weft__random(loop), low = weft__random(loop);
    struct weft_job_options options = weft__file_options();
    struct weft__path_call call = {.what = "upload to"};
    int len = snprintf(name, sizeof(name), "%s/.upload-%016llx%016llx", folder, high, low);
    if (len < 0 || (size_t)len >= sizeof(name))
        return weft__net_refused(-ENAMETOOLONG);
    return weft__path_submit(&options, "weft_http_read_upload", run_open, &call, folder, name);
}

/* ---- Reading ---- */

struct http_read_upload {
    WEFT_FRAME;
    weft_http_request *request;
    struct weft_http_upload_options options;
    struct weft__http_multipart *parser; /* owned */
    weft_http_upload *upload;            /* owned; the value */
    struct part *part;                   /* of the upload */
    char *buffer;                        /* owned: MARGIN, and what was read */
    size_t len, at;                      /* of what was read */
    size_t out;                          /* how much is moved together at the front */
    enum weft__multipart_event event;
    struct opened *opened; /* owned */
    int status;
};

/* The client's fault. */
static int blame(const struct http_read_upload *self, int error, int status)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(self->request);
    return request ? weft__http_blame_body(request, error, status) : WEFT_ECLOSED;
}

static int begin(struct http_read_upload *self)
{
    self->upload = weft__calloc(1, sizeof(*self->upload));
    if (self->upload)
        self->upload->loop_id = weft__here()->id;
    self->parser = weft__calloc(1, sizeof(*self->parser));
    self->buffer = weft__malloc(MARGIN + PIECE);
    if (!self->upload || !self->parser || !self->buffer)
        return -ENOMEM;
    self->upload->last = &self->upload->first;
    const char *type = weft_http_request_header(self->request, "Content-Type");
    return weft__http_multipart_init(self->parser, type) ? 0 : blame(self, WEFT_EPROTO, 415);
}

static bool copy_text(char **to, const char *text)
{
    *to = weft__strdup(text);
    return *to || !text;
}

static int begin_part(struct http_read_upload *self)
{
    const struct weft__http_multipart *parser = self->parser;
    weft_http_upload *upload = self->upload;
    if (upload->count++ == self->options.max_parts)
        return blame(self, WEFT_ELIMIT, 413);
    struct part *part = weft__calloc(1, sizeof(*part));
    if (!part)
        return -ENOMEM;
    *upload->last = self->part = part;
    upload->last = &part->next;
    if (!copy_text(&part->name, parser->name) || !copy_text(&part->filename, parser->filename) ||
        !copy_text(&part->content_type, parser->content_type))
        return -ENOMEM;
    part->part = (struct weft_http_part){
        .name = part->name,
        .value = "",
        .filename = part->filename,
        .content_type = part->content_type,
    };
    return 0;
}

static int take_file(struct http_read_upload *self)
{
    self->part->part.file = weft_file_new(self->opened->fd);
    if (self->part->part.file)
        self->opened->fd = -1;
    close_opened(self->opened);
    self->opened = NULL;
    return self->part->part.file ? 0 : -ENOMEM;
}

static int append(struct part *part, const char *data, size_t len)
{
    size_t need = part->part.value_len + len + 1;
    if (need > part->room) {
        size_t room = 2 * part->room > need ? 2 * part->room : need;
        char *value = weft__realloc(part->value, room);
        if (!value)
            return -ENOMEM;
        part->part.value = part->value = value;
        part->room = room;
    }
    memcpy(part->value + part->part.value_len, data, len);
    part->part.value_len += len;
    part->value[part->part.value_len] = 0;
    return 0;
}

/* A piece of the content. */
static int take_data(struct http_read_upload *self)
{
    struct part *part = self->part;
    size_t len = self->parser->data.len;
    self->upload->total += len;
    if (part->part.file)
        part->part.size += len;
    bool too_much = self->upload->total > self->options.max_total ||
                    part->part.size > self->options.max_file ||
                    (!part->part.file && part->part.value_len + len > self->options.max_field);
    if (too_much)
        return blame(self, WEFT_ELIMIT, 413);
    if (!part->part.file)
        return append(part, self->parser->data.data, len);
    memmove(self->buffer + self->out, self->parser->data.data, len);
    self->out += len;
    return 0;
}

/* The next event within the buffer, and what it needs no job for. 1: a file is to be opened; 2: what was
 * moved together is to be written; 0: more is to be read; or an error. */
static int advance(struct http_read_upload *self)
{
    for (;;) {
        size_t used;
        int status = 0;
        self->event = weft__http_multipart_feed(self->parser, self->buffer + MARGIN + self->at,
                                                self->len - self->at, &used);
        self->at += used;
        switch (self->event) {
        case WEFT__MULTIPART_MORE:
            return self->out ? 2 : 0;
        case WEFT__MULTIPART_PART:
            status = begin_part(self);
            if (status == 0 && self->part->filename)
                return 1;
            break;
        case WEFT__MULTIPART_DATA:
            status = take_data(self);
            break;
        case WEFT__MULTIPART_END:
            if (self->out)
                return 2;
            break;
        case WEFT__MULTIPART_ERROR:
        default:
            status = blame(self, WEFT_EPROTO, 400);
        }
        if (status < 0)
            return status;
    }
}

static weft_future *write_piece(struct http_read_upload *self)
{
    size_t len = self->out;
    self->out = 0; /* nothing is moved before it is written */
    return weft_file_write(self->part->part.file, self->buffer, len);
}

static const char *reason(const struct http_read_upload *self)
{
    return self->parser && self->parser->reason ? self->parser->reason : "it cannot be read";
}

static WEFT_ASYNC(http_read_upload)
{
    WEFT_BEGIN;
    self->status = begin(self);
    while (self->status == 0) {
        WEFT_AWAIT_INTO(self->len, weft_http_read(self->request, self->buffer + MARGIN, PIECE));
        if (!self->len)
            break;
        self->at = 0;
        while ((self->status = advance(self)) > 0) {
            if (self->status == 2) {
                WEFT_AWAIT(write_piece(self));
                continue;
            }
            WEFT_AWAIT_INTO(self->opened, open_file(self->options.folder));
            self->status = take_file(self);
            if (self->status < 0)
                WEFT_FAIL(self->status);
        }
    }
    if (self->status == 0 && !weft__http_multipart_is_whole(self->parser))
        self->status = blame(self, WEFT_EPROTO, 400);
    if (self->status < 0)
        WEFT_FAIL(self->status, "upload: %s", reason(self));
    WEFT_RETURN(self->upload, destroy);
    WEFT_FINALLY;
    weft__free(self->buffer);
    weft__free(self->parser);
    if (WEFT_OUTCOME < 0)
        weft_http_upload_free(self->upload);
    WEFT_END;
}

static int set_options(struct weft_http_upload_options *full,
                       const struct weft_http_upload_options *options)
{
    if (options && options->size && options->size != sizeof(*options))
        return -EINVAL;
    if (options)
        *full = *options;
    full->folder = full->folder ? full->folder : "/tmp";
    full->max_parts = full->max_parts ? full->max_parts : 100;
    full->max_field = full->max_field ? full->max_field : 64 * 1024;
    full->max_file = full->max_file ? full->max_file : 16 << 20;
    full->max_total = full->max_total ? full->max_total : 64 << 20;
    return 0;
}

weft_future *weft_http_read_upload(weft_http_request *request,
                                   const struct weft_http_upload_options *options)
{
    struct weft_http_upload_options full = {0};
    if (!WEFT__HTTP_REQUEST(request))
        return weft__http_gone_future();
    if (set_options(&full, options) < 0)
        return weft__net_refused(-EINVAL);
    return weft_call(http_read_upload, .request = request, .options = full);
}

/* ---- Keeping ---- */

/* Into a file that is there and empty. 0 or an errno. */
static int copy_content(int from, int to)
{
    char piece[16 * 1024];
    off_t at = 0;
    for (;;) {
        ssize_t got = pread(from, piece, sizeof(piece), at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : 0;
        size_t done;
        int error = weft__io_write_all(to, piece, (size_t)got, &done);
        if (error)
            return error;
        at += got;
    }
}

static int copy_to(int from, const char *path)
{
    int to = weft__path_open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (to < 0)
        return -to;
    int error = copy_content(from, to);
    if (close(to) < 0 && !error && errno != EINTR)
        error = errno;
    if (error)
        unlink(path);
    return error;
}

/* The descriptor is the job's own: the part's file may be closed meanwhile. */
static void release_keep(void *args)
{
    const struct weft__path_call *call = args;
    close((int)call->number);
}

static weft_result run_keep(void *args)
{
    const struct weft__path_call *call = args;
    int fd = (int)call->number;
    char name[32];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    int error = linkat(AT_FDCWD, name, AT_FDCWD, call->text, AT_SYMLINK_FOLLOW) < 0 ? errno : 0;
    if (error == EXDEV || error == ENOENT) /* the latter also of a file that had a name once */
        error = copy_to(fd, call->text);
    return error ? weft__file_error(call->what, call->text, error) : weft_ok(0);
}

weft_future *weft_http_upload_keep(const weft_http_upload *upload,
                                   const struct weft_http_part *part, const char *path)
{
    if (upload && WEFT__ELSEWHERE(upload->loop_id))
        return weft__future_elsewhere();
    if (!upload || !part || !part->file || !path)
        return weft__net_refused(-EINVAL);
    if (strlen(path) >= WEFT__FILE_PATH)
        return weft__net_refused(-ENAMETOOLONG);
    int own = weft_file_fd(part->file);
    int fd = own < 0 ? -EBADF : fcntl(own, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return weft__net_refused(own < 0 ? own : -errno);
    struct weft_job_options options = weft__file_options();
    options.release = release_keep;
    struct weft__path_call call = {.what = "keep", .number = fd};
    return weft__path_submit(&options, "weft_http_upload_keep", run_keep, &call, path, NULL);
}
