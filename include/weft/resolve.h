/* SPDX-License-Identifier: MIT */
/**
 * Looking up names: getaddrinfo() and getnameinfo() on workers, in the lane "dns" (<weft/lane.h>), so
 * that names that nobody can answer for delay neither files nor other jobs.
 *
 *     WEFT_AWAIT_INTO(self->found, weft_resolve("example.org", "https"));
 *     for (size_t i = 0; i < self->found->count; i++)
 *         use(&self->found->list[i]);
 *     …
 *     weft_addresses_free(self->found);
 *
 * What is a number already, and "localhost", is answered at once, without a job. Whoever asks what is
 * just being looked up waits for the same answer. A cancel is at once. A look-up that nobody waits for
 * any more is dropped if it has not begun; else it is left to itself, and whoever asks the same before
 * it has ended gets its answer: so who tries a dead name again and again, with a limit of time, holds
 * one thread, not all of the lane's.
 *
 * Each loop keeps the answers for a while: what was found for 10 s, and that there is no such name for
 * 1 s, of at most 256 names (weft_resolver_configure()). How long an answer holds is known to the name
 * servers, but getaddrinfo() does not tell it: it gives no time to live. So these times are short, and
 * the same for all. That no answer came is never kept.
 */
#ifndef WEFT_RESOLVE_H
#define WEFT_RESOLVE_H

#include <stddef.h>
#include <weft/address.h>
#include <weft/bytes.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a name stands for, in the order in which to try them; at least one. It is one block of memory,
 * so that `free` is its destructor too (unless weft_set_allocator() was called).
 */
typedef struct weft_addresses {
    size_t count;
    weft_address *list; /* in the same block */
} weft_addresses;

/** Free what a look-up has found. NULL is nothing. Thread: any. Since: 0.1 */
WEFT_PUBLIC void weft_addresses_free(weft_addresses *addresses);

enum weft_resolve_flags {
    WEFT_RESOLVE_DEFAULT = 0,
    WEFT_RESOLVE_FRESH = 1 /* ask, whatever is kept; the answer is kept */
};

/** Zero is the default of every field. */
struct weft_resolve_options {
    size_t size;     /* sizeof(struct weft_resolve_options), or 0 for "this version" */
    int family;      /* AF_INET or AF_INET6: addresses of that one only; 0: both */
    int type;        /* SOCK_DGRAM: what the service is for; 0: SOCK_STREAM */
    weft_ns timeout; /* from the call on, with the time that it waits for a thread; 0: no limit */
    enum weft_resolve_flags flags;
};

/**
 * Look up a host (loop.getaddrinfo); the value is a weft_addresses.
 *
 * `host` is a name or a number: "example.org", "127.0.0.1", "::1", "fe80::1%eth0"; not "*". `service` is
 * a name or a number, "https" or "443"; NULL: the port is 0.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The texts are copied. The value has a destructor: take
 *            it and call weft_addresses_free().
 * Errors:    by the future: -EINVAL (neither name nor number), WEFT_ERESOLVE (the message says why),
 *            -ENOMEM, -EAGAIN (too many jobs wait in the lane, or no thread could be started),
 *            -ESHUTDOWN (the loop is closing), -ECANCELED, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_resolve(const char *host, const char *service);

/**
 * weft_resolve() as `options` say; NULL: as that.
 *
 * Thread:    loop.
 * Ownership: as weft_resolve(). The options are copied.
 * Errors:    as weft_resolve(); -ETIMEDOUT (not answered within `timeout`), -EINVAL (options that make
 *            no sense).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_resolve_with(const struct weft_resolve_options *options, const char *host,
                  const char *service);

/**
 * The name of an address's host (loop.getnameinfo); the value is a weft_bytes, "localhost" say.
 *
 * It is what somebody who has that address said of himself: look it up in turn before you trust it.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The address is copied. The value has a destructor: take
 *            it and call weft_bytes_free().
 * Errors:    by the future: as weft_resolve(); WEFT_ERESOLVE also if it has no name; -EINVAL (it is none
 *            of IPv4 or IPv6).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_resolve_reverse(const weft_address *address);

/* ---- What is kept ---- */

/** What a loop keeps of its look-ups. Zero is the default of every field. */
struct weft_resolver_options {
    size_t size;          /* sizeof(struct weft_resolver_options), or 0 for "this version" */
    size_t max_names;     /* the oldest answer makes room for the next one; 0: 256 */
    weft_ns positive_ttl; /* how long what was found holds; 0: 10 s; negative: it is not kept */
    weft_ns negative_ttl; /* that there is no such name; 0: 1 s; negative: it is not kept */
};

/**
 * Set what this thread's loop keeps of its look-ups from now on, and forget what it has kept.
 *
 * Thread:    loop.
 * Ownership: `options` is copied; NULL restores the defaults.
 * Errors:    -EINVAL, -ENOMEM, -ESHUTDOWN, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int
weft_resolver_configure(const struct weft_resolver_options *options);

#ifdef __cplusplus
}
#endif

#endif
