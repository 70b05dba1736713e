/* SPDX-License-Identifier: MIT */
/* The program of docs/guides/tls.md: a server, a client that trusts it, and one that means another.
 * */
#include <stdio.h>
#include <weft/connect.h>
#include <weft/listen.h>
#include <weft/tls.h>
#include <weft/weft.h>

/* ---- The server's task, for each connection ---- */

struct greet {
    WEFT_FRAME;
    weft_stream *stream;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    weft_write(self->stream, "hello\n", 6);
    WEFT_END;
}

/* ---- A client ---- */

struct ask {
    WEFT_FRAME;
    weft_tls_context *tls;
    const char *address, *name;
    weft_stream *stream;
    weft_bytes *line;
};

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->stream,
                    weft_connect_with(
                        &(struct weft_connect_options){.tls = self->tls, .server_name = self->name},
                        self->address));
    WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
    printf("%s, %s: %s", self->name, weft_tls_info(self->stream)->version, self->line->data);
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    weft_stream_free(self->stream);
    WEFT_END;
}

/* ---- STARTTLS: plain text first ---- */

struct upgrade {
    WEFT_FRAME;
    weft_stream *stream;
    weft_tls_context *tls;
    weft_bytes *line;
};

static WEFT_ASYNC(upgrade)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0)); /* "STARTTLS" */
    weft_write(self->stream, "go ahead\n", 9);
    WEFT_AWAIT(weft_start_tls(self->stream, self->tls, NULL));
    weft_write(self->stream, "now we are alone\n", 17);
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    WEFT_END;
}

struct ask_to_upgrade {
    WEFT_FRAME;
    weft_tls_context *tls;
    const char *address;
    weft_stream *stream;
    weft_bytes *line;
};

static WEFT_ASYNC(ask_to_upgrade)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address));
    weft_write(self->stream, "STARTTLS\n", 9);
    WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
    printf("in plain text: %s", self->line->data);
    weft_bytes_free(self->line);
    self->line = NULL;
    WEFT_AWAIT(weft_start_tls(self->stream, self->tls, "localhost"));
    WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
    printf("with TLS: %s", self->line->data);
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    weft_stream_free(self->stream);
    WEFT_END;
}

/* ---- All of it ---- */

/* A key, and a certificate that signs itself. */
static const char openssl[] =
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 "
    "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout - -out - 2>/dev/null";

struct example {
    WEFT_FRAME;
    struct weft_process_output *made;
    struct weft_tls_certificate certificate;
    weft_tls_context *server, *client;
    weft_listener *listener, *plain;
    int status;
};

static WEFT_ASYNC(example)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->made, weft_process_run(
                                    &(struct weft_process_options){
                                        .shell = openssl, .out = WEFT_STDIO_PIPE, .check = true},
                                    NULL, 0, 0));
    self->certificate.chain = self->made->out; /* a PEM text; a path will do as well */
    WEFT_AWAIT_INTO(self->server, weft_tls_server_new(&(struct weft_tls_options){
                                      .certificates = &self->certificate}));
    WEFT_AWAIT_INTO(self->client, weft_tls_client_new(&(struct weft_tls_options){
                                      .ca = self->made->out, .flags = WEFT_TLS_NO_SYSTEM_CA}));

    self->listener = weft_listen_with((&(struct weft_listen_options){.tls = self->server}),
                                      "127.0.0.1:0", greet);
    WEFT_AWAIT(weft_call(ask, .tls = self->client, .name = "localhost",
                         .address = weft_listener_address(self->listener)));

    WEFT_CATCH(self->status, weft_call(ask, .tls = self->client, .name = "example.org",
                                       .address = weft_listener_address(self->listener)));
    printf("example.org: %s\n", weft_strerror(self->status)); /* WEFT_CAUGHT_MESSAGE says why */

    WEFT_AWAIT(weft_tls_reload(self->server)); /* a renewed certificate, say; nobody is cut off */

    self->plain = weft_listen("127.0.0.1:0", upgrade, .tls = self->server);
    WEFT_AWAIT(weft_call(ask_to_upgrade, .tls = self->client,
                         .address = weft_listener_address(self->plain)));
    WEFT_FINALLY;
    weft_listener_free(self->listener);
    weft_listener_free(self->plain);
    weft_tls_context_unref(self->server);
    weft_tls_context_unref(self->client);
    weft_process_output_free(self->made);
    WEFT_END;
}

int main(void)
{
    return weft_run(example);
}
