/* SPDX-License-Identifier: MIT */
/*
 * Errors: the status says what a caller does about it; libcurl's own text is the message.
 */
#include "net/http_client/error.h"

#include <errno.h>
#include <weft/error.h>

static const struct {
    CURLcode code;
    int status;
} errors[] = {
    {CURLE_OK, 0},
    {CURLE_OUT_OF_MEMORY, -ENOMEM},
    {CURLE_URL_MALFORMAT, -EINVAL},
    {CURLE_UNSUPPORTED_PROTOCOL, -EINVAL},
    {CURLE_NOT_BUILT_IN, -EINVAL},
    {CURLE_COULDNT_RESOLVE_HOST, WEFT_ERESOLVE},
    {CURLE_COULDNT_RESOLVE_PROXY, WEFT_ERESOLVE},
    {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
    {CURLE_GOT_NOTHING, WEFT_EOF},
    {CURLE_PARTIAL_FILE, WEFT_EOF},
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

int weft__client_error(CURLcode code, long os_error)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i].code == code)
            return errors[i].status;
    if (os_error > 0 &&
        (code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR))
        return (int)-os_error;
    if (code == CURLE_COULDNT_CONNECT)
        return -ECONNREFUSED;
    if (code == CURLE_SEND_ERROR)
        return -ECONNRESET;
    return code == CURLE_RECV_ERROR ? WEFT_EPROTO : WEFT_EHTTP;
}
