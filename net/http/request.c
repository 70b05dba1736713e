/* SPDX-License-Identifier: MIT */
/*
 * What a handler may ask about its request. The parser's texts lie in the head's memory; what must
 * be decoded first lies in `text`, a block that goes around with the request:
 *
 *     path NUL [segments NUL] query NUL name NUL value NUL name NUL value NUL …
 *
 * A path that is as it was sent and ends the target needs no copy. `segments` is there when a slash was
 * escaped: the path with a NUL in its place, so that routes see where the client has put a slash and where
 * it has written one. What a route's parameters stand for is in a block of its own.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "net/http/server.h"

enum { KEPT_TEXT = 1024 };

static bool needs_text(const struct weft__http_request *parsed)
{
    return parsed->query.data || memchr(parsed->path.data, '%', parsed->path.len) ||
           parsed->path.data[parsed->path.len];
}

static int make_room(weft__http_exchange *request, size_t size)
{
    if (request->text_size >= size)
        return 0;
    weft__free(request->text);
    request->text = weft__malloc(size);
    request->text_size = request->text ? size : 0;
    return request->text ? 0 : -ENOMEM;
}

/* Both are sound, or the parser had refused them; `size` is more than enough. */
static char *decode_parameters(struct weft__http_slice query, char *at, size_t size)
{
    struct weft__http_slice name, value;
    char *end = at + size;
    size_t len;
    while (weft__http_query_next(&query, &name, &value)) {
        char *begin = at;
        if (weft__http_decode_form(name, at, (size_t)(end - at), &len) < 0)
            continue;
        at += len + 1;
        if (weft__http_decode_form(value, at, (size_t)(end - at), &len) < 0) {
            at = begin;
            continue;
        }
        at += len + 1;
    }
    return at;
}

static bool is_escaped_slash(const char *at)
{
    return at[0] == '%' && at[1] == '2' && (at[2] | 32) == 'f';
}

/* As the decoded path, which is there already, but with a NUL for each slash that was escaped. */
static char *mark_escaped_slashes(weft__http_exchange *request, char *to)
{
    const struct weft__http_slice sent = request->parser.request.path;
    bool any = false;
    size_t len = 0;
    for (size_t i = 0; i < sent.len; len++) {
        bool escaped = is_escaped_slash(sent.data + i);
        any |= escaped;
        to[len] = escaped ? 0 : request->path[len];
        i += sent.data[i] == '%' ? 3 : 1;
    }
    if (!any)
        return to;
    request->segments.data = to;
    return to + len;
}

static void decode_query(weft__http_exchange *request, struct weft__http_slice query, char *at)
{
    memcpy(at, query.data, query.len);
    at[query.len] = 0;
    request->query = at;
    at += query.len + 1;
    request->parameters = at;
    char *end = decode_parameters(query, at, 2 * (query.len + 1));
    request->parameters_len = (size_t)(end - at);
}

static int decode_text(weft__http_exchange *request)
{
    const struct weft__http_request *parsed = &request->parser.request;
    size_t path_len = parsed->path.len, query_len = parsed->query.len, len;
    int status = make_room(request, 2 * (path_len + 1) + query_len + 1 + 2 * (query_len + 1));
    if (status < 0)
        return status;
    char *at = request->text;
    if (weft__http_decode_path(parsed->path, at, path_len + 1, &len) < 0)
        return -EINVAL;
    request->path = at;
    request->segments = (struct weft__http_slice){at, len};
    at += len + 1;
    if (len < path_len)
        at = mark_escaped_slashes(request, at);
    if (parsed->query.data)
        decode_query(request, parsed->query, at);
    return 0;
}

/* Is there a segment "." or ".."? */
static bool has_dots(const char *path)
{
    for (const char *at = strchr(path, '.'); at; at = strchr(at + 1, '.')) {
        const char *end = at + 1 + (at[1] == '.');
        if (at > path && at[-1] == '/' && (!*end || *end == '/'))
            return true;
    }
    return false;
}

int weft__http_request_decode(weft__http_exchange *request)
{
    const struct weft__http_request *parsed = &request->parser.request;
    request->tail = "";
    request->query = request->parameters = NULL;
    request->parameters_len = 0;
    request->path = parsed->path.data;
    request->segments = parsed->path;
    request->route = NULL;
    request->has_cookies = false;
    int status = needs_text(parsed) ? decode_text(request) : 0;
    if (status < 0)
        return status;
    return has_dots(request->path) ? -EINVAL : 0;
}

static int make_room_for_params(weft__http_exchange *request, const struct weft__http_found *found)
{
    size_t size = found->param_count;
    for (size_t i = 0; i < found->param_count; i++)
        size += found->params[i].len;
    if (request->params_size >= size)
        return 0;
    weft__free(request->params);
    request->params = weft__malloc(size);
    request->params_size = request->params ? size : 0;
    return request->params ? 0 : -ENOMEM;
}

int weft__http_request_routed(weft__http_exchange *request, const struct weft__http_found *found)
{
    request->route = found->route;
    if (found->route && found->route->below)
        request->tail = request->path + found->tail;
    if (!found->param_count || !found->route)
        return 0;
    int status = make_room_for_params(request, found);
    if (status < 0)
        return status;
    char *to = request->params;
    for (size_t i = 0; i < found->param_count; i++) {
        size_t at = (size_t)(found->params[i].data - request->segments.data);
        memcpy(to, request->path + at,
               found->params[i].len); /* where escaped slashes are slashes */
        to += found->params[i].len;
        *to++ = 0;
    }
    return 0;
}

void weft__http_request_forget(weft__http_exchange *request)
{
    request->path = request->tail = request->query = request->parameters = NULL;
    weft__free(request->cookies);
    request->cookies = NULL;
    if (request->params_size > KEPT_TEXT) {
        weft__free(request->params);
        request->params = NULL;
        request->params_size = 0;
    }
    if (request->text_size <= KEPT_TEXT)
        return;
    weft__free(request->text);
    request->text = NULL;
    request->text_size = 0;
}

/* ---- For the handler ---- */

const char *weft_http_request_method(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? request->parser.request.method.data : "";
}

const char *weft_http_request_target(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? request->parser.request.target.data : "";
}

const char *weft_http_request_path(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? request->path : "";
}

const char *weft_http_request_tail(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? request->tail : "";
}

const char *weft_http_request_pattern(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request && request->route ? request->route->path : "";
}

const char *weft_http_request_param(const weft_http_request *handle, const char *name)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request || !request->route || !request->route->param_count)
        return NULL;
    const char *value = request->params;
    size_t len = strlen(name);
    for (const char *at = strchr(request->route->path, '{'); at; at = strchr(at + 1, '{')) {
        if (strncmp(at + 1, name, len) == 0 && at[1 + len] == '}')
            return value;
        value += strlen(value) + 1;
    }
    return NULL;
}

const char *weft_http_request_query(const weft_http_request *handle, const char *name)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return NULL;
    const char *at = request->parameters;
    const char *end = at ? at + request->parameters_len : at;
    while (at != end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

const char *weft_http_request_query_string(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? request->query : NULL;
}

const char *weft_http_request_header(const weft_http_request *handle, const char *name)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return NULL;
    const struct weft__http_header *header = weft__http_find_header(&request->parser.request, name);
    return header ? header->value : NULL;
}

const char *weft_http_request_trailer(const weft_http_request *handle, const char *name)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request || request->body != WEFT__HTTP_BODY_NONE)
        return NULL;
    const struct weft__http_request *parsed = &request->parser.request;
    const struct weft__http_header *trailer =
        weft__http_find(parsed->trailers, parsed->trailer_count, name);
    return trailer ? trailer->value : NULL;
}

bool weft_http_request_header_at(const weft_http_request *handle, size_t index,
                                 const char **ret_name, const char **ret_value)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return false;
    const struct weft__http_request *parsed = &request->parser.request;
    if (index >= parsed->header_count)
        return false;
    *ret_name = parsed->headers[index].name;
    *ret_value = parsed->headers[index].value;
    return true;
}

const char *weft_http_request_version(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return "";
    return request->parser.request.minor_version ? "HTTP/1.1" : "HTTP/1.0";
}

const char *weft_http_request_peer(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? weft_stream_peer(request->stream) : "?";
}

weft_stream *weft_http_request_stream(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? request->stream : NULL;
}

int64_t weft_http_request_length(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone();
    const struct weft__http_request *parsed = &request->parser.request;
    if (parsed->chunked)
        return -1;
    return parsed->content_length > INT64_MAX ? INT64_MAX : (int64_t)parsed->content_length;
}

bool weft_http_request_is_stopping(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? request->server->stopping : weft__http_gone() == WEFT_ECLOSED;
}
