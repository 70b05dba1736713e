/* SPDX-License-Identifier: MIT */
/**
 * Answers of the HTTP server compressed, by zlib. In a library of its own: weft_zlib.
 *
 *     weft_http_use(server, weft_http_compress);
 *
 * Handlers do what they did. Their answers are sent in the coding that the client likes best of those it
 * accepts (gzip, deflate), if they are worth it: long enough, and of a type that shrinks (text, JSON, XML,
 * scripts, fonts …). All others are left alone; and so are parts of a file (206), what has a
 * Content-Encoding or says "Cache-Control: no-transform", server-sent events and WebSockets. To a client
 * that refuses an answer as it is ("identity;q=0") everything is sent compressed that may be.
 *
 * The head says so by Content-Encoding, and by "Vary: Accept-Encoding", also when a client gets the
 * answer as it is. A strong ETag is made a weak one, and Accept-Ranges is left out: both are about other
 * bytes. HEAD has the same head as GET, but no Content-Length.
 *
 * An answer in one piece has a Content-Length. One in pieces is sent in chunks (to an HTTP/1.0 client until the
 * connection closes), whatever length was promised; what is written is on its way 20 ms later at the
 * latest, without a word from the handler. Up to 8 KiB at a time are compressed on the loop (about 50 µs),
 * more by a job. Where there is no memory for it an answer that was not begun is sent as it is; one that was
 * is broken off.
 *
 * Do not compress a page that has both a secret and something that its reader did not write (a token
 * beside an echo of the query, say) if somebody may see how long it is: its length tells, guess by guess,
 * what they have in common (the attack is called BREACH). "Cache-Control: no-transform" keeps such an answer as
 * it is.
 */
#ifndef WEFT_HTTP_COMPRESS_H
#define WEFT_HTTP_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/http_middleware.h>
#include <weft/http_server.h>
#include <weft/lane.h>
#include <weft/macros.h>
#include <weft/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Compress what is inside: `weft_http_use(server, weft_http_compress, .level = 4)`.
 *
 * A request that passes through two of them is compressed as the outer one says. A level out of range fails the
 * request with -EINVAL.
 *
 * Thread:    loop; the larger answers are compressed on workers.
 * Ownership: `types` is borrowed as all arguments of weft_http_use() are; a `lane` belongs to its pool.
 * Errors:    as what is inside.
 * Since:     0.1
 */
struct weft_http_compress {
    WEFT_FRAME;
    weft_http_request *request;
    int level;       /* 1 (fast) to 9 (small); 0: 6 */
    size_t min_size; /* shorter answers are left alone; 0: 1 KiB */
    const char
        *types;      /* that are worth it besides: "application/x-a application/x-b"; NULL: none */
    weft_lane *lane; /* where large answers are compressed; NULL: the default one */
    /* Not for the caller. */
    bool compresses;
};
WEFT_PUBLIC WEFT_ASYNC_DECLARE(weft_http_compress);

#ifdef __cplusplus
}
#endif

#endif
