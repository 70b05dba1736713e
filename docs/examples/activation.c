/* SPDX-License-Identifier: MIT */
/*
 * Guide: servers, under a service manager. `activation serve` is the server, which a manager starts
 * with a socket. Without an argument the program is a manager itself, a very small one.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/connect.h>
#include <weft/serve.h>
#include <weft/udp.h>
#include <weft/weft.h>

/* ---- The server ---- */

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

static int serve(void)
{
    static const struct weft_serve_options options = {.loops = 2, .grace = WEFT_S(10)};
    return weft_serve(&options, "fd:web", greet); /* tells READY=1 and STOPPING=1 by itself */
}

/* ---- The manager ---- */

/* A socket that listens before there is a server. */
static int open_socket(char *address, size_t size)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, len) < 0 || listen(fd, 16) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &len) < 0)
        return -errno;
    snprintf(address, size, "127.0.0.1:%d", ntohs(name.sin_port));
    return fd;
}

struct next_state {
    WEFT_FRAME;
    weft_udp *told;
    weft_datagram *state;
};

static WEFT_ASYNC(next_state)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->state, weft_udp_receive(self->told));
    printf("it says %.*s\n", (int)self->state->len, self->state->data);
    WEFT_FINALLY;
    weft_datagram_free(self->state);
    WEFT_END;
}

struct manage {
    WEFT_FRAME;
    int socket; /* owned */
    char address[32], notify[64], command[300];
    weft_udp *told;
    weft_process *server;
    weft_stream *stream;
    const weft_bytes *line; /* lent by the stream */
    int64_t status;
};

static WEFT_ASYNC(manage)
{
    WEFT_BEGIN;
    self->socket = open_socket(self->address, sizeof(self->address));
    if (self->socket < 0)
        WEFT_FAIL(self->socket, "no socket");
    snprintf(self->notify, sizeof(self->notify), "unix:@weft-activation-%ld", (long)getpid());
    self->told = weft_udp_open(&(struct weft_udp_options){.bind = self->notify});
    if (!self->told)
        WEFT_FAIL(-errno, "cannot listen to %s", self->notify);
    WEFT_AWAIT_INTO(self->stream, weft_connect(self->address)); /* it waits for the server */

    snprintf(self->command, sizeof(self->command),
             "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web NOTIFY_SOCKET=%s "
             "exec /proc/%ld/exe serve 3<&0 </dev/null",
             self->notify + strlen("unix:"), (long)getpid());
    WEFT_AWAIT_INTO(self->server, weft_process_start(&(struct weft_process_options){
                                      .shell = self->command, .in = WEFT_STDIO_FD(self->socket)}));
    WEFT_AWAIT(weft_call(next_state, .told = self->told));
    WEFT_AWAIT_INTO(self->line, weft_next_line(self->stream, NULL));
    printf("who came before it gets %s\n", self->line ? self->line->data : "nothing");
    weft_process_terminate(self->server);
    WEFT_AWAIT(weft_call(next_state, .told = self->told));
    WEFT_AWAIT_INTO(self->status, weft_process_wait(self->server));
    printf("ended with %d\n", (int)self->status);

    WEFT_FINALLY;
    weft_stream_free(self->stream);
    weft_process_free(self->server);
    weft_udp_free(self->told);
    if (self->socket > 0)
        close(self->socket);
    WEFT_END;
}

int main(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], "serve") == 0 ? serve() : weft_run(manage);
}
