/* SPDX-License-Identifier: MIT */
/* Guide: forms, uploads, files. A server that takes what browsers send, and clients that do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/connect.h>
#include <weft/http_cookie.h>
#include <weft/http_form.h>
#include <weft/http_static.h>
#include <weft/http_upload.h>
#include <weft/weft.h>

/* ---- A form, and a cookie ---- */

struct log_in {
    WEFT_FRAME;
    weft_http_request *request;
    weft_http_form *form;
    const char *name; /* the form's */
};

static WEFT_ASYNC(log_in)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->form, weft_http_read_form(self->request));
    self->name = weft_http_form_get(self->form, "name");
    if (!self->name || !*self->name) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "who are you?\n"));
        WEFT_RETURN(0);
    }
    weft_http_set_cookie(self->request,
                         &(struct weft_http_cookie){
                             .name = "visits", .value = "1", .path = "/", .max_age = WEFT_S(3600)});
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "hello, %s\n", self->name));

    WEFT_FINALLY;
    weft_http_form_free(self->form);
    WEFT_END;
}

struct come_back {
    WEFT_FRAME;
    weft_http_request *request;
    const char *visits; /* the request's */
};

static WEFT_ASYNC(come_back)
{
    WEFT_BEGIN;
    self->visits = weft_http_request_cookie(self->request, "visits");
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "visits so far: %s\n",
                                  self->visits ? self->visits : "none"));
    WEFT_END;
}

/* ---- Files by a form ---- */

struct add_photo {
    WEFT_FRAME;
    weft_http_request *request;
    const char *folder;
    weft_http_upload *upload;
    const struct weft_http_part *photo; /* the upload's */
    char path[128];
};

static WEFT_ASYNC(add_photo)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(
        self->upload,
        weft_http_read_upload(self->request, &(struct weft_http_upload_options){
                                                 .folder = self->folder, .max_file = 10 << 20}));
    self->photo = weft_http_upload_get(self->upload, "photo");
    if (!self->photo || !self->photo->file) {
        WEFT_AWAIT(weft_http_respondf(self->request, 400, "text/plain", "where is the photo?\n"));
        WEFT_RETURN(0);
    }
    snprintf(self->path, sizeof(self->path), "%s/17.jpg", self->folder); /* a name of our own */
    WEFT_AWAIT(weft_http_upload_keep(self->upload, self->photo, self->path));
    WEFT_AWAIT(weft_http_respondf(self->request, 201, "text/plain", "%llu bytes of %s\n",
                                  (unsigned long long)self->photo->size, self->photo->filename));

    WEFT_FINALLY;
    weft_http_upload_free(self->upload);
    WEFT_END;
}

/* ---- A body of any length, to disk ---- */

struct put_backup {
    WEFT_FRAME;
    weft_http_request *request;
    const char *folder;
    unsigned *counter; /* shared by all requests: a name for each */
    weft_file *file;
    char part[128], path[128];
    char piece[16384];
    size_t len, all;
    int status;
};

static WEFT_ASYNC(put_backup)
{
    WEFT_BEGIN;
    snprintf(self->path, sizeof(self->path), "%s/backup", self->folder);
    snprintf(self->part, sizeof(self->part), "%s/.backup.%u", self->folder, ++*self->counter);
    WEFT_AWAIT_INTO(self->file, weft_file_open(self->part, O_WRONLY | O_CREAT | O_EXCL, 0600));
    for (;;) {
        WEFT_AWAIT_INTO(self->len, weft_http_read(self->request, self->piece, sizeof(self->piece)));
        if (self->len == 0)
            break;
        WEFT_AWAIT(weft_file_write(self->file, self->piece, self->len)); /* the client waits */
        self->all += self->len;
    }
    WEFT_AWAIT(weft_file_fsync(self->file));
    WEFT_AWAIT(weft_path_rename(self->part, self->path)); /* whole, or not at all */
    WEFT_AWAIT(weft_http_respondf(self->request, 201, "text/plain", "%zu bytes\n", self->all));

    WEFT_FINALLY;
    if (self->file && WEFT_OUTCOME < 0)
        WEFT_CATCH(self->status, weft_path_unlink(self->part));
    weft_file_unref(self->file);
    WEFT_END;
}

/* ---- A client: it speaks HTTP/1.0, so that the answer ends with the connection ---- */

struct ask {
    WEFT_FRAME;
    const char *address, *line, *fields, *body;
    weft_stream *stream;
    char head[256];
    const weft_bytes *got; /* lent by the stream */
};

static bool is_worth_showing(const char *line)
{
    static const char *const shown[] = {"HTTP/", "Set-Cookie", "Content-Range"};
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        if (strncmp(line, shown[i], strlen(shown[i])) == 0)
            return true;
    return *line && (!strchr(line, ':') || strchr(line, ' ') != strchr(line, ':') + 1);
}

static WEFT_ASYNC(ask)
{
    static const struct weft_lines_options by_crlf = {.ends = WEFT_LINES_CRLF};
    WEFT_BEGIN;
    snprintf(self->head, sizeof(self->head), "%s HTTP/1.0\r\n%sContent-Length: %zu\r\n\r\n",
             self->line, self->fields, strlen(self->body));
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    weft_write(self->stream, self->head, strlen(self->head));
    weft_write(self->stream, self->body, strlen(self->body));
    for (;;) {
        WEFT_AWAIT_INTO(self->got, weft_next_line(self->stream, &by_crlf));
        if (!self->got)
            break;
        if (is_worth_showing(self->got->data))
            printf("  %s\n", self->got->data);
    }
    WEFT_FINALLY;
    weft_stream_free(self->stream);
    WEFT_END;
}

/* ---- All of it, in a folder of its own ---- */

static const char photo[] =
    "--frontier\r\n"
    "Content-Disposition: form-data; name=\"title\"\r\n\r\n"
    "the sea\r\n"
    "--frontier\r\n"
    "Content-Disposition: form-data; name=\"photo\"; filename=\"sea.jpg\"\r\n"
    "Content-Type: image/jpeg\r\n\r\n"
    "waves\r\n"
    "--frontier--\r\n";

struct serve {
    WEFT_FRAME;
    char folder[64], backup[128], kept[128];
    unsigned counter;
    weft_http_server *server;
    const char *address;
    int status;
};

#define ASK(line_, fields_, body_) \
    weft_call(ask, .address = self->address, .line = line_, .fields = fields_, .body = body_)

static void set_up(struct serve *self)
{
    weft_http_route(self->server, "POST /login", log_in);
    weft_http_route(self->server, "GET /", come_back);
    weft_http_route(self->server, "POST /photos", add_photo, .folder = self->folder);
    weft_http_route(self->server, "PUT /backup", put_backup, .folder = self->folder,
                    .counter = &self->counter);
    weft_http_route(self->server, "GET /static/...", weft_http_files, .root = self->folder,
                    .options = {.index = "index.html", .cache_control = "max-age=3600"});
}

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    snprintf(self->folder, sizeof(self->folder), "/tmp/weft-forms-%ld", (long)getpid());
    snprintf(self->kept, sizeof(self->kept), "%s/17.jpg", self->folder);
    snprintf(self->backup, sizeof(self->backup), "%s/backup", self->folder);
    WEFT_AWAIT(weft_path_mkdir(self->folder, 0700));
    self->server = weft_http_server_new(NULL);
    if (!self->server)
        WEFT_FAIL(-errno);
    set_up(self);
    if (weft_http_server_listen(self->server, "127.0.0.1:0") < 0)
        WEFT_FAIL(-errno, "cannot listen");

    self->address = weft_http_server_address(self->server);

    printf("forms and cookies:\n");
    WEFT_AWAIT(ASK("POST /login", "Content-Type: application/x-www-form-urlencoded\r\n",
                   "name=Ada+Lovelace&password=x"));
    WEFT_AWAIT(ASK("POST /login", "Content-Type: application/json\r\n", "{}"));
    WEFT_AWAIT(ASK("GET /", "Cookie: visits=1\r\n", ""));
    printf("uploads:\n");
    WEFT_AWAIT(
        ASK("POST /photos", "Content-Type: multipart/form-data; boundary=frontier\r\n", photo));
    WEFT_AWAIT(ASK("PUT /backup", "", "all that matters"));
    printf("files:\n");
    WEFT_AWAIT(ASK("GET /static/17.jpg", "", ""));
    WEFT_AWAIT(ASK("GET /static/17.jpg", "Range: bytes=0-3\r\n", ""));
    WEFT_AWAIT(ASK("GET /static/17.jpg", "If-None-Match: *\r\n", ""));
    WEFT_AWAIT(ASK("GET /static/%2e%2e/passwd", "", ""));

    WEFT_AWAIT(weft_path_unlink(self->kept));
    WEFT_AWAIT(weft_path_unlink(self->backup));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_CATCH(self->status, weft_path_rmdir(self->folder));
    WEFT_END;
}

int main(void)
{
    return weft_run(serve);
}
