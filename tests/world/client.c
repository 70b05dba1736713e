/* SPDX-License-Identifier: MIT */
/*
 * Asks origins that are not weft's: client [--ca FILE] [--at-once N] BASE REQUEST...
 *
 * A request is "METHOD URL", or "METHOD URL BODY", where a body is "=TEXT", "@FILE", or "~FILE": the file in
 * pieces whose end nobody knows before. Bodies of responses are streamed. A line is printed for each: "STATUS
 * REDIRECTS LENGTH CRC TYPE", or the name of the failure; and at the end, how many connections were made.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/combine.h>
#include <weft/file.h>
#include <weft/http_client.h>
#include <weft/map.h>
#include <weft/weft.h>

#include "crc.h"

enum { LINE = 300 };

struct ask {
    WEFT_FRAME;
    weft_http_session *session;
    const char *request;
    char *line; /* what is to be printed: LINE bytes */
    char method[16], url[200], body[200];
    struct weft_http_fetch_options options;
    weft_file *file;
    weft_http_response *response;
    size_t len;
    uint64_t total;
    uint32_t crc;
    int status;
    char data[65536];
};

static weft_future *read_file(void *arg, void *buffer, size_t size)
{
    return weft_file_read(arg, buffer, size);
}

static void choose_body(struct ask *self)
{
    struct weft_http_content *body = &self->options.body;
    self->options.flags = WEFT_HTTP_STREAM;
    if (self->body[0] == '=')
        *body = (struct weft_http_content){.data = self->body + 1, .len = strlen(self->body + 1)};
    else if (self->body[0] == '@')
        body->path = self->body + 1;
    else if (self->file)
        *body = (struct weft_http_content){.source = read_file, .arg = self->file};
}

static void tell(const struct ask *self)
{
    const char *type = weft_http_header(self->response, "Content-Type");
    snprintf(self->line, LINE, "%d %u %" PRIu64 " %" PRIu32 " %s", weft_http_status(self->response),
             weft_http_redirects(self->response), self->total, self->crc, type ? type : "-");
}

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    if (sscanf(self->request, "%15s %199s %199s", self->method, self->url, self->body) < 2)
        WEFT_FAIL(-EINVAL, "not a request: %s", self->request);
    if (self->body[0] == '~')
        WEFT_AWAIT_INTO(self->file, weft_file_open(self->body + 1, O_RDONLY, 0));
    choose_body(self);
    WEFT_CATCH_INTO(self->status, self->response,
                    weft_http_fetch(self->session, self->method, self->url, &self->options));
    while (self->status == 0) {
        WEFT_CATCH_INTO(self->status, self->len,
                        weft_http_response_read(self->response, self->data, sizeof(self->data)));
        if (self->status < 0 || !self->len)
            break;
        self->total += self->len;
        self->crc = crc_of(self->crc, self->data, self->len);
    }
    if (self->status < 0)
        snprintf(self->line, LINE, "%s", weft_error_name(self->status));
    else
        tell(self);
    WEFT_FINALLY;
    weft_http_response_free(self->response);
    weft_file_unref(self->file);
    WEFT_END;
}

/* ---- All of them ---- */

struct client {
    WEFT_FRAME;
    struct weft_http_session_options options;
    size_t at_once, count;
    char **requests;
    weft_http_session *session;
    char (*lines)[LINE];
    weft_results *results;
};

static weft_future *ask_one(size_t index, void *arg)
{
    struct client *self = arg;
    return weft_spawn(ask, .session = self->session, .request = self->requests[index],
                      .line = self->lines[index]);
}

static WEFT_ASYNC(client)
{
    WEFT_BEGIN;
    self->session = weft_http_session_new(&self->options);
    self->lines = calloc(self->count, sizeof(*self->lines));
    if (!self->session || !self->lines)
        WEFT_FAIL(-errno, "no session: %s", strerror(errno));
    WEFT_AWAIT_INTO(self->results, weft_map(self->count, self->at_once, ask_one, self));
    for (size_t i = 0; i < self->count; i++)
        printf("%s\n", self->lines[i]);
    printf("%" PRIu64 " connections\n", weft_http_session_get_stats(self->session).connections);
    WEFT_FINALLY;
    weft_results_free(self->results);
    weft_http_session_free(self->session);
    free(self->lines);
    WEFT_END;
}

int main(int argc, char **argv)
{
    struct weft_http_session_options options = {.timeouts = {.total = WEFT_S(100)}};
    size_t at_once = 1;
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2)
        if (strcmp(argv[i], "--ca") == 0)
            options.ca_file = argv[i + 1];
        else if (strcmp(argv[i], "--at-once") == 0)
            at_once = strtoul(argv[i + 1], NULL, 10);
        else
            i = argc;
    if (i + 1 >= argc) {
        fprintf(stderr, "usage: client [--ca FILE] [--at-once N] BASE REQUEST...\n");
        return 2;
    }
    options.base_url = argv[i++];
    return weft_run(client, .options = options, .at_once = at_once, .requests = argv + i,
                    .count = (size_t)(argc - i));
}
