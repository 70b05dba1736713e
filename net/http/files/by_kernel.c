/* SPDX-License-Identifier: MIT */
/*
 * A file as a piece of an answer, sent by the kernel: its bytes never come into this process.
 *
 * What is sent so goes past whatever would change it, so an answer with a coder, in chunks, or on a stream
 * with a filter (TLS) is sent by pieces instead. The stream counts what goes, while it goes: write_timeout looks at
 * that.
 */
#include <weft/sendfile.h>

#include "net/http/server.h"

int64_t weft__http_written(const weft__http_exchange *request)
{
    if (request->file_at < 0)
        return request->written;
    return request->written + (int64_t)request->stream->written - request->file_at;
}

bool weft__http_can_sendfile(weft_http_request *handle)
{
    const uint32_t odd = WEFT__STREAM_PIPE | WEFT__STREAM_FILTERED | WEFT__STREAM_BY_HAND;
    const weft__http_exchange *request = weft__http_alive(handle);
    return request && !request->coder && !request->chunked && !(request->stream->flags & odd);
}

weft_future *weft__http_sendfile(weft_http_request *handle, int fd, int64_t offset, size_t len)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    int status = weft__http_send_head(request);
    if (status < 0)
        return weft__http_failed(request, status);
    request->file_at = (int64_t)request->stream->written;
    weft_future *sent = weft_sendfile(request->stream, fd, offset, len);
    if (!weft_is_done(sent))
        weft__http_limit_write(request->connection);
    return sent;
}

int weft__http_file_sent(weft_http_request *handle, size_t len)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone();
    request->written = weft__http_written(request);
    request->file_at = -1;
    request->length -= (int64_t)len;
    return 0;
}
