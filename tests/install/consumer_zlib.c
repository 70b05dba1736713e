/* SPDX-License-Identifier: MIT */
/* The same with weft_zlib. */
#include <stdio.h>
#include <weft/http_compress.h>
#include <weft/weft.h>

struct consumer {
    WEFT_FRAME;
    weft_http_server *server;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    self->server = weft_http_server_new(NULL);
    int status = weft_http_use(self->server, weft_http_compress, .level = 9);
    printf("weft %s says %d\n", weft_version(), status == 0 ? 42 : status);

    WEFT_FINALLY;
    weft_http_server_free(self->server);
    WEFT_END;
}

int main(void)
{
    return weft_run(consumer);
}
