/* SPDX-License-Identifier: MIT */
/* Calls of net/ on another thread, and in a forked child. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/connect.h>
#include <weft/http_cookie.h>
#include <weft/http_events.h>
#include <weft/http_form.h>
#include <weft/http_middleware.h>
#include <weft/http_static.h>
#include <weft/http_upload.h>
#include <weft/process_stream.h>
#include <weft/resolve.h>
#include <weft/websocket.h>
#include <weft/weft.h>

#include "tests/support/elsewhere.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/server.h"

TestSuite(elsewhere_net, .init = weft_test_loop_begin, .timeout = 60);

struct stage {
    weft_stream *stream;
    weft_listener *listener;
    weft_process *process;
    weft_http_server *server;
    weft_http_request *request;
    weft_http_upload *upload;
    weft_future *gate; /* the handler waits for it */
    char buffer[8];
    int spare; /* a connected socket */
};

struct holds {
    WEFT_FRAME;
    weft_http_request *request;
    struct stage *stage;
};

static WEFT_ASYNC(holds)
{
    WEFT_BEGIN;
    self->stage->request = self->request;
    WEFT_AWAIT(weft_ref(self->stage->gate));
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "held", 4));
    WEFT_FINALLY;
    self->stage->request = NULL;
    WEFT_END;
}

struct uploads {
    WEFT_FRAME;
    weft_http_request *request;
    struct stage *stage;
};

static WEFT_ASYNC(uploads)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->stage->upload, weft_http_read_upload(self->request, NULL));
    WEFT_AWAIT(weft_http_respond_status(self->request, 204));
    WEFT_END;
}

/* A text that a call never leaves out is empty, or "?", where the call is refused. */
static bool says(const char *text)
{
    return !text || (*text && strcmp(text, "?") != 0);
}

#define CALLS_OF_STREAMS(X)                                                             \
    X(Z, weft_at_eof, weft_at_eof(s->stream))                                           \
    X(F, weft_close, weft_close(s->stream))                                             \
    X(S, weft_consume, weft_consume(s->stream, 0))                                      \
    X(F, weft_drain, weft_drain(s->stream))                                             \
    X(F, weft_fill, weft_fill(s->stream, 0))                                            \
    X(Z, weft_peek, weft_peek(s->stream, &(size_t){0}))                                 \
    X(Z, weft_process_take_stderr, weft_process_take_stderr(s->process))                \
    X(Z, weft_process_take_stdin, weft_process_take_stdin(s->process))                  \
    X(Z, weft_process_take_stdout, weft_process_take_stdout(s->process))                \
    X(F, weft_read, weft_read(s->stream, (char[1]){0}, 1))                              \
    X(F, weft_read_exactly, weft_read_exactly(s->stream, (char[1]){0}, 1))              \
    X(F, weft_read_line, weft_read_line(s->stream, 0))                                  \
    X(F, weft_read_until, weft_read_until(s->stream, "\n", 1, 0))                       \
    X(V, weft_stream_free, weft_stream_free(s->stream))                                 \
    X(Z, weft_stream_local, says(weft_stream_local(s->stream)))                         \
    X(N, weft_stream_new, weft_stream_new(s->spare))                                    \
    X(Z, weft_stream_peer, says(weft_stream_peer(s->stream)))                           \
    X(S, weft_stream_set_limits, weft_stream_set_limits(s->stream, NULL))               \
    X(S, weft_write, weft_write(s->stream, "x", 1))                                     \
    X(S, weft_write_eof, weft_write_eof(s->stream))                                     \
    X(Z, weft_write_pending, weft_write_pending(s->stream))                             \
    X(N, weft_listen, weft_listen("127.0.0.1:0", echo, .greeting = ""))                 \
    X(N, weft_listen_with, weft_listen_with(NULL, "127.0.0.1:0", echo, .greeting = "")) \
    X(V, weft_listener_abort, weft_listener_abort(s->listener))                         \
    X(Z, weft_listener_address, says(weft_listener_address(s->listener)))               \
    X(Z, weft_listener_address_at, weft_listener_address_at(s->listener, 0))            \
    X(Z, weft_listener_connections, weft_listener_connections(s->listener))             \
    X(F, weft_listener_drain, weft_listener_drain(s->listener))                         \
    X(V, weft_listener_free, weft_listener_free(s->listener))                           \
    X(V, weft_listener_get_stats,                                                       \
      weft_listener_get_stats(s->listener, &(struct weft_listener_stats){0}))           \
    X(S, weft_listener_port, weft_listener_port(s->listener))                           \
    X(V, weft_listener_stop, weft_listener_stop(s->listener))

#define CALLS_OF_SERVERS(X)                                                                        \
    X(V, weft_http_on_access, weft_http_on_access(s->server, NULL, NULL))                          \
    X(S, weft_http_use, weft_http_use(s->server, holds, .stage = NULL))                            \
    X(Z, weft_http_mount, weft_http_mount(s->server, "/mounted"))                                  \
    X(S, weft_http_route, weft_http_route(s->server, "/twice", holds, .stage = NULL))              \
    X(N, weft_http_serve, weft_http_serve("127.0.0.1:0", holds, .stage = NULL))                    \
    X(N, weft_http_serve_with, weft_http_serve_with(NULL, "127.0.0.1:0", holds, .stage = NULL))    \
    X(V, weft_http_server_abort, weft_http_server_abort(s->server))                                \
    X(Z, weft_http_server_address, says(weft_http_server_address(s->server)))                      \
    X(F, weft_http_server_drain, weft_http_server_drain(s->server))                                \
    X(V, weft_http_server_free, weft_http_server_free(s->server))                                  \
    X(S, weft_http_server_listen, weft_http_server_listen(s->server, "127.0.0.1:0"))               \
    X(S, weft_http_server_listen_tls, weft_http_server_listen_tls(s->server, "127.0.0.1:0", NULL)) \
    X(N, weft_http_server_new, weft_http_server_new(NULL))                                         \
    X(S, weft_http_server_port, weft_http_server_port(s->server))                                  \
    X(F, weft_http_server_shutdown, weft_http_server_shutdown(s->server, 1))                       \
    X(Z, weft_http_server_stats, weft_http_server_stats(s->server).active)                         \
    X(V, weft_http_server_stop, weft_http_server_stop(s->server))

#define CALLS_OF_REQUESTS(X)                                                                    \
    X(S, weft_http_add_header, weft_http_add_header(s->request, "X-Elsewhere", "yes"))          \
    X(S, weft_http_answer_status, weft_http_answer_status(s->request))                          \
    X(F, weft_websocket_accept, weft_websocket_accept(s->request, NULL))                        \
    X(S, weft_http_events_start, weft_http_events_start(s->request))                            \
    X(S, weft_http_events_start_with, weft_http_events_start_with(s->request, NULL))            \
    X(S, weft_http_event_send,                                                                  \
      weft_http_event_send(s->request, &(struct weft_http_event){.id = "1"}))                   \
    X(S, weft_http_event_comment, weft_http_event_comment(s->request, ""))                      \
    X(Z, weft_http_events_last_id, weft_http_events_last_id(s->request))                        \
    X(F, weft_http_next, weft_http_next(s->request))                                            \
    X(F, weft_http_send_file, weft_http_send_file(s->request, "/", "x", NULL))                  \
    X(F, weft_http_read_form, weft_http_read_form(s->request))                                  \
    X(Z, weft_http_request_cookie, weft_http_request_cookie(s->request, "a"))                   \
    X(S, weft_http_set_cookie,                                                                  \
      weft_http_set_cookie(s->request, &(struct weft_http_cookie){.name = "a"}))                \
    X(S, weft_http_add_trailer, weft_http_add_trailer(s->request, "a", "b"))                    \
    X(Z, weft_http_request_trailer, weft_http_request_trailer(s->request, "a"))                 \
    X(F, weft_http_read_upload, weft_http_read_upload(s->request, NULL))                        \
    X(V, weft_http_upload_free, weft_http_upload_free(s->upload))                               \
    X(F, weft_http_upload_keep, weft_http_upload_keep(s->upload, NULL, "x"))                    \
    X(F, weft_http_drain, weft_http_drain(s->request))                                          \
    X(F, weft_http_end, weft_http_end(s->request))                                              \
    X(F, weft_http_read, weft_http_read(s->request, (char[1]){0}, 1))                           \
    X(F, weft_http_read_body, weft_http_read_body(s->request))                                  \
    X(Z, weft_http_request_header, weft_http_request_header(s->request, "Host"))                \
    X(Z, weft_http_request_header_at,                                                           \
      weft_http_request_header_at(s->request, 0, &(const char *){NULL}, &(const char *){NULL})) \
    X(F, weft_http_request_stopping, weft_http_request_stopping(s->request))                    \
    X(Z, weft_http_request_is_stopping, weft_http_request_is_stopping(s->request))              \
    X(S, weft_http_request_length, weft_http_request_length(s->request))                        \
    X(Z, weft_http_request_method, says(weft_http_request_method(s->request)))                  \
    X(Z, weft_http_request_param, weft_http_request_param(s->request, "id"))                    \
    X(Z, weft_http_request_path, says(weft_http_request_path(s->request)))                      \
    X(Z, weft_http_request_pattern, says(weft_http_request_pattern(s->request)))                \
    X(Z, weft_http_request_peer, says(weft_http_request_peer(s->request)))                      \
    X(Z, weft_http_request_query, weft_http_request_query(s->request, "a"))                     \
    X(Z, weft_http_request_query_string, weft_http_request_query_string(s->request))            \
    X(Z, weft_http_request_tail, says(weft_http_request_tail(s->request)))                      \
    X(Z, weft_http_request_target, says(weft_http_request_target(s->request)))                  \
    X(N, weft_http_request_stream, weft_http_request_stream(s->request))                        \
    X(Z, weft_http_request_version, says(weft_http_request_version(s->request)))                \
    X(F, weft_http_respond, weft_http_respond(s->request, 404, NULL, "no", 2))                  \
    X(F, weft_http_respond_status, weft_http_respond_status(s->request, 404))                   \
    X(F, weft_http_respondf, weft_http_respondf(s->request, 404, NULL, "%d", 404))              \
    X(S, weft_http_start, weft_http_start(s->request, 404, NULL, 0))                            \
    X(S, weft_http_write, weft_http_write(s->request, "no", 2))

#define CALLS_OF_NAMES(X)                                                \
    X(H, weft_connect, weft_connect("127.0.0.1:1"))                      \
    X(H, weft_connect_with, weft_connect_with(NULL, "127.0.0.1:1"))      \
    X(H, weft_resolve, weft_resolve("127.0.0.1", "1"))                   \
    X(H, weft_resolve_reverse, weft_resolve_reverse(&(weft_address){0})) \
    X(H, weft_resolve_with, weft_resolve_with(NULL, "127.0.0.1", "1"))   \
    X(M, weft_resolver_configure, weft_resolver_configure(NULL))

CALLS_OF_NAMES(WEFT_TEST_CALL)
CALLS_OF_STREAMS(WEFT_TEST_CALL)
static const struct weft_test_call calls_of_streams[] = {CALLS_OF_STREAMS(WEFT_TEST_ENTRY)
                                                             CALLS_OF_NAMES(WEFT_TEST_ENTRY)};

#define CALLS(X)        \
    CALLS_OF_SERVERS(X) \
    CALLS_OF_REQUESTS(X)
CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

Test(elsewhere_net, calls_of_streams_and_listeners_are_refused_named_and_change_nothing)
{
    struct stage s = {.listener = weft_test_listen("127.0.0.1:0")};
    int peer, pair[2];
    weft_value process;
    s.stream = weft_test_stream(&peer);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    s.spare = pair[0];
    weft_future *starting = weft_process_start(&(struct weft_process_options){
        .shell = "cat", .in = WEFT_STDIO_PIPE, .out = WEFT_STDIO_PIPE, .err = WEFT_STDIO_PIPE});
    cr_assert_eq(weft_test_run(weft_ref(starting)), 0);
    cr_assert_eq(weft_future_take(starting, &process), 0);
    weft_unref(starting);
    s.process = process.ptr;
    weft_test_send_text(peer, "line\n");
    int client = weft_test_client(s.listener);
    weft_test_turn_until_open(s.listener, 1);

    weft_test_elsewhere(calls_of_streams, sizeof(calls_of_streams) / sizeof(calls_of_streams[0]),
                        &s);

    cr_assert(weft_test_gives(weft_read_line(s.stream, 0), "line\n"));
    cr_assert_eq(weft_test_receive(peer, s.buffer, sizeof(s.buffer)), 0, "nothing was written");
    cr_assert_gt(weft_listener_port(s.listener), 0);
    cr_assert_eq(weft_listener_connections(s.listener), 1);
    cr_assert(weft_test_client_gets(client, "hello"));
    cr_assert_eq(send(s.spare, "x", 1, MSG_DONTWAIT), 1, "it is the caller's still");
    weft_stream *in = weft_process_take_stdin(s.process),
                *out = weft_process_take_stdout(s.process);
    cr_assert(in && out);
    cr_assert_eq(weft_write(in, "through\n", 8), 0);
    cr_assert(weft_test_gives(weft_read_line(out, 0), "through\n"));
    weft_stream_free(in);
    weft_stream_free(out);
    weft_process_free(s.process);
    weft_stream_free(s.stream);
    weft_listener_free(s.listener);
    close(client);
    close(peer);
    close(pair[0]);
    close(pair[1]);
    weft_test_loop_end();
}

Test(elsewhere_net, calls_of_http_servers_and_requests_are_refused_named_and_change_nothing)
{
    struct stage s = {.server = test_http_begin(NULL), .gate = weft_future_new()};
    cr_assert_eq(weft_http_route(s.server, "/hold", holds, .stage = &s), 0);
    cr_assert_eq(weft_http_route(s.server, "/upload", uploads, .stage = &s), 0);
    free(test_http_ask("POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       "Content-Type: multipart/form-data; boundary=B\r\n"
                       "Content-Length: 5\r\n\r\n--B--"));
    cr_assert_not_null(s.upload);
    struct test_client client = test_http_connect();
    cr_assert_str_eq(test_http_say(&client, "POST /hold?a=b HTTP/1.1\r\nHost: here\r\n"
                                            "Content-Length: 4\r\n\r\nbody"),
                     "");
    cr_assert_not_null(s.request);

    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &s);

    cr_assert_not_null(s.request, "the handler was not cancelled");
    cr_assert_eq(weft_http_server_stats(s.server).active, 1);
    cr_assert_str_eq(weft_http_request_query(s.request, "a"), "b");
    cr_assert(weft_test_gives(weft_http_read_body(s.request), "body"));
    cr_assert_eq(weft_future_resolve(s.gate, weft_value_i64(0), NULL), 0);
    cr_assert_str_eq(test_http_say(&client, ""),
                     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nheld");
    weft_unref(s.gate);
    weft_http_upload_free(s.upload);
    test_http_close(&client);
    char *answer = test_http_ask("GET /twice HTTP/1.0\r\n\r\n");
    cr_assert_eq(test_http_status(answer), 405, "no route was added: %s", answer);
    free(answer);
    test_http_end(s.server);
}
