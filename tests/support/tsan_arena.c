/* SPDX-License-Identifier: MIT */
/*
 * Criterion under ThreadSanitizer: place BoxFort's arena where TSan leaves room.
 *
 * BoxFort maps its inheritable arena at 0x200000000000 + (rand_r() & 0x3fffff) * 16 MiB, which
 * mostly lies in TSan's shadow; the program then aborts with "Could not initialize inheritable
 * arena" (https://github.com/Snaipe/Criterion/issues/274). It calls rand_r() through the PLT, so
 * this definition in the executable wins, as long as it is visible. It counts up through
 * 0x5670_0000_0000..0x5677_ff00_0000, which is free when addresses are not randomised (setarch -R).
 */
#include <weft/macros.h>

#include <stdlib.h>

WEFT_PUBLIC int rand_r(unsigned *seed)
{
    return (int)(0x367000 + ((*seed)++ & 0x7ff));
}
