/* SPDX-License-Identifier: MIT */
/* server FOLDER: serves the folder at /, compressed and plain; prints its port; ends with its input. */
#include <errno.h>
#include <stdio.h>
#include <weft/http_compress.h>
#include <weft/http_static.h>
#include <weft/stdio.h>
#include <weft/weft.h>

/* What is in the file "rows", line by line, as a handler would make it. */
struct rows {
    WEFT_FRAME;
    weft_http_request *request;
    int at;
    int status;
};

static int write_row(const struct rows *self)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "%d,row number %d\n", self->at, self->at * 7);
    return weft_http_write(self->request, line, (size_t)len);
}

static WEFT_ASYNC(rows)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/csv", WEFT_HTTP_UNKNOWN_LENGTH);
    for (; self->at < 20000; self->at++) {
        self->status = write_row(self);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        WEFT_AWAIT(weft_http_drain(self->request));
    }
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    const char *root;
    weft_http_server *server;
    weft_stream *input;
    char some[16];
    int status;
};

static int begin(struct serve *self)
{
    self->server = weft_http_server_new(NULL);
    if (!self->server)
        return -ENOMEM;
    weft_http_use(self->server, weft_http_compress);
    weft_http_route(self->server, "GET /rows", rows);
    weft_http_route(self->server, "GET /...", weft_http_files, .root = self->root);
    int status = weft_http_server_listen(self->server, "127.0.0.1:0");
    if (status == 0) {
        printf("%d\n", weft_http_server_port(self->server));
        fflush(stdout);
    }
    return status;
}

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    self->status = begin(self);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    self->input = weft_open_stdin();
    if (!self->input)
        WEFT_FAIL(-errno, "no stdin");
    WEFT_CATCH(self->status, weft_read(self->input, self->some, sizeof(self->some)));
    WEFT_AWAIT(weft_http_server_shutdown(self->server, WEFT_S(5)));
    WEFT_FINALLY;
    weft_stream_free(self->input);
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(int argc, char **argv)
{
    return argc == 2 ? weft_run(serve, .root = argv[1]) : 2;
}
