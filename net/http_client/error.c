/* SPDX-License-Identifier: MIT */
/*
 * Errors: the status says what a caller does about it; libcurl's own text is the message.
 *
 * libcurl has one code, CURLE_RECV_ERROR, for a connection that was reset, one of TLS that ended
 * without a goodbye, and a proxy that refuses a tunnel. The first is told apart by its errno, the
 * last by the proxy's status, and the second only by what OpenSSL says of it.
 */
#include "net/http_client/error.h"

#include <errno.h>
#include <string.h>
#include <weft/error.h>

static const struct {
    CURLcode code;
    int status;
} errors[] = {
    {CURLE_OK, 0},
    {CURLE_OUT_OF_MEMORY, -ENOMEM},
    {CURLE_URL_MALFORMAT, -EINVAL},
    {CURLE_UNSUPPORTED_PROTOCOL, WEFT_EPROTO}, /* an answer without headers */
    {CURLE_NOT_BUILT_IN, -EINVAL},
    {CURLE_COULDNT_RESOLVE_HOST, WEFT_ERESOLVE},
    {CURLE_COULDNT_RESOLVE_PROXY, WEFT_ERESOLVE},
    {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
    {CURLE_GOT_NOTHING, WEFT_EOF},
    {CURLE_PARTIAL_FILE, WEFT_ETRUNCATED},
    {CURLE_SEND_FAIL_REWIND, -ECONNRESET},
    {CURLE_WEIRD_SERVER_REPLY, WEFT_EPROTO},
    {CURLE_HTTP2, WEFT_EPROTO},
    {CURLE_HTTP2_STREAM, WEFT_EPROTO},
    {CURLE_BAD_CONTENT_ENCODING, WEFT_EPROTO},
    {CURLE_PEER_FAILED_VERIFICATION, WEFT_ECERT},
    {CURLE_SSL_CONNECT_ERROR, WEFT_ETLS},
    {CURLE_SSL_CERTPROBLEM, WEFT_ETLS},
    {CURLE_SSL_CIPHER, WEFT_ETLS},
    {CURLE_SSL_CACERT_BADFILE, WEFT_ETLS},
    {CURLE_SSL_SHUTDOWN_FAILED, WEFT_ETLS},
};

static int of_code(CURLcode code)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i].code == code)
            return errors[i].status;
    return WEFT_EHTTP;
}

/* A connection of TLS that ended, but not by TLS: anybody between may have done that. */
static bool is_cut_off(const struct weft__client_end *end)
{
    if (end->code == CURLE_OK)
        return end->lacks_goodbye;
    return end->code == CURLE_RECV_ERROR && strstr(end->text, "unexpected eof while reading");
}

int weft__client_error(const struct weft__client_end *end, const char **ret_message)
{
    CURLcode code = end->code;
    bool is_of_socket =
        code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
    *ret_message = end->text[0] ? end->text : curl_easy_strerror(code);
    if (is_cut_off(end)) {
        *ret_message =
            "the connection has ended without the goodbye of TLS: what came may be cut off";
        return end->has_head ? WEFT_ETRUNCATED : WEFT_EOF;
    }
    if (code == CURLE_OK && !end->has_head) { /* to libcurl that is a response */
        *ret_message = "the connection has ended before the headers did";
        return WEFT_EOF;
    }
    if (code == CURLE_RECV_ERROR && end->proxy_status >= 300)
        return WEFT_EHTTP;
    if (is_of_socket && end->os_error > 0)
        return (int)-end->os_error;
    if (code == CURLE_COULDNT_CONNECT)
        return -ECONNREFUSED;
    if (code == CURLE_SEND_ERROR)
        return -ECONNRESET;
    return code == CURLE_RECV_ERROR ? WEFT_EPROTO : of_code(code);
}
