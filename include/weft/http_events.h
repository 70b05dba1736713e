/* SPDX-License-Identifier: MIT */
/**
 * Server-sent events: an answer that does not end, of events that a page's EventSource takes.
 *
 *     struct news { WEFT_FRAME; weft_http_request *request; weft_queue *queue; char *text; int status; };
 *
 *     static WEFT_ASYNC(news)
 *     {
 *         WEFT_BEGIN;
 *         weft_http_events_start(self->request);
 *         while (!weft_http_request_is_stopping(self->request)) {
 *             WEFT_CATCH_INTO(self->status, self->text,
 *                             weft_wait_for(weft_queue_get(self->queue), WEFT_S(15)));
 *             if (self->status == -ETIMEDOUT)
 *                 weft_http_event_comment(self->request, "");
 *             else
 *                 weft_http_event_send(self->request, &(struct weft_http_event){.data = self->text});
 *             WEFT_AWAIT(weft_http_drain(self->request));
 *         }
 *         WEFT_END;
 *     }
 *
 * A client whose connection is cut comes again by itself, and says the last id that it saw. Proxies close
 * connections on which nothing goes: a comment now and then keeps them, and finds out who is gone.
 */
#ifndef WEFT_HTTP_EVENTS_H
#define WEFT_HTTP_EVENTS_H

#include <weft/http_server.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An event. Fields that are NULL or 0 are not sent. */
struct weft_http_event {
    const char
        *id; /* what the client says when it comes again; one line; "": forget the last one */
    const char *event; /* its type; one line; NULL: "message" */
    const char *data;  /* a text of any number of lines: "\n", "\r\n" and "\r" end one */
    weft_ns retry;     /* how long to wait before coming again; whole milliseconds */
};

/**
 * Begin an answer of events: 200, text/event-stream, not to be kept by caches.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: nothing changes hands.
 * Errors:    as weft_http_start(). Those that follow fail if this did, so that it may be ignored here.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_events_start(weft_http_request *request);

/**
 * Send an event. Await weft_http_drain() after each, or after some.
 *
 * Clients do not dispatch an event without data: it only sets the id, or the time to wait.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: nothing is kept.
 * Errors:    -EINVAL (an id or a type of several lines, nothing to send, a negative `retry`), else as
 *            weft_http_write().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_event_send(weft_http_request *request,
                                     const struct weft_http_event *event);

/**
 * Send a comment, which clients pass over: a sign of life. "" is one.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: nothing is kept.
 * Errors:    -EINVAL (several lines), else as weft_http_write().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_event_comment(weft_http_request *request, const char *text);

/**
 * The id of the last event that a client saw which comes again (the Last-Event-ID header); NULL: it comes
 * for the first time, or that event had none. Borrowed, as weft_http_request_header().
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC const char *weft_http_events_last_id(const weft_http_request *request);

#ifdef __cplusplus
}
#endif

#endif
