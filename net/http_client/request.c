/* SPDX-License-Identifier: MIT */
/*
 * Requests: the session's defaults and the call's options put together, and what redirects make of
 * them.
 *
 * weft follows redirects itself, and not libcurl, which would look up the next host by its own
 * resolver (docs/design/http_client.md).
 */
#include "net/http_client/request.h"

#include <errno.h>
#include <weft/error.h>

#include "net/http_client/session.h"
#include "net/http_client/text.h"

/* ---- Making ---- */

static int set_fields(struct weft__client_request *request,
                      const struct weft_http_fetch_options *options)
{
    const struct weft__client_defaults *defaults = &request->session->defaults;
    struct curl_slist **fields = &request->fields;
    int status = weft__client_fields_add(fields, options->headers);
    if (status == 0 && request->body.type)
        status = weft__client_fields_add_one(fields, "Content-Type", request->body.type);
    for (const struct curl_slist *entry = defaults->fields; status == 0 && entry;
         entry = entry->next)
        status = weft__client_fields_add_line(fields, entry->data);
    /* An answer "100 Continue" that nobody gives costs a second, of libcurl's clock. */
    if (status == 0)
        status = weft__client_fields_add_one(fields, "Expect", NULL);
    return status;
}

static weft_ns or_default(weft_ns value, weft_ns other)
{
    return value > 0 ? value : other;
}

static void set_timeouts(struct weft__client_request *request, const struct weft_http_timeouts *own,
                         const struct weft_http_timeouts *defaults)
{
    struct weft_http_timeouts *timeouts = &request->timeouts;
    timeouts->total = or_default(own->total, defaults->total);
    timeouts->connect = or_default(own->connect, defaults->connect);
    timeouts->low_speed = or_default(own->low_speed, defaults->low_speed);
    timeouts->low_speed_bytes =
        own->low_speed_bytes ? own->low_speed_bytes : defaults->low_speed_bytes;
    weft_ns now = weft_now();
    request->deadline = timeouts->total < WEFT_FOREVER - now ? now + timeouts->total : WEFT_FOREVER;
}

static bool copy(char **ret, const char *text)
{
    *ret = weft__client_strdup(text);
    return *ret || !text;
}

static bool copy_texts(struct weft__client_request *request, const char *method,
                       const struct weft_http_fetch_options *options)
{
    const struct weft_http_content *body = &options->body;
    char *path = NULL, *type = NULL;
    bool copied = copy(&request->method, method) && copy(&request->user, options->user) &&
                  copy(&request->password, options->password) &&
                  copy(&path, body->data ? NULL : body->path);
    copied = copied && copy(&type, body->type);
    request->body = *body;
    request->body.path = path;
    request->body.type = type;
    return copied;
}

static int fill(struct weft__client_request *request, const char *method, const char *url,
                const struct weft_http_fetch_options *options)
{
    const struct weft__client_defaults *defaults = &request->session->defaults;
    request->flags = defaults->flags | options->flags;
    request->max_body = options->max_body ? options->max_body : defaults->max_body;
    request->max_redirects =
        options->max_redirects ? options->max_redirects : defaults->max_redirects;
    request->retry = options->retry.attempts ? options->retry : defaults->retry;
    request->delay = or_default(request->retry.first_delay, WEFT_MS(200));
    request->retry.max_delay = or_default(request->retry.max_delay, WEFT_S(10));
    set_timeouts(request, &options->timeouts, &defaults->timeouts);
    if (!copy_texts(request, method, options))
        return -ENOMEM;
    int status = weft__client_url_parse(defaults->base_url, url, &request->url);
    return status < 0 ? status : set_fields(request, options);
}

static bool makes_sense(const char *method, const char *url,
                        const struct weft_http_fetch_options *options)
{
    if (!url || !weft__client_is_token(method))
        return false;
    if (options->size != 0 && options->size != sizeof(*options))
        return false;
    return options->body.data || options->body.len == 0 || options->body.stream ||
           options->body.source;
}

int weft__client_request_new(weft_http_session *session, const char *method, const char *url,
                             const struct weft_http_fetch_options *options,
                             struct weft__client_request **ret)
{
    static const struct weft_http_fetch_options none;
    options = options ? options : &none;
    if (!makes_sense(method, url, options))
        return -EINVAL;
    struct weft__client_request *request = weft__client_alloc(sizeof(*request));
    if (!request)
        return -ENOMEM;
    request->session = weft__client_session_ref(session);
    int status = fill(request, method, url, options);
    if (status < 0)
        weft__client_request_free(request);
    else
        *ret = request;
    return status;
}

void weft__client_request_free(struct weft__client_request *request)
{
    if (!request)
        return;
    weft__companion_free(request->method);
    weft__companion_free(request->user);
    weft__companion_free(request->password);
    weft__companion_free((char *)request->body.path);
    weft__companion_free((char *)request->body.type);
    weft__client_url_free(&request->url);
    curl_slist_free_all(request->fields);
    weft__client_session_unref(request->session);
    weft__companion_free(request);
}

bool weft__client_request_has_body(const struct weft__client_request *request)
{
    const struct weft_http_content *body = &request->body;
    return body->data || body->path || body->stream || body->source;
}

bool weft__client_request_is_repeatable(const struct weft__client_request *request)
{
    const struct weft_http_content *body = &request->body;
    return body->data || body->path || (!body->stream && !body->source);
}

/* ---- Redirects ---- */

static void drop_body(struct weft__client_request *request)
{
    weft__companion_free((char *)request->body.path);
    weft__companion_free((char *)request->body.type);
    request->body = (struct weft_http_content){0};
    weft__client_fields_drop(&request->fields, "Content-Type");
    weft__client_fields_drop(&request->fields, "Content-Encoding");
}

/* What was meant for one server is not for another. */
static void drop_secrets(struct weft__client_request *request)
{
    weft__client_fields_drop(&request->fields, "Authorization");
    weft__client_fields_drop(&request->fields, "Cookie");
    weft__client_fields_drop(&request->fields, "Host");
    weft__companion_free(request->user);
    weft__companion_free(request->password);
    request->user = request->password = NULL;
}

/* As browsers do: 303 makes a GET of all but HEAD, 301 and 302 of POST. */
static bool becomes_get(const struct weft__client_request *request, int status)
{
    if (status == 303)
        return strcmp(request->method, "HEAD") != 0;
    return (status == 301 || status == 302) && strcmp(request->method, "POST") == 0;
}

int weft__client_request_redirect(struct weft__client_request *request, int status,
                                  const char *location)
{
    struct weft__client_url url;
    if (request->redirects >= request->max_redirects)
        return WEFT_ELIMIT;
    int parsed = weft__client_url_parse(request->url.text, location, &url);
    if (parsed < 0)
        return parsed;
    char *get = becomes_get(request, status) ? weft__client_strdup("GET") : NULL;
    if (!get && becomes_get(request, status)) {
        weft__client_url_free(&url);
        return -ENOMEM;
    }
    if (get) {
        weft__companion_free(request->method);
        request->method = get;
        drop_body(request);
    }
    if (!weft__client_url_is_same_origin(&url, &request->url))
        drop_secrets(request);
    weft__client_url_free(&request->url);
    request->url = url;
    request->redirects++;
    return 0;
}
