/* SPDX-License-Identifier: MIT */
/*
 * Forms: one block of memory, with a table of where its texts begin in front, so that it needs no loop and
 * goes to workers as it is.
 *
 * Reading one is reading the body, by a call around that; a failure is kept as the body's, with the status
 * that fits it, so that a handler that passes it on has answered with that.
 */
#include <weft/http_form.h>

#include <errno.h>
#include <string.h>

#include "core/memory.h"
#include "net/http/server.h"
#include "net/net.h"

struct pair {
    const char *name, *value; /* behind the table */
};

struct weft_http_form {
    size_t count;
    struct pair pairs[];
};

/* ---- Taking apart ---- */

static size_t count_pairs(struct weft__http_slice text)
{
    struct weft__http_slice name, value;
    size_t count = 0;
    while (weft__http_query_next(&text, &name, &value))
        count++;
    return count;
}

/* There is room. Returns where the next text goes; NULL: malformed. */
static char *decode(struct weft__http_slice text, char *to)
{
    size_t len;
    if (weft__http_decode_form(text, to, text.len + 1, &len) < 0)
        return NULL;
    return to + len + 1;
}

static bool decode_pairs(weft_http_form *form, struct weft__http_slice text, char *to)
{
    struct weft__http_slice name, value;
    while (to && weft__http_query_next(&text, &name, &value)) {
        struct pair *pair = &form->pairs[form->count++];
        pair->name = to;
        to = decode(name, to);
        pair->value = to;
        to = to ? decode(value, to) : NULL;
    }
    return to != NULL;
}

weft_http_form *weft_http_form_parse(const char *text, size_t len)
{
    struct weft__http_slice slice = {text, len};
    size_t count = count_pairs(slice);
    size_t table = sizeof(weft_http_form) + count * sizeof(struct pair);
    weft_http_form *form = weft__malloc(table + len + 2 * count);
    if (!form) {
        errno = ENOMEM;
        return NULL;
    }
    form->count = 0;
    if (decode_pairs(form, slice, (char *)form + table))
        return form;
    weft__free(form);
    errno = EINVAL;
    return NULL;
}

/* ---- Reading ---- */

static bool is_form(const char *type)
{
    static const char expected[] = "application/x-www-form-urlencoded";
    size_t len = type ? strcspn(type, "; \t") : 0;
    return type &&
           weft__http_equal((struct weft__http_slice){type, len}, expected, sizeof(expected) - 1);
}

struct http_read_form {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;     /* owned */
    weft_http_form *form; /* the value */
    int status;
};

static weft_future *read_typed_body(weft_http_request *handle)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    if (is_form(weft_http_request_header(handle, "Content-Type")))
        return weft_http_read_body(handle);
    return weft__net_refused(weft__http_blame_body(request, WEFT_EPROTO, 415));
}

/* 0, or what it fails with. */
static int take_apart(struct http_read_form *self)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(self->request);
    self->form = weft_http_form_parse(self->body->data, self->body->len);
    if (self->form)
        return 0;
    if (errno == ENOMEM)
        return -ENOMEM;
    return request ? weft__http_blame_body(request, WEFT_EPROTO, 400) : WEFT_ECLOSED;
}

static void destroy(void *form)
{
    weft_http_form_free(form);
}

static WEFT_ASYNC(http_read_form)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->body, read_typed_body(self->request));
    self->status = take_apart(self);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_RETURN(self->form, destroy);
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

weft_future *weft_http_read_form(weft_http_request *handle)
{
    if (!WEFT__HTTP_REQUEST(handle))
        return weft__http_gone_future();
    return weft_call(http_read_form, .request = handle);
}

/* ---- Looking ---- */

const char *weft_http_form_get(const weft_http_form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->pairs[i].name, name) == 0)
            return form->pairs[i].value;
    return NULL;
}

bool weft_http_form_at(const weft_http_form *form, size_t index, const char **ret_name,
                       const char **ret_value)
{
    if (index >= form->count)
        return false;
    *ret_name = form->pairs[index].name;
    *ret_value = form->pairs[index].value;
    return true;
}

size_t weft_http_form_count(const weft_http_form *form)
{
    return form->count;
}

void weft_http_form_free(weft_http_form *form)
{
    weft__free(form);
}
