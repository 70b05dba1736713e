/* SPDX-License-Identifier: MIT */
/*
 * A request from its beginning to its response: a coroutine, which makes attempts.
 *
 *     fetch:   attempt --a response--> delivered
 *                ^ ^   --a redirect--> (method, URL, body changed) --+
 *                | +-------------------------------------------------+
 *                +--a delay-- worth another one
 *
 *     attempt: its turn --> file --> certificates --> addresses --> scout --> transfer --> its event
 *
 * Each arrow is an await, so a cancel, a deadline and the end of the session find it in one of
 * them. The attempt's WEFT_FINALLY gives back all that it has: the handle at once, and then it
 * waits for what its feeder has under way. A streamed response takes transfer and place along.
 *
 * `total` and `connect` are timeout blocks; libcurl, when it is connected, ends the latter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <weft/file.h>
#include <weft/task.h>

#include "net/http_client/lookup.h"
#include "net/http_client/session.h"
#include "net/http_client/text.h"
#include "net/http_client/transfer.h"

/* ---- What is to be known first ---- */

struct http_prepare {
    WEFT_FRAME;
    const struct weft__client_request *request; /* borrowed, as what follows */
    struct weft__client_known *known;           /* filled */
    weft_addresses *addresses;                  /* owned, at once made a part of the above */
};

/* Both may have to be known to libcurl. */
static bool is_to_look_up(const weft_http_session *session, const struct weft__client_url *host)
{
    return !session->defaults.unix_socket && !weft__client_url_is_numeric(host) &&
           (!weft__client_session_uses_proxy(session, host) || session->looks_up_behind_proxy);
}

static bool is_proxy_to_look_up(const weft_http_session *session,
                                const struct weft__client_url *host)
{
    return weft__client_session_uses_proxy(session, host) && !session->defaults.unix_socket &&
           !weft__client_url_is_numeric(&session->proxy);
}

static weft_future *look_up(const struct weft__client_url *url)
{
    return weft_resolve(url->host, url->port);
}

static bool needs_trust(const struct weft__client_request *request)
{
    const weft_http_session *session = request->session;
    return (request->url.is_tls || session->proxy.is_tls) &&
           !weft__client_trust_is_loaded(session->trust);
}

/* The addresses that were found, if any. */
static int keep_addresses(struct http_prepare *self, const struct weft__client_url *url)
{
    weft_addresses *addresses = self->addresses;
    self->addresses = NULL;
    return addresses ? weft__client_known_add(self->known, url, addresses) : 0;
}

/* Certificates, and addresses. */
static WEFT_ASYNC(http_prepare)
{
    WEFT_BEGIN;
    if (needs_trust(self->request))
        WEFT_AWAIT(weft__client_trust_load(self->request->session->trust));
    if (is_to_look_up(self->request->session, &self->request->url))
        WEFT_AWAIT_INTO(self->addresses, look_up(&self->request->url));
    if (keep_addresses(self, &self->request->url) < 0)
        WEFT_FAIL(-ENOMEM);
    if (is_proxy_to_look_up(self->request->session, &self->request->url))
        WEFT_AWAIT_INTO(self->addresses, look_up(&self->request->session->proxy));
    if (keep_addresses(self, &self->request->session->proxy) < 0)
        WEFT_FAIL(-ENOMEM);
    WEFT_END;
}

/* ---- One attempt ---- */

struct http_attempt {
    WEFT_FRAME;
    struct weft__client_request *request; /* borrowed from the fetch */
    struct weft__client_place place;
    weft_timeout *connecting;
    weft_future *scouted; /* the await has it */
    struct weft__client_known known;
    weft_file *file;
    struct stat *info;
    int64_t length;
    struct weft__client_transfer *transfer;
    weft_http_response *response; /* owned by this until it is the result */
    weft_future *feeder;
    int status;
};

/* The place and the response are the transfer's now. */
static int make_transfer(struct http_attempt *self)
{
    self->transfer =
        weft__client_transfer_new(self->request, self->place, self->length, &self->known);
    self->place = (struct weft__client_place){0};
    if (!self->transfer)
        return -ENOMEM;
    self->response = self->transfer->response;
    self->transfer->connecting = self->connecting;
    int status = weft__client_scout_begin(&self->transfer->scout, &self->request->session->scouts,
                                          self->request);
    if (status < 0)
        return status;
    if (weft__client_upload_needs_feeder(&self->transfer->upload))
        self->feeder = weft__client_upload_feed(self->transfer, self->file);
    if (self->feeder && weft_is_done(self->feeder)) /* it was not even started */
        return weft_future_status(self->feeder);
    weft__client_transfer_start(self->transfer);
    return 0;
}

static bool is_streamed_result(const struct http_attempt *self)
{
    return self->response->streams && self->transfer->verdict == WEFT__CLIENT_DELIVER;
}

static void hand_over(struct http_attempt *self)
{
    if (!is_streamed_result(self) || self->transfer->has_ended)
        return;
    weft__client_response_hand_over(self->response, self->transfer, self->request->deadline);
    self->transfer = NULL;
}

/* What the fetch needs to know, also when the transfer is gone. */
static void note_verdict(struct http_attempt *self)
{
    self->response->verdict = self->transfer->verdict;
    self->response->retry_after = self->transfer->retry_after;
}

/* From here on libcurl has nothing of it. */
static void close_transfer(struct http_attempt *self, int outcome)
{
    if (self->transfer) {
        self->transfer->connecting = NULL;
        self->request->met_dead_connection = self->transfer->met_dead_connection;
        weft__client_transfer_close(self->transfer);
    }
    if (outcome < 0)
        weft_http_response_free(self->response);
}

static void give_back(struct http_attempt *self)
{
    weft__client_transfer_free(self->transfer);
    weft__client_place_leave(&self->place);
    weft__client_known_free(&self->known);
    weft_stat_free(self->info);
    weft_file_unref(self->file);
}

static WEFT_ASYNC(http_attempt)
{
    WEFT_BEGIN;
    self->status = weft__client_place_enter(&self->place, &self->request->session->limits,
                                            &self->request->url);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    if (self->place.host)
        WEFT_AWAIT(weft__client_place_of_host(&self->place));
    self->place.has_host = self->place.host;
    WEFT_AWAIT(weft__client_place_of_all(&self->place));
    weft__client_place_is_taken(&self->place);

    if (self->request->body.path) {
        WEFT_AWAIT_INTO(self->file, weft_file_open(self->request->body.path, O_RDONLY, 0));
        WEFT_AWAIT_INTO(self->info, weft_file_stat(self->file));
        self->length = S_ISREG(self->info->st_mode) ? self->info->st_size : -1;
    }
    WEFT_TIMEOUT_ENTER(self->connecting, self->request->timeouts.connect);
    WEFT_AWAIT(weft_call(http_prepare, .request = self->request, .known = &self->known));
    self->scouted = weft__client_scout_wait(&self->request->session->scouts, self->request);
    if (self->scouted)
        WEFT_AWAIT(self->scouted);
    self->status = make_transfer(self);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_AWAIT(weft_ref(self->transfer->event));
    note_verdict(self);
    hand_over(self);
    WEFT_RETURN(self->response, weft__client_response_destroy);

    WEFT_FINALLY;
    close_transfer(self, WEFT_OUTCOME);
    if (self->feeder) {
        weft_cancel(self->feeder);
        WEFT_CATCH(self->status, self->feeder);
    }
    give_back(self);
    if (self->connecting && weft_timeout_exit(self->connecting, WEFT_OUTCOME) != WEFT_OUTCOME)
        WEFT_FAIL(-ETIMEDOUT, "no connection to %s:%s in time", self->request->url.host,
                  self->request->url.port);
    WEFT_END;
}

/* ---- All of them ---- */

struct http_fetch {
    WEFT_FRAME;
    bool *begun;
    struct weft__client_request *request; /* owned */
    struct weft__client_link link;        /* in the session's list */
    weft_future *task;                    /* itself, borrowed */
    weft_timeout *total;
    weft_http_response *response;
    weft_ns delay;
    int status;
};

void weft__client_fetch_cut(struct weft__client_link *link)
{
    struct http_fetch *fetch =
        (struct http_fetch *)(void *)((char *)link - offsetof(struct http_fetch, link));
    weft_cancel_because(fetch->task, "the session was freed");
}

/* For who looks at the tasks: without path and query, which may be nobody's business. Without memory it has
 * its coroutine's name. */
static void name_task(const struct http_fetch *self)
{
    char name[320];
    const struct weft__client_url *url = &self->request->url;
    snprintf(name, sizeof(name), "%s %s:%s", self->request->method, url->host, url->port);
    (void)weft_task_set_name(self->task, name);
}

static void enter(struct http_fetch *self)
{
    weft_http_session *session = self->request->session;
    *self->begun = true;
    self->task = weft_current_task();
    name_task(self);
    session->requests++;
    weft__client_link_add(&session->fetches, &self->link);
    weft__client_session_enter(session);
}

static void leave(struct http_fetch *self)
{
    weft__client_link_remove(&self->link);
    weft__client_session_leave(self->request->session);
    weft__client_request_free(self->request);
}

/* 0: try again, after `delay`; a failure; 1: the response is the result. */
static int judge(struct http_fetch *self)
{
    weft_http_response *response = self->response;
    self->delay = 0;
    if (response->verdict == WEFT__CLIENT_FOLLOW)
        return weft__client_request_redirect(self->request, response->status,
                                             weft_http_header(response, "Location"));
    if (response->verdict == WEFT__CLIENT_RETRY)
        self->delay = weft__client_next_delay(self->request, response->retry_after);
    return response->verdict == WEFT__CLIENT_DELIVER;
}

/* libcurl sends a request again by itself if the idle connection that it chose is closed; but not
 * if it finds that out by sending the body. */
static bool may_try_again(struct http_fetch *self)
{
    struct weft__client_request *request = self->request;
    bool is_unlucky = request->met_dead_connection && !request->avoids_idle;
    if (!is_unlucky && !weft__client_may_retry(request, self->status))
        return false;
    request->avoids_idle = request->avoids_idle || is_unlucky;
    self->delay = is_unlucky ? 0 : weft__client_next_delay(request, 0);
    return true;
}

static bool is_refused(const struct http_fetch *self)
{
    return (self->request->flags & WEFT_HTTP_EXPECT_OK) && self->response->status >= 400;
}

static WEFT_ASYNC(http_fetch)
{
    WEFT_BEGIN;
    enter(self);
    WEFT_TIMEOUT_ENTER(self->total, self->request->timeouts.total);
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->response,
                        weft_call(http_attempt, .request = self->request));
        if (self->status < 0) {
            if (!may_try_again(self))
                WEFT_FAIL(self->status, "%s", WEFT_CAUGHT_MESSAGE ? WEFT_CAUGHT_MESSAGE : "");
        } else {
            self->status = judge(self);
            if (self->status == 1)
                break;
            weft_http_response_free(self->response);
            self->response = NULL;
            if (self->status < 0)
                WEFT_FAIL(self->status, "a redirect of %s", self->request->url.text);
        }
        if (self->delay > 0)
            WEFT_AWAIT(weft_sleep(self->delay));
    }
    if (is_refused(self))
        WEFT_FAIL(WEFT_EHTTP, "%s %s: status %d", self->request->method, self->request->url.text,
                  self->response->status);
    WEFT_RETURN(self->response, weft__client_response_destroy);

    WEFT_FINALLY;
    if (WEFT_OUTCOME < 0)
        weft_http_response_free(self->response);
    bool was_cut = WEFT_OUTCOME == -ECANCELED && self->request->session->is_freed;
    bool timed_out = weft_timeout_exit(self->total, WEFT_OUTCOME) == -ETIMEDOUT;
    leave(self);
    if (was_cut)
        WEFT_FAIL(WEFT_ECLOSED, "the session was freed");
    if (timed_out && WEFT_OUTCOME == -ECANCELED)
        WEFT_FAIL(-ETIMEDOUT, "the request took too long");
    WEFT_END;
}

/* ---- The calls ---- */

weft_future *weft__client_started(weft_future *task, bool begun)
{
    if (begun || weft_task_get_state(task) != WEFT_TASK_NEW)
        return task;
    weft_cancel(task);
    weft_unref(task);
    return weft_future_failed(WEFT_ELIMIT, "within too many tasks that started each other");
}

/* What it is that makes no sense. */
static weft_future *refuse_request(const weft_http_session *session, const char *method,
                                   const char *url)
{
    struct weft__client_url parsed;
    if (!method || !weft__client_is_token(method))
        return weft_future_failed(-EINVAL, "not a method: %.100s", method ? method : "NULL");
    if (!url)
        return weft_future_failed(-EINVAL, "no URL");
    int status = weft__client_url_parse(session->defaults.base_url, url, &parsed);
    if (status == -EINVAL)
        return weft_future_failed(-EINVAL, "not a URL of HTTP: \"%.200s\"", url);
    if (status == 0)
        weft__client_url_free(&parsed);
    return weft_future_failed(-EINVAL, "%s %.200s: not a header, or not a body", method, url);
}

static weft_future *fetch(weft_http_session *session, const char *function, const char *method,
                          const char *url, const struct weft_http_fetch_options *options)
{
    bool begun = false;
    struct weft__client_request *request = NULL;
    int status = weft__client_session_check(session, function);
    if (status == 0 && session->is_closed)
        status = WEFT_ECLOSED;
    if (status == 0)
        status = weft__client_request_new(session, method, url, options, &request);
    if (status == -EINVAL && session)
        return refuse_request(session, method, url);
    if (status < 0)
        return weft__client_refuse(status);
    weft_future *task = weft_spawn_eager(http_fetch, .begun = &begun, .request = request);
    if (!begun)
        weft__client_request_free(request);
    return weft__client_started(task, begun);
}

weft_future *weft_http_fetch(weft_http_session *session, const char *method, const char *url,
                             const struct weft_http_fetch_options *options)
{
    return fetch(session, __func__, method, url, options);
}

weft_future *weft_http_get(weft_http_session *session, const char *url)
{
    return fetch(session, __func__, "GET", url, NULL);
}

weft_future *weft_http_head(weft_http_session *session, const char *url)
{
    return fetch(session, __func__, "HEAD", url, NULL);
}

weft_future *weft_http_delete(weft_http_session *session, const char *url)
{
    return fetch(session, __func__, "DELETE", url, NULL);
}

static weft_future *send_memory(weft_http_session *session, const char *function,
                                const char *method, const char *url, const char *type,
                                const void *data, size_t len)
{
    const struct weft_http_fetch_options options = {
        .body = {.data = data, .len = len, .type = type}};
    return fetch(session, function, method, url, &options);
}

weft_future *weft_http_post(weft_http_session *session, const char *url, const char *type,
                            const void *data, size_t len)
{
    return send_memory(session, __func__, "POST", url, type, data, len);
}

weft_future *weft_http_put(weft_http_session *session, const char *url, const char *type,
                           const void *data, size_t len)
{
    return send_memory(session, __func__, "PUT", url, type, data, len);
}
