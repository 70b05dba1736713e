/* SPDX-License-Identifier: MIT */
/*
 * weft's side of the tests beside this file: a server, or a client, that is told by lines on stdin what to do,
 * and prints what happened.
 *
 *     peer listen OPTION...     prints "port N"; "open …" for each handshake, "end STATUS …" for each end
 *         refusal               who was refused last, and why
 *     peer connect OPTION...
 *         connect ADDRESS NAME  prints "open …", or "failed STATUS …"
 *         say TEXT              sends a line, prints the line that comes back, or "end STATUS …"
 *         read                  prints a line that comes, or "end STATUS …"
 *         close                 prints "closed STATUS"
 *     both
 *         reload                prints "reloaded STATUS"
 *
 * The server answers "hello, TEXT" to each line, and a request of HTTP as HTTP has it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/listen.h>
#include <weft/stdio.h>
#include <weft/tls.h>
#include <weft/weft.h>

enum { CERTIFICATES = 8, WORD = 256 };

static void print_open(weft_stream *stream)
{
    const struct weft_tls_details *info = weft_tls_info(stream);
    if (!info) {
        puts("open without TLS");
        return;
    }
    printf("open %s %s alpn=%s sni=%s subject=%s %s %s\n", info->version, info->cipher, info->alpn,
           info->server_name, info->subject, info->is_verified ? "verified" : "unverified",
           info->is_resumed ? "resumed" : "new");
}

/* ---- The server's task, for each connection ---- */

struct serve {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *line;
    bool is_http;
    int status;
};

static bool answer(struct serve *self)
{
    static const char page[] = "HTTP/1.0 200 OK\r\n\r\nhello, world\n";
    const weft_bytes *line = self->line;
    self->is_http |= !strncmp(line->data, "GET ", 4);
    if (self->is_http) {
        if (line->data[0] == '\r')
            weft_write(self->stream, page, sizeof(page) - 1);
        return line->data[0] != '\r';
    }
    weft_write(self->stream, "hello, ", 7);
    weft_write(self->stream, line->data, line->len);
    return true;
}

static WEFT_ASYNC(serve)
{
    bool goes_on = true;
    WEFT_BEGIN;
    print_open(self->stream);
    while (goes_on) {
        WEFT_CATCH_INTO(self->status, self->line, weft_read_line(self->stream, 0));
        if (self->status < 0 || !self->line->len)
            break;
        goes_on = answer(self);
        weft_bytes_free(self->line);
        self->line = NULL;
        WEFT_CATCH(self->status, weft_drain(self->stream));
    }
    printf("end %s %s\n", weft_error_name(self->status),
           self->status < 0 ? WEFT_CAUGHT_MESSAGE : "");
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    WEFT_END;
}

/* ---- What is told by stdin ---- */

struct options {
    bool is_server;
    weft_ns timeout;
    struct weft_tls_options tls;
    struct weft_tls_certificate certificates[CERTIFICATES];
};

struct peer {
    WEFT_FRAME;
    const struct options *options;
    weft_tls_context *tls;
    weft_listener *listener;
    weft_stream *in, *stream;
    weft_bytes *command;
    char address[WORD], name[WORD];
    int status;
};

static bool is(const struct peer *self, const char *command)
{
    size_t len = strlen(command);
    return !strncmp(self->command->data, command, len) && strchr(" \n", self->command->data[len]);
}

struct obey {
    WEFT_FRAME;
    struct peer *peer;
    weft_bytes *line;
    int status;
};

static weft_future *connect_as_told(struct peer *self)
{
    weft_stream_free(self->stream);
    self->stream = NULL;
    self->name[0] = 0;
    if (sscanf(self->command->data, "connect %255s %255s", self->address, self->name) < 1)
        return weft_future_failed(-EINVAL, "connect ADDRESS NAME");
    const struct weft_connect_options options = {.tls = self->tls,
                                                 .server_name = self->name[0] ? self->name : NULL};
    return weft_connect_with(&options, self->address);
}

static void print_refusal(const weft_listener *listener)
{
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    printf("refusal %s\n", stats.last_refusal ? stats.last_refusal : "none");
}

static void print_end_or_line(int status, const char *why, const weft_bytes *line)
{
    if (status < 0 || !line->len)
        printf("end %s %s\n", weft_error_name(status), why ? why : "");
    else
        printf("line %.*s\n", (int)strcspn(line->data, "\n"), line->data);
}

static weft_future *make_context(const struct options *options)
{
    return options->is_server ? weft_tls_server_new(&options->tls)
                              : weft_tls_client_new(&options->tls);
}

static int listen_if_told(struct peer *self)
{
    const struct weft_listen_options options = {.tls = self->tls,
                                                .handshake_timeout = self->options->timeout};
    if (!self->options->is_server)
        return 0;
    self->listener = weft_listen_with(&options, "127.0.0.1:0", serve);
    if (!self->listener)
        return -errno;
    printf("port %d\n", weft_listener_port(self->listener));
    return 0;
}

static weft_future *say(struct peer *self)
{
    const weft_bytes *command = self->command;
    if (!self->stream)
        return weft_future_failed(-ENOTCONN, NULL);
    if (is(self, "say"))
        weft_write(self->stream, command->data + 4, command->len - 4);
    return weft_read_line(self->stream, 0);
}

static WEFT_ASYNC(obey)
{
    struct peer *peer = self->peer;
    WEFT_BEGIN;
    if (is(peer, "refusal")) {
        print_refusal(peer->listener);
    } else if (is(peer, "reload")) {
        WEFT_CATCH(self->status, weft_tls_reload(peer->tls));
        printf("reloaded %s\n", weft_error_name(self->status));
    } else if (is(peer, "connect")) {
        WEFT_CATCH_INTO(self->status, peer->stream, connect_as_told(peer));
        if (self->status == 0)
            print_open(peer->stream);
        else
            printf("failed %s %s\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE);
    } else if (is(peer, "close")) {
        WEFT_CATCH(self->status, weft_close(peer->stream));
        printf("closed %s\n", weft_error_name(self->status));
        peer->stream = NULL;
    } else {
        WEFT_CATCH_INTO(self->status, self->line, say(peer));
        print_end_or_line(self->status, WEFT_CAUGHT_MESSAGE, self->line);
    }
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    WEFT_END;
}

static WEFT_ASYNC(peer)
{
    WEFT_BEGIN;
    setvbuf(stdout, NULL, _IOLBF, 0);
    WEFT_CATCH_INTO(self->status, self->tls, make_context(self->options));
    if (self->status < 0)
        printf("failed %s %s\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE);
    self->in = weft_open_stdin();
    if (self->status == 0)
        self->status = listen_if_told(self);
    while (self->status == 0 && self->in) {
        WEFT_AWAIT_INTO(self->command, weft_read_line(self->in, 0));
        if (!self->command->len)
            break;
        WEFT_AWAIT(weft_call(obey, .peer = self));
        weft_bytes_free(self->command);
        self->command = NULL;
    }
    WEFT_FINALLY;
    weft_bytes_free(self->command);
    weft_stream_free(self->stream);
    weft_stream_free(self->in);
    weft_listener_free(self->listener);
    weft_tls_context_unref(self->tls);
    WEFT_END;
}

/* ---- Options ---- */

static bool set_flag(struct options *options, const char *flag)
{
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {{"--clients-required", WEFT_TLS_CLIENT_REQUIRED},
                 {"--clients-optional", WEFT_TLS_CLIENT_OPTIONAL},
                 {"--no-resumption", WEFT_TLS_NO_RESUMPTION},
                 {"--allow-truncation", WEFT_TLS_ALLOW_TRUNCATION},
                 {"--any-name", WEFT_TLS_ANY_NAME},
                 {"--insecure", WEFT_TLS_INSECURE}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        if (!strcmp(flag, flags[i].name)) {
            options->tls.flags |= flags[i].flag;
            return true;
        }
    }
    return false;
}

static bool set(struct options *options, const char *name, const char *value)
{
    struct weft_tls_options *tls = &options->tls;
    if (!strcmp(name, "--certificate") && tls->certificate_count < CERTIFICATES)
        options->certificates[tls->certificate_count++].chain = value;
    else if (!strcmp(name, "--ca"))
        tls->ca = value;
    else if (!strcmp(name, "--alpn"))
        tls->alpn = value;
    else if (!strcmp(name, "--ciphers"))
        tls->ciphers = value;
    else if (!strcmp(name, "--timeout"))
        options->timeout = tls->handshake_timeout = WEFT_MS(strtol(value, NULL, 10));
    else if (!strcmp(name, "--version"))
        tls->min_version = tls->max_version = strcmp(value, "1.2") ? WEFT_TLS_1_3 : WEFT_TLS_1_2;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    static struct options options;
    options.is_server = argc > 1 && !strcmp(argv[1], "listen");
    options.tls.certificates = options.certificates;
    for (int i = 2; i < argc; i++) {
        if (set_flag(&options, argv[i]))
            continue;
        if (i + 1 == argc || !set(&options, argv[i], argv[i + 1])) {
            fprintf(stderr, "peer: what is %s?\n", argv[i]);
            return 2;
        }
        i++;
    }
    if (!options.tls.certificate_count)
        options.tls.certificates = NULL;
    return weft_run(peer, .options = &options);
}
