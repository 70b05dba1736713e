/* SPDX-License-Identifier: MIT */
/* A connection that goes on with another protocol: for what is built on the server, as WebSockets are. */
#ifndef WEFT_NET_HTTP_UPGRADE_H
#define WEFT_NET_HTTP_UPGRADE_H

#include <weft/http_server.h>
#include <weft/stream.h>

/**
 * Answer "101 Switching Protocols" and take the request's stream over, if the client asked for this
 * protocol. What was added by weft_http_add_header() is in the answer.
 *
 * What the client has sent behind its request waits to be read. The server neither watches nor limits the
 * stream any more: who takes it over reads to its end, sets deadlines of its own, and comes to an end when
 * weft_http_request_stopping() is done. When the handler has ended well, what it has written is sent, and the
 * connection is closed as after any last answer; when it has failed, it is reset.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: *ret is borrowed until the handler has ended: neither close nor free it.
 * Errors:    WEFT_EPROTO (the client did not ask for it: answer otherwise), -EINVAL (the request has a
 *            body that was not read), -EALREADY (there is an answer), WEFT_ECLOSED (the handler has ended),
 *            and as weft_write(). *ret is untouched.
 */
WEFT_MUST_CHECK int weft__http_upgrade(weft_http_request *request, const char *protocol,
                                       weft_stream **ret);

#endif
