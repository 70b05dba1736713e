/* SPDX-License-Identifier: MIT */
/*
 * Transfers: one exchange with a server, in one of libcurl's handles.
 *
 *     NEW --start--> QUEUED --the engine's turn--> RUNNING --ends--> ENDED --close--> CLOSED
 *                       \______________________________________________________________/^
 *
 * Its coroutine waits for `event`: the headers, if the response is streamed and all of the body was
 * sent; else the end. Whoever gives it up closes it: from then on libcurl knows nothing of it. A
 * failure found within one of libcurl's callbacks, where a handle must not go, only ends it: what
 * libcurl brings after that is refused.
 *
 * No function here runs anything of a user's: libcurl may be on the stack.
 *
 * Whole, the body is there before the event is. A body that nobody is to see, of a redirect, is
 * read and dropped, so that the connection can be used again; but not much of it.
 */
#include "net/http_client/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <weft/error.h>

#include "net/http_client/error.h"
#include "net/http_client/session.h"
#include "net/http_client/setup.h"
#include "net/http_client/text.h"

enum { MAX_DISCARDED = 1 << 20 };

static const weft_ns NUDGE = WEFT_MS(250);

struct weft__client_transfer *weft__client_transfer_of(CURL *easy)
{
    char *transfer = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    return (struct weft__client_transfer *)(void *)transfer;
}

/* ---- Ends ---- */

static void end(struct weft__client_transfer *transfer, int status, const char *message)
{
    if (transfer->has_ended)
        return;
    transfer->has_ended = true;
    (void)weft_callback_cancel(&transfer->speed);
    (void)weft_callback_cancel(&transfer->nudge);
    weft__client_scout_end(&transfer->scout);
    weft__client_place_leave(&transfer->place);
    if (transfer->response && transfer->response->streams)
        weft__client_response_end(transfer->response, status, message);
    if (status < 0)
        (void)weft_future_fail(transfer->event, status, "%s", message ? message : "");
    else
        (void)weft_future_resolve(transfer->event, weft_value_i64(0), NULL);
}

/* "GET http://…: why". */
static void end_named(struct weft__client_transfer *transfer, int status, const char *why)
{
    const struct weft__client_request *request = transfer->request;
    char message[CURL_ERROR_SIZE + 512];
    if (request)
        snprintf(message, sizeof(message), "%s %.400s: %s", request->method, request->url.text,
                 why);
    end(transfer, status, request ? message : why);
}

void weft__client_transfer_fail(struct weft__client_transfer *transfer, int status,
                                const char *message)
{
    end_named(transfer, status, message ? message : weft_strerror(status));
}

/* Those that were made for it, each once. */
static void count_connections(struct weft__client_transfer *transfer)
{
    long count = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &count);
    transfer->session->engine.connections += (uint64_t)(count - transfer->connections);
    transfer->connections = count;
}

void weft__client_transfer_done(struct weft__client_transfer *transfer, CURLcode result)
{
    struct weft__client_end why = {
        .code = result,
        .has_head = transfer->has_head,
        .lacks_goodbye = weft__client_goodbye_is_missing(transfer->goodbye),
        .text = transfer->error,
    };
    const char *message;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &why.os_error);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &why.proxy_status);
    int status = weft__client_error(&why, &message);
    count_connections(transfer);
    if (transfer->connections == 0 && result == CURLE_SEND_ERROR) /* it had an idle one */
        transfer->met_dead_connection = !transfer->has_answer;
    if (status < 0 && transfer->verdict != WEFT__CLIENT_FOLLOW) /* whatever comes with a redirect */
        end_named(transfer, status, message);
    else
        end(transfer, 0, NULL);
    if (transfer->response && transfer->response->transfer == transfer)
        weft__client_response_close(transfer->response);
    else
        weft__client_transfer_close(transfer);
}

/* The response can be the user's: nothing of the request is needed any more. */
static void hand_over_if_ready(struct weft__client_transfer *transfer)
{
    if (transfer->has_head && transfer->upload.is_sent && transfer->response->streams &&
        transfer->verdict == WEFT__CLIENT_DELIVER)
        (void)weft_future_resolve(transfer->event, weft_value_i64(0), NULL);
}

void weft__client_transfer_sent(struct weft__client_transfer *transfer)
{
    hand_over_if_ready(transfer);
}

/* ---- libcurl calls ---- */

static int version_of(const struct weft__client_transfer *transfer)
{
    long version = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    default:
        return version == CURL_HTTP_VERSION_3 ? 30 : 0;
    }
}

static void note_retry_after(struct weft__client_transfer *transfer)
{
    curl_off_t seconds = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &seconds);
    transfer->retry_after = seconds > 1000000 ? WEFT_S(1000000) : WEFT_S(seconds);
}

static bool ends_with_connection(const struct weft__client_transfer *transfer)
{
    const weft_http_response *response = transfer->response;
    if (response->version >= 20 || response->status == 204 || response->status == 304)
        return false;
    return strcmp(transfer->request->method, "HEAD") != 0 &&
           !weft__client_head_get(&response->head, "Content-Length") &&
           !weft__client_head_get(&response->head, "Transfer-Encoding");
}

/* Behind the last header: of the response itself, or of one that only announces it. */
static void head_is_there(struct weft__client_transfer *transfer)
{
    weft_http_response *response = transfer->response;
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return;
    transfer->has_head = true;
    response->status = (int)status;
    response->version = version_of(transfer);
    weft__client_scout_learn(&transfer->session->scouts, transfer->request, response->version);
    note_retry_after(transfer);
    transfer->verdict = weft__client_judge(transfer->request, response->status,
                                           weft__client_head_get(&response->head, "Location"),
                                           transfer->retry_after);
    if (ends_with_connection(transfer) &&
        weft__client_goodbye_await(transfer->easy, &transfer->goodbye) < 0) {
        weft__client_transfer_fail(transfer, -ENOMEM, NULL);
        return;
    }
    hand_over_if_ready(transfer);
}

size_t weft__client_on_header(char *line, size_t one, size_t count, void *arg)
{
    struct weft__client_transfer *transfer = arg;
    size_t len = one * count;
    bool is_blank = len == 2 && line[0] == '\r';
    transfer->moved += len;
    transfer->has_answer = true;
    if (transfer->has_ended)
        return 0;
    if (transfer->has_head) /* trailers */
        return len;
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
        weft__client_head_clear(&transfer->response->head);
        return len;
    }
    int status = is_blank ? 0 : weft__client_head_add(&transfer->response->head, line, len);
    if (is_blank)
        head_is_there(transfer);
    if (status < 0)
        weft__client_transfer_fail(transfer, status, "the headers of the response");
    return status < 0 ? 0 : len;
}

static size_t discard(struct weft__client_transfer *transfer, size_t len)
{
    transfer->discarded += len;
    if (transfer->discarded <= MAX_DISCARDED)
        return len;
    end(transfer, 0, NULL);
    return 0;
}

size_t weft__client_on_data(char *data, size_t one, size_t count, void *arg)
{
    struct weft__client_transfer *transfer = arg;
    size_t len = one * count;
    if (transfer->has_ended)
        return 0;
    transfer->moved += len;
    if (transfer->verdict != WEFT__CLIENT_DELIVER)
        return discard(transfer, len);
    int status = weft__client_response_add(transfer->response, data, len);
    if (status == 0)
        return len;
    if (status == -EAGAIN) {
        transfer->moved -= len;
        transfer->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    weft__client_transfer_fail(transfer, status, "the body of the response");
    return 0;
}

/* Before each request that libcurl sends: it sends one anew if its idle connection was closed. */
int weft__client_on_connected(void *arg, char *ip, char *local, int port, int local_port)
{
    (void)ip;
    (void)local;
    (void)port;
    (void)local_port;
    struct weft__client_transfer *transfer = arg;
    if (!weft__client_upload_rewind(&transfer->upload)) {
        weft__client_transfer_fail(transfer, -ECONNRESET, "the body cannot be sent a second time");
        return CURL_PREREQFUNC_ABORT;
    }
    (void)weft_callback_cancel(&transfer->nudge);
    weft__client_scout_end(&transfer->scout);
    if (transfer->connecting)
        (void)weft_timeout_reschedule(transfer->connecting, WEFT_FOREVER);
    if (transfer->low_speed == WEFT_FOREVER || weft_callback_is_pending(&transfer->speed) ||
        weft_callback_later(&transfer->speed, transfer->low_speed) == 0)
        return CURL_PREREQFUNC_OK;
    weft__client_transfer_fail(transfer, -ENOMEM, NULL);
    return CURL_PREREQFUNC_ABORT;
}

/* ---- Progress ---- */

static void look_for_progress(void *arg)
{
    struct weft__client_transfer *transfer = arg;
    bool is_slow = transfer->moved < transfer->low_speed_bytes && !transfer->is_paused;
    transfer->moved = 0;
    if (!is_slow && weft_callback_later(&transfer->speed, transfer->low_speed) == 0)
        return;
    weft__client_transfer_fail(transfer, is_slow ? -ETIMEDOUT : -ENOMEM,
                               is_slow ? "too slow" : NULL);
    if (transfer->response && transfer->response->transfer == transfer)
        weft__client_response_close(transfer->response);
    else
        weft__client_transfer_close(transfer);
}

static void unpause(struct weft__client_transfer *transfer)
{
    int still = (transfer->is_paused ? CURLPAUSE_RECV : 0) |
                (transfer->sending_paused ? CURLPAUSE_SEND : 0);
    if (transfer->easy && transfer->is_added)
        (void)curl_easy_pause(transfer->easy, still);
}

void weft__client_transfer_resume(struct weft__client_transfer *transfer)
{
    transfer->is_paused = false;
    transfer->response->takes_all = true; /* what libcurl holds, and no more */
    unpause(transfer);
    transfer->response->takes_all = false;
}

void weft__client_transfer_resume_sending(struct weft__client_transfer *transfer)
{
    if (!transfer->sending_paused)
        return;
    transfer->sending_paused = false;
    unpause(transfer);
}

/* libcurl 7.88.1 gives up an address after its time, and begins with the next one of that family only
   when it is called: and it has asked for nothing. To pause and go on calls it. */
static void nudge(void *arg)
{
    struct weft__client_transfer *transfer = arg;
    if (transfer->easy && transfer->is_added) {
        (void)curl_easy_pause(transfer->easy, CURLPAUSE_RECV);
        (void)curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    }
    int status = weft_callback_later(&transfer->nudge, NUDGE); /* without it: as libcurl does */
    (void)status;
}

/* ---- Life ---- */

static bool fill(struct weft__client_transfer *transfer, struct weft__client_request *request,
                 int64_t file_length, const struct weft__client_known *known)
{
    bool streams = request->flags & WEFT_HTTP_STREAM;
    transfer->session = weft__client_session_ref(request->session);
    transfer->request = request;
    transfer->low_speed = request->timeouts.low_speed;
    transfer->low_speed_bytes = request->timeouts.low_speed_bytes;
    weft_callback_init(&transfer->speed, look_for_progress, transfer);
    weft_callback_init(&transfer->nudge, nudge, transfer);
    transfer->event = weft_future_new();
    transfer->response = weft__client_response_new(streams, request->max_body);
    if (!transfer->response ||
        weft__client_upload_init(&transfer->upload, request, file_length) < 0)
        return false;
    transfer->response->url = weft__client_strdup(request->url.text);
    transfer->response->redirects = request->redirects;
    transfer->easy = curl_easy_init();
    return transfer->response->url && transfer->easy &&
           weft__client_setup(transfer, request, known);
}

struct weft__client_transfer *weft__client_transfer_new(struct weft__client_request *request,
                                                        struct weft__client_place place,
                                                        int64_t file_length,
                                                        const struct weft__client_known *known)
{
    struct weft__client_transfer *transfer = weft__client_alloc(sizeof(*transfer));
    if (!transfer) {
        weft__client_place_leave(&place);
        return NULL;
    }
    transfer->place = place;
    if (fill(transfer, request, file_length, known))
        return transfer;
    weft_http_response_free(transfer->response);
    transfer->response = NULL;
    weft__client_transfer_free(transfer);
    return NULL;
}

void weft__client_transfer_start(struct weft__client_transfer *transfer)
{
    weft__client_engine_add(&transfer->session->engine, transfer);
    if (!transfer->has_several)
        return;
    int status = weft_callback_later(&transfer->nudge, NUDGE); /* without it: as libcurl does */
    (void)status;
}

/* In a child that was forked the handle is left as it is: the connection is its parent's. */
void weft__client_transfer_close(struct weft__client_transfer *transfer)
{
    struct weft__client_engine *engine = &transfer->session->engine;
    if (!transfer->easy)
        return;
    (void)weft_callback_cancel(&transfer->speed);
    (void)weft_callback_cancel(&transfer->nudge);
    count_connections(transfer);
    transfer->has_ended = true; /* whatever libcurl still brings is refused */
    weft__client_engine_remove(engine, transfer);
    if (engine->generation == weft__companion_generation())
        curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    weft__client_scout_end(&transfer->scout);
    weft__client_place_leave(&transfer->place);
}

void weft__client_transfer_free(struct weft__client_transfer *transfer)
{
    if (!transfer)
        return;
    if (transfer->session && transfer->easy)
        weft__client_transfer_close(transfer);
    weft__client_scout_end(&transfer->scout);
    weft__client_place_leave(&transfer->place);
    weft__client_upload_fini(&transfer->upload);
    (void)weft_future_status(transfer->event); /* nobody may have looked */
    weft_unref(transfer->event);
    weft__client_goodbye_unref(transfer->goodbye);
    curl_slist_free_all(transfer->known);
    curl_slist_free_all(transfer->fields);
    weft__client_session_unref(transfer->session);
    weft__companion_free(transfer);
}
