/* SPDX-License-Identifier: MIT */
/*
 * Middleware: compressed answers.
 *
 * It says how, and lets the request pass; the server asks when an answer begins (net/http/coding/coder.c), and
 * keeps what it needs of it then, since an answer may be sent for longer than its handler lasts.
 */
#include <errno.h>
#include <weft/http_compress.h>

#include "net/zlib/codec.h"

enum { LEVEL = 6, MIN_SIZE = 1024, ON_LOOP = 8 * 1024 };

static int begin(struct weft_http_compress *self)
{
    struct weft__http_encoding encoding = {.codec = &weft__zlib_codec,
                                           .level = self->level ? self->level : LEVEL,
                                           .min_size = self->min_size ? self->min_size : MIN_SIZE,
                                           .on_loop = ON_LOOP,
                                           .lane = self->lane,
                                           .types = self->types};
    if (self->level < 0 || self->level > 9)
        return -EINVAL;
    self->compresses = weft__companion_http_encoding_set(self->request, &encoding);
    return 0;
}

static void end(const struct weft_http_compress *self)
{
    if (self->compresses)
        weft__companion_http_encoding_clear(self->request);
}

WEFT_ASYNC(weft_http_compress)
{
    WEFT_BEGIN;
    if (begin(self) < 0)
        WEFT_FAIL(-EINVAL, "a level of compression is 1 to 9, or 0");
    WEFT_AWAIT(weft_http_next(self->request));
    WEFT_FINALLY;
    end(self);
    WEFT_END;
}
