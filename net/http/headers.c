/* SPDX-License-Identifier: MIT */
/*
 * What handlers add to the head of their answer: lines, checked when they are added, so that no value can
 * end its line and none says what is the server's to say. They lie in one text that goes around with the
 * request.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "net/http/server.h"

static bool has_control(const char *text)
{
    return weft__http_has_control(text, strlen(text));
}

static bool is_servers_business(const char *name)
{
    static const char *const names[] = {"Connection", "Content-Length", "Content-Type",
                                        "Keep-Alive", "Trailer",        "Transfer-Encoding",
                                        "Upgrade"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static int reserve_headers(weft__http_exchange *request, size_t more)
{
    size_t need = request->headers_len + more;
    if (need <= request->headers_size)
        return 0;
    size_t size = request->headers_size ? request->headers_size : 128;
    while (size < need)
        size *= 2;
    char *headers = weft__realloc(request->headers, size);
    if (!headers)
        return -ENOMEM;
    request->headers = headers;
    request->headers_size = size;
    return 0;
}

static void append_header(weft__http_exchange *request, const char *text)
{
    size_t len = strlen(text);
    memcpy(request->headers + request->headers_len, text, len);
    request->headers_len += len;
}

int weft__http_add_line(weft__http_exchange *request, const char *name, const char *value)
{
    int status = reserve_headers(request, strlen(name) + strlen(value) + sizeof(": \r\n"));
    if (status < 0)
        return status;
    append_header(request, name);
    append_header(request, ": ");
    append_header(request, value);
    append_header(request, "\r\n");
    return 0;
}

int weft__http_add_header(weft__http_exchange *request, const char *name, const char *value)
{
    if (request->answer != WEFT__HTTP_NO_ANSWER)
        return -EALREADY;
    if (!name || !value || !weft__http_is_token(name) || has_control(value))
        return -EINVAL;
    if (strcasecmp(name, "Connection") == 0 && strcasecmp(value, "close") == 0) {
        request->close = true;
        return 0;
    }
    if (is_servers_business(name))
        return -EINVAL;
    int status = weft__http_add_line(request, name, value);
    if (status < 0)
        return status;
    request->has_date |= strcasecmp(name, "Date") == 0;
    request->has_server |= strcasecmp(name, "Server") == 0;
    return 0;
}

int weft_http_add_header(weft_http_request *handle, const char *name, const char *value)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? weft__http_add_header(request, name, value) : weft__http_gone();
}
