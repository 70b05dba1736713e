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
 *                      the writing direction fails with -ETIMEDOUT
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "net/http_server.h"

static void arm(weft_http_request *request);

static void expire_read(weft_http_request *request)
{
    request->read_deadline = WEFT_FOREVER;
    if (request->waiting && weft_cancel_because(request->waiting, "timed out"))
        request->expired = true;
}

/*
 * How much has not reached the client, with what the kernel keeps: that alone shows the progress of a
 * slow client, since the kernel takes more only when a good part of its buffer is free.
 */
static size_t unsent(const weft_http_request *request)
{
    int queued = 0;
    if (ioctl(request->stream->fd, SIOCOUTQ, &queued) < 0 || queued < 0)
        queued = 0;
    return weft_write_pending(request->stream) + (size_t)queued;
}

static void expire_write(weft_http_request *request)
{
    request->write_deadline = WEFT_FOREVER;
    if (!weft_write_pending(request->stream))
        return;
    if (unsent(request) >= request->unsent)
        weft__stream_break(request->stream, -ETIMEDOUT);
    else
        weft__http_limit_write(request);
}

static void on_time(void *arg)
{
    weft_http_request *request = arg;
    weft_ns now = weft_now();
    weft_unref(request->timer);
    request->timer = NULL;
    if (request->read_deadline <= now)
        expire_read(request);
    if (request->write_deadline <= now)
        expire_write(request);
    arm(request);
}

void weft__http_stop_timer(weft_http_request *request)
{
    if (!request->timer)
        return;
    weft_cancel(request->timer);
    weft_unref(request->timer);
    request->timer = NULL;
}

/* Without memory for a timer there is no limit; better than to end a connection that is well. */
static void arm(weft_http_request *request)
{
    weft_ns first = request->read_deadline < request->write_deadline ? request->read_deadline
                                                                     : request->write_deadline;
    if (first == WEFT_FOREVER || (request->timer && request->armed <= first))
        return;
    weft__http_stop_timer(request);
    weft_future *timer = weft_call_at(first, on_time, request);
    if (weft_is_done(timer)) {
        weft__observe(timer);
        weft_unref(timer);
        return;
    }
    request->timer = timer;
    request->armed = first;
}

weft_future *weft__http_wait(weft_http_request *request, size_t have, weft_ns deadline)
{
    weft_future *future = weft__stream_wait(request->stream, have);
    request->expired = false;
    if (weft_is_done(future))
        return future;
    request->waiting = weft_ref(future);
    request->read_deadline = deadline;
    arm(request);
    return future;
}

int weft__http_waited(weft_http_request *request, int status)
{
    weft_unref(request->waiting);
    request->waiting = NULL;
    request->read_deadline = WEFT_FOREVER;
    return status == -ECANCELED && request->expired ? -ETIMEDOUT : status;
}

void weft__http_limit_write(weft_http_request *request)
{
    weft_ns timeout = request->server->options.write_timeout;
    weft_ns now = weft_now();
    request->unsent = unsent(request);
    request->write_deadline = timeout < WEFT_FOREVER - now ? now + timeout : WEFT_FOREVER;
    arm(request);
}
