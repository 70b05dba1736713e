/* SPDX-License-Identifier: MIT */
/**
 * An HTTP client, awaited: a library of its own, `weft_http_client` (not part of <weft/weft.h>), on
 * libcurl. The shape is that of aiohttp's session.
 *
 *     struct fetch { WEFT_FRAME; weft_http_session *session; weft_http_response *page; };
 *
 *     static WEFT_ASYNC(fetch)
 *     {
 *         WEFT_BEGIN;
 *         WEFT_AWAIT_INTO(self->page, weft_http_get(self->session, "https://example.org/"));
 *         if (weft_http_status(self->page) != 200)
 *             WEFT_FAIL(WEFT_EHTTP, "status %d", weft_http_status(self->page));
 *         WEFT_RETURN(weft_http_take_body(self->page), free);
 *
 *         WEFT_FINALLY;
 *         weft_http_response_free(self->page);
 *         WEFT_END;
 *     }
 *
 * A session keeps connections, cookies and what is common to requests: make one, not one a request.
 * A request waits for its turn (limits a host and in all), has its host looked up by weft, connects
 * or takes a connection that is idle, follows redirects, tries again if it may, and is done when
 * the whole response is there: status, headers, body, decompressed. With WEFT_HTTP_STREAM it is
 * done when the headers are there, and the body is read piece by piece; who reads slowly makes the
 * server wait.
 *
 * HTTP/2 is spoken with a server of HTTPS that offers it: requests to it share a connection. Those
 * that are started at once wait for the first one's.
 *
 * A status of 404 or 500 is a response like any other, and no failure (but see
 * WEFT_HTTP_EXPECT_OK).
 *
 * Cancelling a request gives up whatever it is at, its connection too, at its next turn: nothing is
 * called back after that. Nothing blocks the loop: names are looked up, files read and certificates
 * loaded on workers.
 *
 * Certificates are verified, and the names in them, unless a session says otherwise.
 *
 * Process-wide: the first session calls curl_global_init(), which is never undone. Nothing is read
 * from the environment: neither proxies nor CA files. A program whose users expect it passes
 * getenv("https_proxy") and getenv("no_proxy") on.
 */
#ifndef WEFT_HTTP_CLIENT_H
#define WEFT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/bytes.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Connections, cookies and defaults. Belongs to the loop on which it was made. */
typedef struct weft_http_session weft_http_session;

/** What a server answered. */
typedef struct weft_http_response weft_http_response;

/** A header. An array of them ends with one whose name is NULL: `{{"Accept", "text/html"}, {0}}`.
 * */
struct weft_http_field {
    const char *name;
    const char *value;
};

/* ---- Sessions ---- */

/** What a session or a request does differently; to be or-ed. Those of its session hold for each
 * request. */
enum weft_http_flags {
    WEFT_HTTP_STREAM = 1,       /* done with the headers: weft_http_response_read() has the body */
    WEFT_HTTP_EXPECT_OK = 2,    /* a status of 400 or more is a failure, WEFT_EHTTP */
    WEFT_HTTP_NO_REDIRECTS = 4, /* a redirect is a response */
    WEFT_HTTP_RAW = 8,          /* no compressed body is asked for, and none decompressed */
    WEFT_HTTP_NO_RETRY = 16,    /* one attempt only */
    WEFT_HTTP_NEW_CONNECTION = 32, /* none that is idle is used, nor kept afterwards */
    WEFT_HTTP_NO_COOKIES = 64,     /* of a session only: it has no cookie jar */
    WEFT_HTTP_ONE_ONLY = 128,      /* of a session only: HTTP/1.1, never HTTP/2 */
    WEFT_HTTP_TWO_ONLY = 256,      /* of a session only: HTTP/2 at once, without TLS too */
    WEFT_HTTP_INSECURE = 512 /* of a session only: certificates and their names are not verified */
};

/** When an attempt that failed is made again. Zero is the default of every field. */
struct weft_http_retry {
    unsigned attempts; /* how many in all; 0 or 1: one, no retry */
    weft_ns
        first_delay;   /* between the first two; 0: 200 ms. Each is twice the one before, less up to
                            a half, by chance */
    weft_ns max_delay; /* no delay is longer; 0: 10 s. Where a server's Retry-After asks for more,
                            its response is the result */
};

/** How long things may take; WEFT_FOREVER: no limit. Zero is the default of every field. */
struct weft_http_timeouts {
    weft_ns total;     /* from the call to the end of the response, all attempts; 0: 5 min */
    weft_ns connect;   /* look-up, connection (the wait for that of another request, too), TLS, of
                            one attempt; 0: 30 s */
    weft_ns low_speed; /* the transfer fails if in that time … ; 0: never */
    size_t
        low_speed_bytes; /* … fewer bytes than this came and went; 0: 1. Time for which the reader
                               of a stream let it wait does not count */
};

/** Zero is the default of every field. All is copied. */
struct weft_http_session_options {
    size_t size;                           /* sizeof this struct, or 0 for "this version" */
    unsigned flags;                        /* enum weft_http_flags */
    const char *base_url;                  /* what relative URLs are relative to */
    const struct weft_http_field *headers; /* of each request, unless that has its own */
    const char *user_agent;                /* NULL: "weft/VERSION"; "": none */
    size_t max_requests;                   /* under way at once, in all; 0: 100 */
    size_t max_per_host; /* … to one host and port; 0: as many as in all. (With HTTP/1.1 each has a
                            connection, with HTTP/2 they share one, as many as it takes.) */
    size_t max_idle;     /* connections kept for later; 0: as max_requests */
    size_t max_body;     /* bytes of a body that is not streamed; 0: 64 MiB; more: WEFT_ELIMIT */
    unsigned max_redirects; /* 0: 10; more: WEFT_ELIMIT */
    struct weft_http_timeouts timeouts;
    struct weft_http_retry retry;

    const char *proxy; /* "http://[user:password@]host:port", https, socks5, socks5h; NULL: none */
    const char *no_proxy; /* hosts that are asked without it, and all below them, between commas or
                             blanks: "localhost, 10.0.0.1, example.org"; "*": all; NULL: none */
    const char *unix_socket; /* connect to "unix:/path" or "unix:@name" instead of any host */

    const char *ca_file;      /* trust the certificates in this file; NULL: those of the system */
    const char *tls_cert;     /* a file with the client's certificate, PEM */
    const char *tls_key;      /* … and its private key; NULL: in the same file */
    const char *tls_password; /* of the key */
};

/**
 * A new session.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_http_session_free(), at the latest before weft_loop_free().
 *            `options` is copied; NULL: the defaults.
 * Errors:    NULL and errno: EINVAL (options: not a URL, not a header, not a proxy), ENOMEM,
 *            -WEFT_ENOLOOP, EIO (libcurl cannot be initialized).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_http_session *
weft_http_session_new(const struct weft_http_session_options *options);

/**
 * Take no more requests (WEFT_ECLOSED), and wait until those under way are done, streamed bodies
 * included. Cancelling stops the wait alone. Idle connections are closed when the session is freed.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The session is still to be freed.
 * Errors:    by the future: WEFT_ECLOSED (freed meanwhile), -EBUSY (another one waits), -EINVAL
 *            (NULL), -ENOMEM, -ECANCELED, WEFT_ETHREAD, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_session_close(weft_http_session *session);

/**
 * Free a session: requests under way and streamed bodies fail with WEFT_ECLOSED, connections are
 * closed. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the session. Responses stay their owners'.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_http_session_free(weft_http_session *session);

/** What a session has done so far. */
struct weft_http_session_stats {
    size_t active;         /* requests under way now, those that wait for their turn included */
    size_t waiting;        /* of these, that wait for their turn */
    uint64_t requests;     /* that were begun */
    uint64_t attempts;     /* transfers: of redirects and retries each one */
    uint64_t connections;  /* that were made */
    uint64_t turns;        /* turns of the loop in which transfers were started */
    unsigned most_started; /* the most that were started in one of them */
};

/** Thread: loop. Since: 0.1 */
WEFT_PUBLIC struct weft_http_session_stats
weft_http_session_get_stats(const weft_http_session *session);

/**
 * Put a cookie into the session's jar: a line as of a "Set-Cookie:" header, with its domain ("a=b;
 * domain=example.org; path=/"), or one that weft_http_session_cookies() gave.
 *
 * Thread:    loop.
 * Ownership: the text is copied.
 * Errors:    -EINVAL (NULL, or a session without a jar), -ENOMEM, WEFT_ETHREAD, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_session_set_cookie(weft_http_session *session, const char *cookie);

/**
 * All cookies of the jar, a line each in the format of Netscape's cookie file, to be kept for a
 * later session.
 *
 * Thread:    loop.
 * Ownership: the caller's: weft_bytes_free().
 * Errors:    NULL and errno: EINVAL (NULL, or a session without a jar), ENOMEM, or the number of
 *            WEFT_ETHREAD or WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC weft_bytes *weft_http_session_cookies(weft_http_session *session);

/** Empty the jar. Thread: loop. Errors: as weft_http_session_set_cookie(). Since: 0.1 */
WEFT_PUBLIC int weft_http_session_clear_cookies(weft_http_session *session);

/* ---- Requests ---- */

/**
 * Where the body of a request comes from, piece by piece: starts to read at most `size` bytes into
 * `buffer`; the future's value is how many, 0 at the end. Called on the loop; never while a read of
 * the same request is under way. A failure is that of the request, which waits for a read that it
 * cancels.
 */
typedef weft_future *weft_http_source_fn(void *arg, void *buffer, size_t size);

struct weft_stream;

/** The body of a request: the first of these that is set. All zero: none. */
struct weft_http_content {
    const void *data; /* `len` bytes of memory, borrowed until the request is done */
    size_t len;
    const char *path;            /* a file, read on workers; copied */
    struct weft_stream *stream;  /* what is read from a stream, to its end or `len` bytes if that is
                                    not 0; borrowed until the request is done */
    weft_http_source_fn *source; /* what a function reads, to its end or `len` bytes */
    void *arg;                   /* of `source`; borrowed until the request is done */
    const char *type;            /* Content-Type; NULL: none is said */
};

/** Zero is the default of every field: as the session has it. */
struct weft_http_fetch_options {
    size_t size;    /* sizeof this struct, or 0 for "this version" */
    unsigned flags; /* enum weft_http_flags */
    const struct weft_http_field
        *headers; /* replace the session's of the same name; a value that is
                                              NULL leaves the header out */
    struct weft_http_content body;
    size_t max_body;
    unsigned max_redirects;
    struct weft_http_timeouts timeouts;
    struct weft_http_retry retry; /* if `attempts` is not 0 */
    const char *user, *password;  /* Basic authentication, for this host only */
};

/**
 * Send a request; the value is a weft_http_response. `method` is any token, "PATCH" say; `options`
 * may be NULL.
 *
 * Redirects (301, 302, 303, 307, 308) are followed: POST becomes GET after the first three, the
 * others keep method and body. To another scheme, host or port neither Authorization nor Cookie
 * headers of the request go along, nor `user`.
 *
 * A connection that was idle may turn out to be closed: the request is sent once more on a new one,
 * unless its response has begun. Such a body is read again from its beginning; one from a stream or
 * a function cannot be, and such a request gets a new connection.
 *
 * It is tried again, as `retry` says, when there was no connection or no response, or the status is
 * 429, 502, 503 or 504; if the method is GET, HEAD, PUT, DELETE, OPTIONS or TRACE, and the body can
 * be sent once more: memory or a file. When no attempt is left, the last one is the result.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value's destructor is
 *            weft_http_response_free(). What the options point to is copied but for bodies: see
 *            struct weft_http_content.
 * Errors:    by the future: -EINVAL (not a URL of HTTP, a header or a method that is none, a NULL),
 *            WEFT_ERESOLVE, -ECONNREFUSED and what else connect() has to say, -ETIMEDOUT, WEFT_EOF
 *            (the connection ended before the response began), WEFT_ETRUNCATED (it ended before the
 *            body did; a body without a length over HTTPS ends with TLS, not with the connection),
 *            -ECONNRESET, -EPIPE (it was reset), WEFT_EPROTO (not HTTP), WEFT_ECERT (the server's
 *            certificate is not to be trusted), WEFT_ETLS (another failure of TLS, or files of
 *            certificates that cannot be used), WEFT_EHTTP (WEFT_HTTP_EXPECT_OK; a proxy's
 *            refusal), WEFT_ELIMIT (a body or headers too large, too many redirects), those of the
 *            body's source, WEFT_ECLOSED (the session was closed), -ECANCELED, -ENOMEM, -ESHUTDOWN,
 *            WEFT_ETHREAD, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_http_fetch(weft_http_session *session, const char *method, const char *url,
                const struct weft_http_fetch_options *options);

/** weft_http_fetch() of "GET". Thread: loop. Ownership, Errors: as there. Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_get(weft_http_session *session, const char *url);

/** weft_http_fetch() of "HEAD". Thread: loop. Ownership, Errors: as there. Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_head(weft_http_session *session,
                                                        const char *url);

/** weft_http_fetch() of "DELETE". Thread: loop. Ownership, Errors: as there. Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_delete(weft_http_session *session,
                                                          const char *url);

/**
 * weft_http_fetch() of "POST" with `len` bytes of memory of that type (NULL: none is said).
 *
 * Thread:    loop.
 * Ownership: as weft_http_fetch(); `data` is borrowed until the future is done.
 * Errors:    as weft_http_fetch().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_post(weft_http_session *session, const char *url,
                                                        const char *type, const void *data,
                                                        size_t len);

/** weft_http_post(), but "PUT". Thread: loop. Ownership, Errors: as there. Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_put(weft_http_session *session, const char *url,
                                                       const char *type, const void *data,
                                                       size_t len);

/* ---- Responses. What they lend lives as long as they do. ---- */

/** 200, say; 0 for NULL. Thread: any. Since: 0.1 */
WEFT_PUBLIC int weft_http_status(const weft_http_response *response);

/** The value of the first header of that name (compared without case), or NULL. Thread: any.
 * Since: 0.1 */
WEFT_PUBLIC const char *weft_http_header(const weft_http_response *response, const char *name);

/** The name and the value of the header at `index`, from 0; false behind the last. Thread: any.
 * Since: 0.1 */
WEFT_PUBLIC bool weft_http_header_at(const weft_http_response *response, size_t index,
                                     const char **ret_name, const char **ret_value);

/** The URL that answered, after redirects; "" for NULL. Thread: any. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_url(const weft_http_response *response);

/** The version of HTTP, times ten: 10, 11, 20; 0: not known. Thread: any. Since: 0.1 */
WEFT_PUBLIC int weft_http_version(const weft_http_response *response);

/** How many redirects led here. Thread: any. Since: 0.1 */
WEFT_PUBLIC unsigned weft_http_redirects(const weft_http_response *response);

/**
 * The body of a response that is not streamed; a NUL follows it.
 *
 * Thread:    any.
 * Ownership: borrowed, until weft_http_take_body() or weft_http_response_free().
 * Errors:    "" and *ret_len (may be NULL) 0: none, streamed, taken, or NULL.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_http_body(const weft_http_response *response, size_t *ret_len);

/**
 * Take the body, without a copy.
 *
 * Thread:    any.
 * Ownership: the caller's: weft_bytes_free(), or free().
 * Errors:    NULL: it is empty, streamed, taken before, or `response` is NULL.
 * Since:     0.1
 */
WEFT_PUBLIC weft_bytes *weft_http_take_body(weft_http_response *response);

/**
 * Read a piece of a streamed body: at least one byte, at most `size`; the value is how many, 0 at
 * the end. One read at a time. A read that was cancelled has taken nothing.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `buffer` is borrowed until the future is done.
 * Errors:    by the future: those that end a transfer, as weft_http_fetch() has them, behind all
 *            that came before; -EBUSY (another read is under way), -EINVAL (NULL, a `size` of 0,
 *            not streamed), WEFT_ECLOSED (response or session were freed), -ECANCELED, -ENOMEM,
 *            WEFT_ETHREAD, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_response_read(weft_http_response *response,
                                                                 void *buffer, size_t size);

/**
 * Free a response. What is left of a streamed body is not read: its connection is closed. NULL is
 * nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the response.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_http_response_free(weft_http_response *response);

#ifdef __cplusplus
}
#endif

#endif
