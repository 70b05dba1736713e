/* SPDX-License-Identifier: MIT */
/* The same with weft_http_client, and a server of weft's own. */
#include <stdio.h>
#include <stdlib.h>
#include <weft/http_client.h>
#include <weft/http_server.h>
#include <weft/weft.h>

struct answer {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(answer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%d", 6 * 7));
    WEFT_END;
}

struct consumer {
    WEFT_FRAME;
    weft_http_server *server;
    weft_http_session *session;
    weft_http_response *page;
    char url[64];
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    self->server = weft_http_serve("127.0.0.1:0", answer);
    self->session = weft_http_session_new(NULL);
    snprintf(self->url, sizeof(self->url), "http://127.0.0.1:%d/",
             weft_http_server_port(self->server));
    WEFT_AWAIT_INTO(self->page, weft_http_get(self->session, self->url));
    printf("weft %s says %s\n", weft_version(), weft_http_body(self->page, NULL));

    WEFT_FINALLY;
    weft_http_response_free(self->page);
    weft_http_session_free(self->session);
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(void)
{
    return weft_run(consumer);
}
