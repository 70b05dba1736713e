/* SPDX-License-Identifier: MIT */
/* error: wrong type argument|invalid argument type */
#include <weft/task.h>
#include <weft/time.h>

struct two_words {
    long a, b;
};
struct taker {
    WEFT_FRAME;
    struct two_words words;
    long word;
};

WEFT_ASYNC_DECLARE(taker);
WEFT_ASYNC(taker)
{
    WEFT_BEGIN;
#ifdef MISTAKE
    WEFT_AWAIT_INTO(self->words, weft_sleep(1));
#else
    WEFT_AWAIT_INTO(self->word, weft_sleep(1));
#endif
    WEFT_END;
}
