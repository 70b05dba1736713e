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

enum { KEPT = 1024 /* memory that goes around with a request, for its next answer */ };

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

int weft__http_reserve_lines(struct weft__http_lines *lines, size_t more)
{
    size_t need = lines->len + more;
    if (need <= lines->size)
        return 0;
    size_t size = lines->size ? lines->size : 128;
    while (size < need)
        size *= 2;
    char *text = weft__realloc(lines->text, size);
    if (!text)
        return -ENOMEM;
    lines->text = text;
    lines->size = size;
    return 0;
}

static void append(struct weft__http_lines *lines, const char *text)
{
    size_t len = strlen(text);
    memcpy(lines->text + lines->len, text, len);
    lines->len += len;
}

int weft__http_add_line(struct weft__http_lines *lines, const char *name, const char *value)
{
    int status = weft__http_reserve_lines(lines, strlen(name) + strlen(value) + sizeof(": \r\n"));
    if (status < 0)
        return status;
    append(lines, name);
    append(lines, ": ");
    append(lines, value);
    append(lines, "\r\n");
    return 0;
}

void weft__http_forget_lines(struct weft__http_lines *lines)
{
    lines->len = 0;
    if (lines->size <= KEPT)
        return;
    weft__free(lines->text);
    *lines = (struct weft__http_lines){0};
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
    int status = weft__http_add_line(&request->headers, name, value);
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

/* ---- Behind the last chunk ---- */

static int add_trailer(weft__http_exchange *request, const char *name, const char *value)
{
    bool under_way =
        request->answer == WEFT__HTTP_STARTED || request->answer == WEFT__HTTP_STREAMING;
    if (!under_way || request->length >= 0 || !name || !value || !weft__http_is_token(name) ||
        has_control(value) ||
        !weft__http_may_be_trailer((struct weft__http_slice){name, strlen(name)}))
        return -EINVAL;
    if (!request->chunked || request->bodiless)
        return 0;
    return weft__http_add_line(&request->trailers, name, value);
}

int weft_http_add_trailer(weft_http_request *handle, const char *name, const char *value)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? add_trailer(request, name, value) : weft__http_gone();
}
