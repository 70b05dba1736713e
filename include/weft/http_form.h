/* SPDX-License-Identifier: MIT */
/**
 * Forms: what browsers send of one, as application/x-www-form-urlencoded; queries are of the same kind.
 *
 *     WEFT_AWAIT_INTO(self->form, weft_http_read_form(self->request));
 *     name = weft_http_form_get(self->form, "name");
 *     …
 *     weft_http_form_free(self->form);
 */
#ifndef WEFT_HTTP_FORM_H
#define WEFT_HTTP_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>
#include <weft/http_server.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Names and values, decoded, in the order in which they were sent. It does not change. */
typedef struct weft_http_form weft_http_form;

/**
 * Take apart a text as "name=value&name=value": "+" and "%20" are a blank, a name without "=" has the value
 * "", pieces without any byte are left out.
 *
 * Thread:    any.
 * Ownership: the caller's, until weft_http_form_free(). The text is copied.
 * Errors:    NULL and errno: EINVAL (an unsound escape, or a NUL, escaped or not), ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC weft_http_form *weft_http_form_parse(const char *text, size_t len);

/**
 * Read the body of a request as a form; the value is a weft_http_form.
 *
 * A handler that passes its failure on (as WEFT_AWAIT_INTO does) has answered with the status that fits:
 * 415 if the body is of another type, 400 if it is malformed, and as weft_http_read_body().
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it and call
 *            weft_http_form_free().
 * Errors:    by the future: WEFT_EPROTO (another type, malformed), and as weft_http_read_body().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_read_form(weft_http_request *request);

/**
 * The first value of that name; NULL: there is none. Borrowed, as long as the form is there.
 * Thread: any. Since: 0.1
 */
WEFT_PUBLIC const char *weft_http_form_get(const weft_http_form *form, const char *name);

/**
 * The name and the value at `index`, from 0; false behind the last.
 * Thread: any. Since: 0.1
 */
WEFT_PUBLIC bool weft_http_form_at(const weft_http_form *form, size_t index, const char **ret_name,
                                   const char **ret_value);

/** How many there are. Thread: any. Since: 0.1 */
WEFT_PUBLIC size_t weft_http_form_count(const weft_http_form *form);

/** Free a form. NULL is nothing. Thread: any. Since: 0.1 */
WEFT_PUBLIC void weft_http_form_free(weft_http_form *form);

#ifdef __cplusplus
}
#endif

#endif
