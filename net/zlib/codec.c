/* SPDX-License-Identifier: MIT */
/*
 * zlib as a codec of the server.
 *
 * A stream of zlib's takes 256 KiB. A body whose length is known to be little needs no window that is longer
 * than itself: one of up to 8 KiB gets along with 64 KiB, which is also quicker to clear, and comes out as
 * small. "deflate" is what RFC 9110 says, with zlib's header, not the bare one that some have sent
 * under that name.
 */
#define ZLIB_CONST /* what is to be compressed is only read */
#include "net/zlib/codec.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

#include "core/companion.h"

enum {
    GZIP = 16, /* to be added to the window's bits */
    LITTLE = 8 * 1024
};

static void *allocate(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return size && count > SIZE_MAX / size ? NULL : weft__companion_malloc((size_t)count * size);
}

static void give_back(void *opaque, void *memory)
{
    (void)opaque;
    weft__companion_free(memory);
}

static void *begin(enum weft__http_coding coding, int level, int64_t len)
{
    z_stream *stream = weft__companion_malloc(sizeof(*stream));
    bool little = len >= 0 && len <= LITTLE;
    int bits = (little ? 13 : MAX_WBITS) + (coding == WEFT__HTTP_GZIP ? GZIP : 0);
    if (!stream)
        return NULL;
    *stream = (z_stream){.zalloc = allocate, .zfree = give_back};
    if (deflateInit2(stream, level, Z_DEFLATED, bits, little ? 7 : 8, Z_DEFAULT_STRATEGY) == Z_OK)
        return stream;
    weft__companion_free(stream);
    return NULL;
}

static unsigned fit(size_t len)
{
    return len < UINT_MAX ? (unsigned)len : UINT_MAX;
}

/* What of it is said by Z_BUF_ERROR, that nothing could be done, is no failure: there was nothing to flush. */
static int run(void *state, struct weft__http_codec_io *io, enum weft__http_flush flush)
{
    static const int how[] = {[WEFT__HTTP_GO_ON] = Z_NO_FLUSH,
                              [WEFT__HTTP_FLUSH] = Z_SYNC_FLUSH,
                              [WEFT__HTTP_FINISH] = Z_FINISH};
    z_stream *stream = state;
    stream->next_in = (const Bytef *)io->in;
    stream->next_out = (Bytef *)io->out;
    unsigned in = stream->avail_in = fit(io->in_len);
    unsigned out = stream->avail_out = fit(io->out_len);
    int status = deflate(stream, in == io->in_len ? how[flush] : Z_NO_FLUSH);
    io->in += in - stream->avail_in;
    io->in_len -= in - stream->avail_in;
    io->out += out - stream->avail_out;
    io->out_len -= out - stream->avail_out;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
        return -EIO;
    if (flush == WEFT__HTTP_FINISH)
        return status != Z_STREAM_END;
    return io->in_len || !io->out_len;
}

static void end(void *state)
{
    z_stream *stream = state;
    deflateEnd(stream);
    weft__companion_free(stream);
}

const struct weft__http_codec weft__zlib_codec = {begin, run, end};
