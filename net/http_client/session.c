/* SPDX-License-Identifier: MIT */
/*
 * Sessions: what requests have in common.
 *
 *     OPEN --close--> CLOSED (takes no requests) --no users left--> the wait ends
 *       \________________\______free: users are cut off________> FREED; gone with the last reference
 *
 * A user is a request under way, or a streamed body. Each has a reference, so that the engine
 * outlasts them; a response that is whole needs nothing of its session.
 *
 * curl_global_init() is called once in the process, by the first session, and never undone: another
 * part of the program may use libcurl, too. libcurl 7.84 and later are safe then whatever other
 * threads do, if it was built so (Debian's is); pthread_once() sees to it among sessions.
 *
 * The share has no locks: all its handles are this loop's.
 */
#include "net/http_client/session.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <weft/error.h>
#include <weft/job.h>
#include <weft/loop.h>
#include <weft/task.h>
#include <weft/version.h>

#include "net/http_client/text.h"

enum { FEW_CONNECTIONS = 16 };

/* ---- Options ---- */

static const struct weft_http_session_options no_options;

static bool copy(char **ret, const char *text)
{
    *ret = weft__client_strdup(text);
    return *ret || !text;
}

/* "unix:/path" or "unix:@name"; NULL is nothing. */
static int set_unix_socket(struct weft__client_defaults *defaults, const char *address)
{
    if (!address)
        return 0;
    if (strncmp(address, "unix:", 5) != 0 || (address[5] != '/' && address[5] != '@'))
        return -EINVAL;
    return copy(&defaults->unix_socket, address + 5) ? 0 : -ENOMEM;
}

static int set_base(struct weft__client_defaults *defaults, const char *base)
{
    struct weft__client_url url;
    if (!base)
        return 0;
    int status = weft__client_url_parse(NULL, base, &url);
    if (status < 0)
        return status;
    defaults->base_url = url.text;
    url.text = NULL;
    weft__client_url_free(&url);
    return 0;
}

static int set_proxy(weft_http_session *session, const char *proxy, const char *no_proxy)
{
    if (!proxy)
        return 0;
    session->looks_up_behind_proxy =
        strncmp(proxy, "socks4:", 7) == 0 || strncmp(proxy, "socks5:", 7) == 0;
    int status = weft__client_url_parse_proxy(proxy, &session->proxy);
    if (status < 0)
        return status;
    return copy(&session->defaults.proxy, proxy) && copy(&session->defaults.no_proxy, no_proxy)
               ? 0
               : -ENOMEM;
}

static int set_fields(struct weft__client_defaults *defaults,
                      const struct weft_http_session_options *options)
{
    static const char own[] = "weft/" WEFT__STRING(WEFT_VERSION_MAJOR) "." WEFT__STRING(
        WEFT_VERSION_MINOR) "." WEFT__STRING(WEFT_VERSION_PATCH);
    const char *agent = options->user_agent ? options->user_agent : own;
    int status = weft__client_fields_add(&defaults->fields, options->headers);
    if (status == 0 && *agent)
        status = weft__client_fields_add_one(&defaults->fields, "User-Agent", agent);
    return status;
}

static void set_numbers(struct weft__client_defaults *defaults,
                        const struct weft_http_session_options *options)
{
    struct weft_http_timeouts *timeouts = &defaults->timeouts;
    defaults->flags = options->flags;
    defaults->max_body = options->max_body ? options->max_body : (size_t)64 << 20;
    defaults->max_redirects = options->max_redirects ? options->max_redirects : 10;
    defaults->retry = options->retry;
    *timeouts = options->timeouts;
    timeouts->total = timeouts->total > 0 ? timeouts->total : WEFT_S(300);
    timeouts->connect = timeouts->connect > 0 ? timeouts->connect : WEFT_S(30);
    timeouts->low_speed = timeouts->low_speed > 0 ? timeouts->low_speed : WEFT_FOREVER;
    timeouts->low_speed_bytes = timeouts->low_speed_bytes ? timeouts->low_speed_bytes : 1;
}

static int take_options(weft_http_session *session, const struct weft_http_session_options *options)
{
    struct weft__client_defaults *defaults = &session->defaults;
    set_numbers(defaults, options);
    int status = set_base(defaults, options->base_url);
    if (status == 0)
        status = set_proxy(session, options->proxy, options->no_proxy);
    if (status == 0)
        status = set_unix_socket(defaults, options->unix_socket);
    if (status == 0)
        status = set_fields(defaults, options);
    return status;
}

/* ---- Making ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode initialized;

static void initialize(void)
{
    initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int make_share(weft_http_session *session)
{
    session->share = curl_share_init();
    if (!session->share)
        return -ENOMEM;
    CURLSHcode code =
        curl_share_setopt(session->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    if (code == CURLSHE_OK && !(session->defaults.flags & WEFT_HTTP_NO_COOKIES))
        code = curl_share_setopt(session->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    return code == CURLSHE_OK ? 0 : -ENOMEM;
}

static int fill(weft_http_session *session, const struct weft_http_session_options *options)
{
    size_t requests = options->max_requests ? options->max_requests : 100;
    size_t per_host = options->max_per_host ? options->max_per_host : requests;
    size_t idle = options->max_idle ? options->max_idle : requests;
    if (idle > INT_MAX)
        return -EINVAL;
    int status = weft__client_engine_init(&session->engine, idle);
    if (status == 0)
        status = weft__client_limits_init(&session->limits, requests, per_host);
    if (status == 0)
        status = take_options(session, options);
    if (status == 0)
        status = make_share(session);
    if (status < 0)
        return status;
    session->trust = weft__client_trust_new(options);
    return session->trust ? 0 : -ENOMEM;
}

static weft_http_session *make(const struct weft_http_session_options *options, int *ret_status)
{
    pthread_once(&once, initialize);
    *ret_status = initialized == CURLE_OK ? -ENOMEM : -EIO;
    weft_http_session *session =
        initialized == CURLE_OK ? weft__client_alloc(sizeof(*session)) : NULL;
    if (!session)
        return NULL;
    session->refs = 1;
    session->loop_id = weft__companion_loop_id();
    session->generation = weft__companion_generation();
    *ret_status = fill(session, options);
    if (*ret_status == 0)
        return session;
    session->is_freed = true;
    weft__client_session_unref(session);
    return NULL;
}

weft_http_session *weft_http_session_new(const struct weft_http_session_options *options)
{
    int status = 0;
    options = options ? options : &no_options;
    if (!weft_loop_current())
        status = WEFT_ENOLOOP;
    else if (options->size != 0 && options->size != sizeof(*options))
        status = -EINVAL;
    weft_http_session *session = status == 0 ? make(options, &status) : NULL;
    if (!session)
        errno = -status;
    return session;
}

/* ---- Use ---- */

int weft__client_session_check(weft_http_session *session, const char *function)
{
    if (!session)
        return -EINVAL;
    if (weft__companion_is_elsewhere(session->loop_id, function))
        return weft__companion_elsewhere();
    return session->generation == weft__companion_generation() ? 0 : WEFT_EFORK;
}

weft_future *weft__client_refuse(int status)
{
    if (status == WEFT_EFORK && weft__companion_loop_id()) /* it goes on with the loop */
        return weft_future_failed(status, "the session is the parent process's");
    if (status == WEFT_ETHREAD || status == WEFT_EFORK)
        return weft__companion_future_elsewhere();
    if (status == WEFT_ECLOSED)
        return weft_future_failed(status, "the session is closed");
    return weft_future_failed(status, NULL);
}

weft_http_session *weft__client_session_ref(weft_http_session *session)
{
    session->refs++;
    return session;
}

static void free_defaults(struct weft__client_defaults *defaults)
{
    weft__companion_free(defaults->base_url);
    weft__companion_free(defaults->proxy);
    weft__companion_free(defaults->no_proxy);
    weft__companion_free(defaults->unix_socket);
    curl_slist_free_all(defaults->fields);
}

/* What is left of a session: connections, and what they use. */
struct farewell {
    CURLM *multi;
    CURLSH *share;
    struct weft__client_trust *trust;
};

static void say_farewell(void *args)
{
    struct farewell *farewell = args;
    curl_multi_cleanup(farewell->multi);
    if (farewell->share)
        curl_share_cleanup(farewell->share);
    weft__client_trust_unref(farewell->trust);
}

static WEFT_BLOCKING(farewell)
{
    return (weft_result){0};
}

/* To close a connection of TLS takes some 40 us: a few here, many on a worker; or here after all,
   if there is none. */
static void part_from(struct farewell farewell, uint64_t connections)
{
    const struct weft_job_options options = {.submit = WEFT_SUBMIT_FORCED, .release = say_farewell};
    if (connections <= FEW_CONNECTIONS) {
        say_farewell(&farewell);
        return;
    }
    weft_future *job = weft_offload(&options, farewell, .multi = farewell.multi,
                                    .share = farewell.share, .trust = farewell.trust);
    (void)weft_future_status(job);
    weft_unref(job);
}

void weft__client_session_unref(weft_http_session *session)
{
    if (!session || --session->refs > 0)
        return;
    CURLM *multi = weft__client_engine_fini(&session->engine);
    if (session->generation == weft__companion_generation())
        part_from((struct farewell){multi, session->share, session->trust},
                  session->engine.connections);
    else
        weft__client_trust_unref(session->trust);
    weft__client_limits_fini(&session->limits);
    weft__client_url_free(&session->proxy);
    free_defaults(&session->defaults);
    weft__companion_free(session);
}

bool weft__client_session_uses_proxy(const weft_http_session *session,
                                     const struct weft__client_url *url)
{
    const char *excepted = session->defaults.no_proxy;
    return session->proxy.host && !(excepted && weft__client_url_is_listed(url, excepted));
}

void weft__client_session_enter(weft_http_session *session)
{
    session->users++;
}

void weft__client_session_leave(weft_http_session *session)
{
    if (--session->users == 0 && session->closing)
        (void)weft_future_resolve(session->closing, weft_value_i64(0), NULL);
}

/* ---- The end ---- */

struct http_session_close {
    WEFT_FRAME;
    weft_http_session *session; /* a reference */
    bool *begun;
    weft_future *idle;
};

static WEFT_ASYNC(http_session_close)
{
    WEFT_BEGIN;
    *self->begun = true;
    self->session->is_closed = true;
    if (self->session->users > 0) {
        self->idle = weft_future_new();
        self->session->closing = self->idle;
        WEFT_AWAIT(weft_ref(self->idle));
    }

    WEFT_FINALLY;
    if (self->session->closing == self->idle)
        self->session->closing = NULL;
    weft_unref(self->idle);
    weft__client_session_unref(self->session);
    WEFT_END;
}

weft_future *weft_http_session_close(weft_http_session *session)
{
    bool begun = false;
    int status = weft__client_session_check(session, __func__);
    if (status == 0 && session->closing)
        status = -EBUSY;
    if (status < 0)
        return weft__client_refuse(status);
    weft__client_session_ref(session);
    weft_future *task = weft_spawn_eager(http_session_close, .session = session, .begun = &begun);
    if (!begun)
        weft__client_session_unref(session);
    return weft__client_started(task, begun);
}

static void cut_off(weft_http_session *session)
{
    session->is_closed = session->is_freed = true;
    if (session->closing)
        (void)weft_future_fail(session->closing, WEFT_ECLOSED, "the session was freed");
    while (session->streams)
        weft__client_response_cut(session->streams);
    for (struct weft__client_link *link = session->fetches; link; link = link->next)
        weft__client_fetch_cut(link);
}

void weft_http_session_free(weft_http_session *session)
{
    if (!session || weft__companion_is_elsewhere(session->loop_id, __func__))
        return;
    if (session->generation == weft__companion_generation())
        cut_off(session);
    weft__client_session_unref(session);
}

struct weft_http_session_stats weft_http_session_get_stats(const weft_http_session *session)
{
    struct weft_http_session_stats stats = {0};
    if (!session || weft__companion_is_elsewhere(session->loop_id, __func__))
        return stats;
    stats.active = session->users;
    stats.waiting = session->limits.waiting;
    stats.requests = session->requests;
    stats.attempts = session->engine.attempts;
    stats.connections = session->engine.connections;
    stats.turns = session->engine.turns;
    stats.most_started = session->engine.most_started;
    return stats;
}
