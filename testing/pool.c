/* SPDX-License-Identifier: MIT */
/* Pools without threads: the names for users of pool/by_hand.c. */
#include <errno.h>
#include <weft/testing.h>

#include "pool/pool.h"

weft_pool *weft_testing_pool_new(enum weft_testing_pool how)
{
    switch (how) {
    case WEFT_TESTING_INLINE:
        return weft__pool_by_hand(WEFT__INLINE);
    case WEFT_TESTING_STEPPED:
        return weft__pool_by_hand(WEFT__STEPPED);
    default:
        errno = EINVAL;
        return NULL;
    }
}

size_t weft_testing_pool_step(weft_pool *pool, size_t count)
{
    return weft__pool_step(pool, count);
}
