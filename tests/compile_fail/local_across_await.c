/* SPDX-License-Identifier: MIT */
/* error: jumps over variable initialization|may be uninitialized|is used uninitialized */
#include <weft/task.h>
#include <weft/time.h>

struct sum {
    WEFT_FRAME;
    int n;
};

WEFT_ASYNC_DECLARE(sum);
WEFT_ASYNC(sum)
{
    WEFT_BEGIN;
#ifdef MISTAKE
    int n = self->n;
#else
    self->n++;
#endif
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
#ifdef MISTAKE
    self->n += n;
#endif
    int last = self->n; /* no await follows in its block: this one is fine */
    self->n = last + 1;
    WEFT_FINALLY;
    int more = 1;
    self->n += more;
    WEFT_END;
}
