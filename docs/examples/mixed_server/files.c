/* SPDX-License-Identifier: MIT */
/* Files of any size, with a bounded buffer each: /files/ sends them, /wc/ counts them. */
#define _GNU_SOURCE /* the C library beyond C11 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "site.h"

enum { CHUNK = 64 * 1024 };

/* ---- Blocking functions ---- */

struct file {
    int fd;
    int64_t size;
};

static void close_file(void *file)
{
    if (file)
        close(((struct file *)file)->fd);
    free(file);
}

/* Open a path below the folder, a name at a time: a symbolic link, "." or ".." is no name. */
static int open_below(int folder, const char *path)
{
    char name[256];
    int at = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    while (at >= 0) {
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        if (len == 0 || len >= sizeof(name) ||
            (path[0] == '.' && len <= 2 && path[len - 1] == '.')) {
            close(at);
            errno = ENOENT;
            return -1;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY);
        int next = openat(at, name, flags);
        close(at);
        if (last)
            return next;
        at = next;
        path += len + 1;
    }
    return -1;
}

struct open_file {
    int root;
    const char *path;
};

static WEFT_BLOCKING(open_file)
{
    struct stat about;
    int fd = open_below(self->root, self->path);
    if (fd < 0)
        return weft_err(-errno);
    bool good = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    struct file *file = good ? malloc(sizeof(*file)) : NULL;
    if (!file) {
        close(fd);
        return weft_err(good ? -ENOMEM : -ENOENT);
    }
    *file = (struct file){fd, about.st_size};
    return weft_ok(file, close_file);
}

struct read_file {
    int fd;
    char *buffer;
    size_t size;
};

static WEFT_BLOCKING(read_file)
{
    ssize_t got = read(self->fd, self->buffer, self->size);
    return got < 0 ? weft_err(-errno) : weft_ok(got);
}

struct counts {
    long long lines, words, bytes;
    bool in_word;
};

struct count_words {
    int fd;
    struct counts *counts;
};

static void count_chunk(struct counts *counts, const char *text, size_t len)
{
    counts->bytes += (long long)len;
    for (size_t i = 0; i < len; i++) {
        bool space = text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r');
        counts->lines += text[i] == '\n';
        counts->words += !counts->in_word && !space;
        counts->in_word = !space;
    }
}

/* However long it takes: it looks whether its client is still there. */
static WEFT_BLOCKING(count_words)
{
    char *buffer = malloc(CHUNK);
    ssize_t got = buffer ? 1 : -1;
    while (got > 0 && !weft_job_cancelled() && (got = read(self->fd, buffer, CHUNK)) > 0)
        count_chunk(self->counts, buffer, (size_t)got);
    int error = got < 0 ? errno : got > 0 ? ECANCELED : 0;
    free(buffer);
    return error ? weft_err(-error) : weft_ok(0);
}

/* ---- Handlers ---- */

static int http_status_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ELOOP:
    case -ENXIO:
        return 404;
    case -EACCES:
    case -EPERM:
        return 403;
    default:
        return 500;
    }
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"}, {".css", "text/css"},   {".js", "text/javascript"},
        {".txt", "text/plain; charset=utf-8"}, {".png", "image/png"},  {".md", "text/markdown"},
        {".json", "application/json"},         {".jpg", "image/jpeg"}, {".svg", "image/svg+xml"},
    };
    const char *end = strrchr(path, '.');
    for (size_t i = 0; end && i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(end, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

/* A file of any size goes through one buffer: the next piece is read when the client took this one. */
struct send_file {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    struct file *file;
    char *buffer;
    int64_t got, left;
    int status;
};

static size_t next_piece(int64_t left)
{
    return left < CHUNK ? (size_t)left : CHUNK;
}

static WEFT_ASYNC(send_file)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->file,
                    weft_to_thread_in(self->site->files, open_file, .root = self->site->root,
                                      .path = weft_http_request_tail(self->request)));
    if (self->status < 0) {
        WEFT_AWAIT(weft_http_respond_status(self->request, http_status_of(self->status)));
        WEFT_RETURN(0);
    }
    self->buffer = malloc(CHUNK);
    if (!self->buffer)
        WEFT_FAIL(-ENOMEM);
    weft_http_start(self->request, 200, type_of(weft_http_request_tail(self->request)),
                    self->file->size);
    /* The length was promised: what is appended meanwhile is left out. */
    self->left = is_head(self->request) ? 0 : self->file->size;
    while (self->left > 0) {
        WEFT_AWAIT_INTO(self->got,
                        weft_to_thread_in(self->site->files, read_file, .fd = self->file->fd,
                                          .buffer = self->buffer, .size = next_piece(self->left)));
        if (self->got == 0)
            break; /* it was cut off meanwhile: weft_http_end() says so */
        self->status = weft_http_write(self->request, self->buffer, (size_t)self->got);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        self->left -= self->got;
        WEFT_AWAIT(weft_http_drain(self->request));
    }
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_FINALLY;
    free(self->buffer);
    close_file(self->file);
    WEFT_END;
}

struct word_count {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    struct file *file;
    struct counts counts;
    int status;
};

static WEFT_ASYNC(word_count)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->file,
                    weft_to_thread_in(self->site->files, open_file, .root = self->site->root,
                                      .path = weft_http_request_tail(self->request)));
    if (self->status < 0) {
        WEFT_AWAIT(weft_http_respond_status(self->request, http_status_of(self->status)));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT(weft_offload((&(struct weft_job_options){.lane = self->site->files,
                                                        .on_cancel = WEFT_CANCEL_COOPERATIVE}),
                            count_words, .fd = self->file->fd, .counts = &self->counts));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "application/json",
                                  "{\"lines\":%lld,\"words\":%lld,\"bytes\":%lld}\n",
                                  self->counts.lines, self->counts.words, self->counts.bytes));
    WEFT_FINALLY;
    close_file(self->file);
    WEFT_END;
}

void add_file_routes(struct site *site)
{
    weft_http_route(site->server, "GET /files/...", send_file, .site = site);
    weft_http_route(site->server, "GET /wc/...", word_count, .site = site);
}
