/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that go by a Unix socket (SCM_RIGHTS).
 *
 * A descriptor needs a byte to go with: the first one of what it is sent with. Until that is sent, a copy
 * stands in a list with its place in the stream's buffer, and the buffer is sent in parts that begin at
 * these places: the kernel attaches descriptors to the first byte of a call.
 *
 * The kernel closes what comes for a stream that did not ask for it. So one that did reads by recvmsg(),
 * and keeps what came, up to a limit: who could send without one would use up the descriptors of the
 * process. What is beyond that, or finds no free number (MSG_CTRUNC), fails the reading direction:
 * something that the peer believes to have been delivered is missing.
 *
 * A recvmsg() does not go beyond the message with which a descriptor came. So it is here no later than
 * the first of its bytes.
 */
#include "net/stream/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/socket.h>

#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "net/net.h"

enum { MOST = 253 }; /* descriptors in a message, the kernel's limit */

/* Waits to be sent. */
struct weft__departure {
    struct weft__departure *next;
    size_t at; /* where its byte is in `out` */
    int fd;    /* owned */
};

/* All [loop]. */
struct weft__stream_fds {
    size_t limit, count; /* of those that have come */
    size_t next;         /* the first of them: a ring */
    int arrived[];
};

/* ---- Sending ---- */

static void drop_first(struct weft__departure **first)
{
    struct weft__departure *departure = *first;
    *first = departure->next;
    close(departure->fd);
    weft__free(departure);
}

/* One piece, with a descriptor, if it is not negative. */
static ssize_t send_with(int socket, const struct iovec *piece, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct msghdr message = {.msg_iov = (struct iovec *)piece, .msg_iovlen = 1};
    if (fd >= 0) {
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    return weft__sys.sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t weft__fds_send(weft_stream *stream)
{
    struct weft__departure *first = stream->departures;
    bool goes_now = first->at == 0;
    const struct weft__departure *border = goes_now ? first->next : first;
    struct iovec piece = {weft__buffer_data(&stream->out), weft__buffer_len(&stream->out)};
    if (border)
        piece.iov_len = border->at;
    ssize_t sent = send_with(stream->fd, &piece, goes_now ? first->fd : -1);
    if (sent <= 0)
        return sent;
    if (goes_now)
        drop_first(&stream->departures);
    for (struct weft__departure *later = stream->departures; later; later = later->next)
        later->at -= (size_t)sent;
    return sent;
}

void weft__fds_drop(weft_stream *stream)
{
    while (stream->departures)
        drop_first(&stream->departures);
}

static bool is_unix(const weft_stream *stream)
{
    int domain = 0;
    socklen_t len = sizeof(domain);
    bool known = getsockopt(stream->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0;
    return known && domain == AF_UNIX && !stream->filter;
}

/* Let a copy go with what is appended to `out` next. 0, or why not. */
static int queue(weft_stream *stream, int fd, struct weft__departure ***ret_end)
{
    struct weft__departure *departure = weft__malloc(sizeof(*departure));
    if (!departure)
        return -ENOMEM;
    *departure = (struct weft__departure){.at = weft__buffer_len(&stream->out)};
    departure->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (departure->fd < 0) {
        int status = -errno;
        weft__free(departure);
        return status;
    }
    struct weft__departure **end = &stream->departures;
    while (*end)
        end = &(*end)->next;
    *end = departure;
    *ret_end = end;
    return 0;
}

int weft_send_fd(weft_stream *stream, int fd, const void *data, size_t len)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__elsewhere();
    if (stream->write_error)
        return stream->write_error;
    if (!is_unix(stream))
        return -EOPNOTSUPP;
    struct weft__departure **own = NULL;
    int status = len ? queue(stream, fd, &own) : -EINVAL;
    if (!own)
        return status;
    struct iovec piece = {(void *)data, len};
    bool corked = stream->flags & WEFT__STREAM_CORKED;
    stream->flags |= WEFT__STREAM_CORKED; /* into the buffer, behind what waits there */
    status = weft__stream_writev(stream, &piece, 1);
    if (status < 0 && stream->departures)
        drop_first(own);
    if (!corked && status == 0)
        return weft__stream_uncork(stream);
    if (!corked)
        stream->flags &= ~(uint32_t)WEFT__STREAM_CORKED;
    return status;
}

/* ---- Receiving ---- */

/* 0, or why it is lost. */
static int keep(struct weft__stream_fds *fds, int fd)
{
    if (fds->count == fds->limit) {
        close(fd);
        return WEFT_ELIMIT;
    }
    fds->arrived[(fds->next + fds->count++) % fds->limit] = fd;
    return 0;
}

static int keep_all(struct weft__stream_fds *fds, struct msghdr *message)
{
    int status = message->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t size = part->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
            int kept = keep(fds, fd);
            status = status < 0 ? status : kept;
        }
    }
    return status;
}

ssize_t weft__fds_receive(weft_stream *stream, void *buffer, size_t size)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(MOST * sizeof(int))];
    } control;
    struct iovec piece = {buffer, size};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = weft__sys.recvmsg(stream->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return got;
    int status = keep_all(stream->fds, &message);
    if (status < 0)
        stream->read_end = status; /* behind these bytes */
    return got;
}

static void close_fd(void *value)
{
    close((int)(intptr_t)value);
}

struct weft__read_end weft__fds_try(weft_stream *stream)
{
    struct weft__stream_fds *fds = stream->fds;
    if (!fds->count && weft__buffer_len(&stream->in) >= stream->read_high)
        return weft__read_failed(WEFT_ELIMIT);
    if (!fds->count)
        return weft__read_needs_more(stream);
    int fd = fds->arrived[fds->next];
    fds->next = (fds->next + 1) % fds->limit;
    fds->count--;
    return (struct weft__read_end){.value = weft_value_i64(fd), .destructor = close_fd};
}

int weft_accept_fds(weft_stream *stream, size_t limit)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__elsewhere();
    if (stream->fd < 0)
        return -ESHUTDOWN;
    if (!is_unix(stream))
        return -EOPNOTSUPP;
    if (!limit || limit > MOST || stream->fds)
        return -EINVAL;
    stream->fds = weft__calloc(1, sizeof(*stream->fds) + limit * sizeof(int));
    if (!stream->fds)
        return -ENOMEM;
    stream->fds->limit = limit;
    stream->flags |= WEFT__STREAM_FDS;
    return 0;
}

weft_future *weft_receive_fd(weft_stream *stream)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    if (stream->flags & WEFT__STREAM_DEAD)
        return weft__net_refused(-ESHUTDOWN);
    if (!stream->fds)
        return weft_future_failed(-EINVAL, "weft_accept_fds() was not called");
    weft_future *future;
    struct weft__read *read = weft__read_new(stream, WEFT__READ_FD, 0, 0, &future);
    return read ? weft__read_start(stream, read) : future;
}

void weft__fds_free(weft_stream *stream)
{
    struct weft__stream_fds *fds = stream->fds;
    weft__fds_drop(stream);
    stream->fds = NULL;
    stream->flags &= ~(uint32_t)WEFT__STREAM_FDS;
    for (; fds && fds->count; fds->count--) {
        close(fds->arrived[fds->next]);
        fds->next = (fds->next + 1) % fds->limit;
    }
    weft__free(fds);
}
