/* SPDX-License-Identifier: MIT */
/*
 * The handshake of a WebSocket (RFC 6455, 4.2): is it one, may this page, which subprotocol, and the hash
 * that proves that the request was read as one.
 *
 * What is needed is allocated before the 101 is sent: after it there is nothing that could fail for want of
 * memory but what a connection fails with at any time.
 *
 * The Origin is compared letter for letter: browsers send it in one form only. Who sends none is not a page,
 * and what programs claim is worth nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>

#include "core/memory.h"
#include "net/http/server.h"
#include "net/http/upgrade.h"
#include "net/http/websocket/sha1.h"
#include "net/http/websocket/websocket.h"
#include "net/net.h"

static const struct weft_websocket_options defaults = {
    .max_message = 1024 * 1024,
    .read_high = 64 * 1024,
    .ping_interval = WEFT_S(20),
    .ping_timeout = WEFT_S(20),
    .close_timeout = WEFT_S(10),
};

static bool fill_in(struct weft_websocket_options *options)
{
#define FILL_IN(field) options->field = options->field ? options->field : defaults.field
    FILL_IN(max_message);
    FILL_IN(read_high);
    FILL_IN(ping_interval);
    FILL_IN(ping_timeout);
    FILL_IN(close_timeout);
#undef FILL_IN
    return (!options->size || options->size == sizeof(*options)) && options->ping_interval > 0 &&
           options->ping_timeout > 0 && options->close_timeout > 0;
}

/* ---- Lists ---- */

/* The next word of a list that spaces separate; empty at its end. */
static struct weft__http_slice next_word(const char **at)
{
    *at += strspn(*at, " ");
    struct weft__http_slice word = {*at, strcspn(*at, " ")};
    *at += word.len;
    return word;
}

static bool is_word_of(const char *list, const char *text)
{
    size_t len = strlen(text);
    struct weft__http_slice word;
    while ((word = next_word(&list)).len)
        if (word.len == len && !memcmp(word.data, text, len))
            return true;
    return false;
}

/* Over all its lines; upper and lower case differ. */
static bool is_offered(const weft__http_exchange *request, struct weft__http_slice name)
{
    const struct weft__http_request *parsed = &request->parser.request;
    for (size_t i = 0; i < parsed->header_count; i++) {
        const struct weft__http_header *header = &parsed->headers[i];
        struct weft__http_slice list = {header->value, header->value_len}, offered;
        if (!weft__http_equal((struct weft__http_slice){header->name, header->name_len},
                              "Sec-WebSocket-Protocol", strlen("Sec-WebSocket-Protocol")))
            continue;
        while (weft__http_list_next(&list, &offered))
            if (offered.len == name.len && !memcmp(offered.data, name.data, name.len))
                return true;
    }
    return false;
}

/* 0, also if there is none: NULL; -ENOMEM. */
static int choose_subprotocol(const weft__http_exchange *request, const char *spoken, char **ret)
{
    struct weft__http_slice name;
    *ret = NULL;
    while (spoken && (name = next_word(&spoken)).len) {
        if (!is_offered(request, name))
            continue;
        *ret = weft__malloc(name.len + 1);
        if (!*ret)
            return -ENOMEM;
        memcpy(*ret, name.data, name.len);
        (*ret)[name.len] = 0;
        return 0;
    }
    return 0;
}

/* ---- The request ---- */

static const char *header(const weft__http_exchange *request, const char *name)
{
    const struct weft__http_request *parsed = &request->parser.request;
    const struct weft__http_header *found =
        weft__http_find(parsed->headers, parsed->header_count, name);
    return found ? found->value : NULL;
}

/* The base64 of 16 bytes. */
static bool is_key(const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key && strlen(key) == 24 && strspn(key, digits) == 22 && !strcmp(key + 22, "==");
}

/* The HTTP status of a refusal; 0: none. *ret is what the future fails with. */
static int find_fault(const weft__http_exchange *request,
                      const struct weft_websocket_options *options, int *ret)
{
    const char *version = header(request, "Sec-WebSocket-Version");
    const char *origin = header(request, "Origin");
    *ret = WEFT_EPROTO;
    if (request->parser.request.method_id != WEFT__HTTP_METHOD_GET)
        return 405;
    if (!version || strcmp(version, "13") != 0)
        return 426;
    if (!is_key(header(request, "Sec-WebSocket-Key")))
        return 400;
    *ret = -EACCES;
    return options->origins && origin && !is_word_of(options->origins, origin) ? 403 : 0;
}

static void add_header(weft__http_exchange *request, const char *name, const char *value)
{
    weft__http_add_header(request, name, value); /* without memory, it is missing */
}

/* The client's fault: it is answered, and whoever fails with that is not reported. */
static weft_future *refuse(weft__http_exchange *request, int http_status, int status)
{
    if (request->answer != WEFT__HTTP_NO_ANSWER)
        return weft_future_failed(-EALREADY, "there is an answer");
    if (http_status == 426) {
        add_header(request, "Upgrade", "websocket");
        add_header(request, "Sec-WebSocket-Version", "13");
    } else if (http_status == 405) {
        add_header(request, "Allow", "GET");
    }
    weft__http_let_go(weft__http_respond_status(request, http_status, NULL));
    weft__http_blame_body(request, status, http_status);
    return weft_future_failed(status, http_status == 403 ? "a page of a foreign origin"
                                                         : "not a WebSocket's request");
}

/* ---- The answer ---- */

static void answer_key(const char *key, char ret[WEFT__BASE64_SIZE(WEFT__SHA1)])
{
    char text[64];
    uint8_t hash[WEFT__SHA1];
    int len = snprintf(text, sizeof(text), "%s%s", key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    weft__sha1(text, (size_t)len, hash);
    weft__base64(hash, sizeof(hash), ret);
}

static int add_headers(weft__http_exchange *request, const char *subprotocol)
{
    char answer[WEFT__BASE64_SIZE(WEFT__SHA1)];
    answer_key(header(request, "Sec-WebSocket-Key"), answer);
    int status = weft__http_add_header(request, "Sec-WebSocket-Accept", answer);
    if (status == 0 && subprotocol)
        status = weft__http_add_header(request, "Sec-WebSocket-Protocol", subprotocol);
    return status;
}

/* With its future, so that nothing can fail once the client was told. */
static weft_future *switch_to(weft__http_exchange *request, weft_websocket *socket, int *ret_status)
{
    weft_stream *stream = NULL;
    weft_future *future = weft_future_new();
    *ret_status = weft_future_status(future);
    if (*ret_status == -EINPROGRESS)
        *ret_status = add_headers(request, socket->subprotocol);
    if (*ret_status == 0)
        *ret_status = weft__http_upgrade(socket->request, "websocket", &stream);
    if (*ret_status < 0)
        return future;
    weft__websocket_begin(socket, stream);
    weft__complete(future, weft_value_ptr(socket), weft__websocket_drop);
    return future;
}

static weft_future *make_socket(weft__http_exchange *request, weft_http_request *handle,
                                const struct weft_websocket_options *options)
{
    weft_loop *loop = request->server->loop;
    char *subprotocol;
    int status = choose_subprotocol(request, options->subprotocols, &subprotocol);
    weft_websocket *socket =
        status == 0 ? weft__websocket_new(loop, handle, options, subprotocol) : NULL;
    if (!socket) {
        weft__free(subprotocol);
        return weft__future_enomem(loop);
    }
    weft_future *future = switch_to(request, socket, &status);
    if (status == 0)
        return future;
    weft__websocket_drop(socket);
    weft_unref(future);
    if (status == WEFT_EPROTO)
        return refuse(request, 426, status);
    if (status == -EINVAL)
        return refuse(request, 400, WEFT_EPROTO); /* a body */
    return status == -ENOMEM ? weft__future_enomem(loop) : weft_future_failed(status, NULL);
}

weft_future *weft_websocket_accept(weft_http_request *handle,
                                   const struct weft_websocket_options *given)
{
    struct weft_websocket_options options = given ? *given : defaults;
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    int status;
    if (!request)
        return weft__http_gone_future();
    if (!fill_in(&options))
        return weft_future_failed(-EINVAL, "options of a WebSocket that make no sense");
    int http_status = find_fault(request, &options, &status);
    return http_status ? refuse(request, http_status, status)
                       : make_socket(request, handle, &options);
}
