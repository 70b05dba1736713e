/* SPDX-License-Identifier: MIT */
/**
 * Server-sent events: an answer that does not end, of events that a page's EventSource takes.
 *
 *     struct news { WEFT_FRAME; weft_http_request *request; weft_queue *queue; char *text; };
 *
 *     static WEFT_ASYNC(news)
 *     {
 *         WEFT_BEGIN;
 *         weft_http_events_start(self->request);
 *         for (;;) {
 *             WEFT_AWAIT(weft_http_drain(self->request));
 *             WEFT_AWAIT_INTO(self->text, weft_race(weft_queue_get(self->queue),
 *                                                   weft_http_request_stopping(self->request)));
 *             if (!self->text)
 *                 break;
 *             weft_http_event_send(self->request, &(struct weft_http_event){.data = self->text});
 *             free(self->text);
 *         }
 *         WEFT_END;
 *     }
 *
 * A client whose connection is cut comes again by itself, and says the last id that it saw. Proxies close
 * connections on which nothing goes, and a client may be gone without a word: a comment is sent now and then,
 * by itself, which keeps the ones and finds the others. A handler whose client is gone is cancelled (unless
 * the server's `on_disconnect` keeps it).
 */
#ifndef WEFT_HTTP_EVENTS_H
#define WEFT_HTTP_EVENTS_H

#include <stddef.h>
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

/** How an answer of events goes. Zero is the default of every field. */
struct weft_http_events_options {
    size_t size;       /* sizeof(struct weft_http_events_options), or 0 for "this version" */
    weft_ns heartbeat; /* how often a comment is sent; 0: 15 s; WEFT_FOREVER: never */
    weft_ns retry;     /* how long a client is to wait before it comes again, told at once; whole
                          milliseconds; 0: not told, which is 3 s for most */
};

/**
 * Begin an answer of events: 200, text/event-stream, not to be kept by caches.
 *
 * While it goes on, a comment is sent every `heartbeat`, unless something waits to be sent already. A
 * client that nothing has reached for the server's `write_timeout`, by two beats, is taken for dead: the
 * connection ends as if the client had ended it.
 *
 * The head is sent with the first event, with the first comment, or by weft_http_drain(): await that to
 * let the client know that it is connected. `options` may be NULL.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (the options), -ENOMEM, else as weft_http_start() and, with a `retry`,
 *            weft_http_write(). Those that follow fail if this did, so that it may be ignored here.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_events_start_with(weft_http_request *request,
                                            const struct weft_http_events_options *options);

/** weft_http_events_start_with(request, NULL). Thread: loop. Since: 0.1 */
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
 * Send a comment, which clients pass over: a sign of life. "" is one; the heartbeat sends that by itself.
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
