/* SPDX-License-Identifier: MIT */
/**
 * Cookies: those that a request brings, and those that an answer sets (RFC 6265).
 *
 *     const char *session = weft_http_request_cookie(self->request, "__Host-session");
 *
 *     weft_http_set_cookie(self->request, &(struct weft_http_cookie){
 *         .name = "__Host-session", .value = id, .path = "/",
 *         .flags = WEFT_HTTP_COOKIE_SECURE, .max_age = WEFT_S(3600)});
 *
 * What is not set protects: scripts do not see the cookie, and other sites' pages do not send it with what
 * they load or post (SameSite=Lax).
 */
#ifndef WEFT_HTTP_COOKIE_H
#define WEFT_HTTP_COOKIE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/http_server.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The value of the first cookie of that name, as it was sent, without the quotes around it.
 *
 * A pair with a character that RFC 6265 does not allow (a blank, a comma, a backslash, a quote in the
 * middle …) is not there. Nothing is decoded: who set a value that needs it decodes it.
 *
 * Thread:    loop.
 * Ownership: borrowed until the handler has ended.
 * Errors:    NULL: there is none, or out of memory.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_http_request_cookie(const weft_http_request *request,
                                                 const char *name);

enum weft_http_same_site {
    WEFT_HTTP_SAME_SITE_LAX = 0, /* with links from other sites, not with their posts and images */
    WEFT_HTTP_SAME_SITE_STRICT = 1, /* with nothing that comes from another site */
    WEFT_HTTP_SAME_SITE_NONE = 2    /* always; WEFT_HTTP_COOKIE_SECURE has to be set */
};

enum weft_http_cookie_flags {
    WEFT_HTTP_COOKIE_SECURE = 1,      /* by HTTPS only */
    WEFT_HTTP_COOKIE_FOR_SCRIPTS = 2, /* scripts see it: no HttpOnly */
    WEFT_HTTP_COOKIE_DELETE = 4, /* it is to be forgotten: Max-Age=0; `max_age` does not count */
    WEFT_HTTP_COOKIE_PARTITIONED =
        8 /* one for each site that embeds this one; SECURE has to be set */
};

/** A cookie to set. Zero is the default of every field but the name. */
struct weft_http_cookie {
    size_t size; /* sizeof(struct weft_http_cookie), or 0 for "this version" */
    const char *name;
    const char *value;  /* NULL: "" */
    const char *path;   /* NULL: the folder of the request's path, as browsers make it out */
    const char *domain; /* NULL: this host alone */
    weft_ns max_age;    /* whole seconds; 0: until the browser ends */
    enum weft_http_same_site same_site;
    enum weft_http_cookie_flags flags;
};

/**
 * Add a Set-Cookie header to the answer, before it is begun.
 *
 * A name that begins with "__Secure-" or "__Host-" promises something, which is checked: SECURE, and for
 * "__Host-" the path "/" and no domain.
 *
 * Thread:    loop.
 * Ownership: all is copied.
 * Errors:    -EINVAL: a name that is no token, a value with a character that RFC 6265 does not allow, a
 *            path or domain with ";" or a control character, a path that does not begin with "/", a
 *            negative age, or a promise that is not kept; -EALREADY (the answer has begun), -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_set_cookie(weft_http_request *request,
                                     const struct weft_http_cookie *cookie);

#ifdef __cplusplus
}
#endif

#endif
