/* SPDX-License-Identifier: MIT */
/*
 * How long a connection may wait: one timer for each, armed lazily.
 *
 * A deadline is a number that is written at every wait; the timer is a call at some time not after
 * the earliest one. When it comes too early it is armed anew, for what is the earliest then. So a
 * busy connection arms a timer once in ten seconds or in a minute, whatever it serves.
 *
 *     read_deadline    the input that is waited for did not come: the wait is cancelled, `expired`
 *     write_deadline   something waits to be sent: it is put off as long as there is progress; else
 *                      the writing direction fails with -ETIMEDOUT. A file that is sent by the
 *                      kernel waits while that has no room, not while it is read
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "net/http/server.h"

static void expire_read(weft__http_connection *connection)
{
    connection->read_deadline = WEFT_FOREVER;
    if (connection->waiting && weft_cancel_because(connection->waiting, "timed out"))
        connection->expired = true;
}

/*
 * How much has reached the client, counted from anywhere: what was written but for what waits here or in
 * the kernel. That alone shows the progress of a slow client, since the kernel takes more only when a
 * good part of its buffer is free.
 */
int64_t weft__http_sent(const weft__http_connection *connection)
{
    int queued = 0;
    if (ioctl(connection->stream->fd, SIOCOUTQ, &queued) < 0 || queued < 0)
        queued = 0;
    int64_t written = connection->request ? weft__http_written(connection->request) : 0;
    return written - (int64_t)weft_write_pending(connection->stream) - queued;
}

/* Without memory for a timer there is no limit; better than to end a connection that is well. */
static void arm(weft__http_connection *connection)
{
    weft_ns first = connection->read_deadline < connection->write_deadline
                        ? connection->read_deadline
                        : connection->write_deadline;
    bool pending = weft_callback_is_pending(&connection->timer);
    if (first == WEFT_FOREVER || (pending && connection->armed <= first))
        return;
    if (pending)
        weft_callback_cancel(&connection->timer);
    if (weft_callback_at(&connection->timer, first) == 0)
        connection->armed = first;
}

void weft__http_limit_write(weft__http_connection *connection)
{
    weft_ns timeout = connection->server->options.write_timeout;
    weft_ns now = weft_now();
    connection->sent = weft__http_sent(connection);
    connection->write_deadline = timeout < WEFT_FOREVER - now ? now + timeout : WEFT_FOREVER;
    arm(connection);
}

static void expire_write(weft__http_connection *connection)
{
    connection->write_deadline = WEFT_FOREVER;
    weft_stream *stream = connection->stream;
    if (!weft_write_pending(stream) && !stream->sender)
        return;
    bool waits = !stream->sender || stream->flags & WEFT__STREAM_WRITE_ARMED;
    if (waits && weft__http_sent(connection) <= connection->sent)
        weft__stream_break(stream, -ETIMEDOUT);
    else
        weft__http_limit_write(connection);
}

void weft__http_on_time(void *arg)
{
    weft__http_connection *connection = arg;
    weft_ns now = weft_now();
    if (connection->read_deadline <= now)
        expire_read(connection);
    if (connection->write_deadline <= now)
        expire_write(connection);
    arm(connection);
}

weft_future *weft__http_wait(weft__http_connection *connection, size_t have, weft_ns deadline)
{
    weft_future *future = weft__stream_wait(connection->stream, have);
    connection->expired = false;
    if (weft_is_done(future))
        return future;
    connection->waiting = weft_ref(future);
    connection->read_deadline = deadline;
    arm(connection);
    return future;
}

void weft__http_limit_idle(weft__http_connection *connection)
{
    if (connection->phase != WEFT__HTTP_IDLE || !connection->waiting)
        return;
    if (connection->server->idle_until < connection->read_deadline)
        connection->read_deadline = connection->server->idle_until;
    arm(connection);
    if (!weft_callback_is_pending(&connection->timer))
        weft_cancel_because(connection->waiting, "the server stops");
}

int weft__http_waited(weft__http_connection *connection, int status)
{
    weft_unref(connection->waiting);
    connection->waiting = NULL;
    connection->read_deadline = WEFT_FOREVER;
    return status == -ECANCELED && connection->expired ? -ETIMEDOUT : status;
}
