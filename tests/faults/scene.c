/* SPDX-License-Identifier: MIT */
#include "tests/faults/scene.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

char scene_message[1024];

void scene_begin(void)
{
    wire_begin(7);
    weft_test_loop_begin_real();
}

void scene_end(void)
{
    weft_test_loop_end();
    wire_end();
}

/* ---- Names ---- */

static void replace(const char *path, const char *text)
{
    char name[] = "/tmp/weft-faults-XXXXXX";
    int fd = mkstemp(name);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    cr_assert_eq(chmod(name, 0644), 0);
    cr_assert_eq(mount(name, path, NULL, MS_BIND, NULL), 0, "%s: %s", path, strerror(errno));
    unlink(name);
}

void scene_names(const char *hosts, const char *resolv_conf)
{
    cr_assert_eq(unshare(CLONE_NEWNS), 0);
    cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    replace("/etc/hosts", hosts);
    replace("/etc/resolv.conf", resolv_conf);
    replace("/etc/nsswitch.conf", "hosts: files dns\n");
}

/* ---- Connections ---- */

int scene_listen(enum wire_host host, struct scene_address *ret)
{
    const char *number = host == WIRE_FAR ? WIRE_FAR_4 : WIRE_NEAR_4;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    wire_be_at(host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    wire_be_at(WIRE_NEAR);
    inet_pton(AF_INET, number, &address.sin_addr);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(fd, 128), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(ret->text, sizeof(ret->text), "%s:%d", number, ntohs(address.sin_port));
    return fd;
}

weft_stream *scene_connected(weft_future *connect)
{
    weft_value value = weft_value_ptr(NULL);
    int status = weft_test_run(weft_ref(connect));
    cr_assert_eq(status, 0, "%s", weft_message(connect));
    cr_assert_eq(weft_future_take(connect, &value), 0);
    weft_unref(connect);
    return value.ptr;
}

static weft_stream *connect_to(int *ret_peer, int flags)
{
    struct scene_address address;
    int listening = scene_listen(WIRE_FAR, &address);
    weft_stream *stream = scene_connected(weft_connect(address.text));
    *ret_peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC | flags);
    cr_assert_geq(*ret_peer, 0);
    close(listening);
    return stream;
}

void scene_streams(weft_stream **ret_near, weft_stream **ret_far)
{
    int peer;
    *ret_near = connect_to(&peer, 0);
    *ret_far = weft_stream_new(peer);
    cr_assert_not_null(*ret_far);
}

weft_stream *scene_stream(int *ret_peer)
{
    return connect_to(ret_peer, SOCK_NONBLOCK);
}

int scene_client(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, WIRE_FAR_4, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s",
                 strerror(errno));
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* ---- Waiting ---- */

struct wait_until {
    WEFT_FRAME;
    bool (*is_so)(void *arg);
    void *arg;
};

static WEFT_ASYNC(wait_until)
{
    WEFT_BEGIN;
    while (!self->is_so(self->arg))
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

void scene_until(bool (*is_so)(void *arg), void *arg)
{
    cr_assert_eq(scene_ends(weft_spawn(wait_until, .is_so = is_so, .arg = arg)), 0);
}

int scene_ends(weft_future *future)
{
    int status = weft_test_run(weft_ref(future));
    const char *message = weft_message(future);
    snprintf(scene_message, sizeof(scene_message), "%s", message ? message : "");
    weft_unref(future);
    return status;
}

/* ---- Bytes ---- */

static int write_piece(struct scene_pour *self)
{
    char piece[8192];
    size_t len =
        self->total - self->done < sizeof(piece) ? self->total - self->done : sizeof(piece);
    wire_pattern(piece, len, self->done);
    self->done += len;
    return weft_write(self->stream, piece, len);
}

WEFT_ASYNC(scene_pour)
{
    WEFT_BEGIN;
    while (self->done < self->total) {
        self->status = write_piece(self);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        WEFT_AWAIT(weft_drain(self->stream));
    }
    self->status = weft_write_eof(self->stream);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

WEFT_ASYNC(scene_drink)
{
    WEFT_BEGIN;
    do {
        WEFT_AWAIT_INTO(self->got, weft_read(self->stream, self->buffer, sizeof(self->buffer)));
        if (!wire_is_pattern(self->buffer, self->got, *self->done))
            WEFT_FAIL(WEFT_EPROTO, "not the byte that was sent, after %zu", (size_t)*self->done);
        *self->done += self->got;
    } while (self->got);
    WEFT_END;
}

WEFT_ASYNC(scene_beat)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
        ++*self->count;
    }
    WEFT_END;
}
