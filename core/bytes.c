/* SPDX-License-Identifier: MIT */
/* Bytes that were read. */
#include "core/bytes.h"

#include <stdint.h>

#include "core/memory.h"

weft_bytes *weft__bytes_resize(weft_bytes *old, size_t room)
{
    if (room >= SIZE_MAX - sizeof(*old))
        return NULL;
    weft_bytes *bytes = weft__realloc(old, sizeof(*bytes) + room + 1);
    if (!bytes)
        return NULL;
    if (!old)
        bytes->len = 0;
    bytes->data = (char *)(bytes + 1);
    bytes->data[bytes->len] = 0;
    return bytes;
}

weft_bytes *weft__bytes_new(size_t len)
{
    weft_bytes *bytes = weft__bytes_resize(NULL, len);
    if (!bytes)
        return NULL;
    bytes->len = len;
    bytes->data[len] = 0;
    return bytes;
}

void weft_bytes_free(weft_bytes *bytes)
{
    weft__free(bytes);
}

void weft__bytes_destroy(void *bytes)
{
    weft_bytes_free(bytes);
}
