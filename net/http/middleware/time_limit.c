/* SPDX-License-Identifier: MIT */
/*
 * Middleware: how long a handler may take.
 *
 * A timeout block around what is inside. A handler that does not heed its cancel, or has a job that cannot be
 * stopped, ends when it ends: the limit is for what may be cancelled, and the answer waits, since
 * the request is the handler's until then.
 */
#include <errno.h>
#include <weft/http_middleware.h>

#include "net/http/server.h"

/* What the handler had prepared of its answer is not sent with this one. */
static weft_future *answer_503(weft_http_request *handle)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    weft__http_answer_again(request);
    return weft__http_respond_status(request, 503, "it took too long");
}

WEFT_ASYNC(weft_http_deadline)
{
    WEFT_BEGIN;
    WEFT_TIMEOUT_ENTER(self->timeout, self->limit);
    WEFT_CATCH(self->status, weft_http_next(self->request));
    self->expired = weft_timeout_expired(self->timeout);
    self->status = weft_timeout_exit(self->timeout, self->status);
    self->timeout = NULL;
    if (self->status == -ETIMEDOUT && self->expired && !weft_http_answer_status(self->request)) {
        WEFT_AWAIT(answer_503(self->request));
        WEFT_RETURN(0);
    }
    if (self->status < 0 && WEFT_CAUGHT_MESSAGE)
        WEFT_FAIL(self->status, "%s", WEFT_CAUGHT_MESSAGE);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}
