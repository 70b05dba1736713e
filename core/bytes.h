/* SPDX-License-Identifier: MIT */
/* What reads return: one block of memory, the struct and then its bytes. */
#ifndef WEFT_CORE_BYTES_H
#define WEFT_CORE_BYTES_H

#include <weft/bytes.h>

/** `len` bytes, not initialized but for the NUL behind them; NULL: out of memory. Thread: any. */
weft_bytes *weft__bytes_new(size_t len);

/** Make room for `room` bytes and a NUL; `old` may be NULL, which is no bytes. NULL: out of memory,
 * and `old` stays. Thread: any. */
weft_bytes *weft__bytes_resize(weft_bytes *old, size_t room);

/** weft_bytes_free() as a destructor. */
void weft__bytes_destroy(void *bytes);

#endif
