/* SPDX-License-Identifier: MIT */
/* The same with weft_tls. */
#include <stdio.h>
#include <weft/tls.h>
#include <weft/weft.h>

struct consumer {
    WEFT_FRAME;
    weft_tls_context *context;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->context, weft_tls_client_new(NULL));
    printf("weft %s says %d\n", weft_version(), self->context ? 42 : 0);

    WEFT_FINALLY;
    weft_tls_context_unref(self->context);
    WEFT_END;
}

int main(void)
{
    return weft_run(consumer);
}
