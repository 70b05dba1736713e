/* SPDX-License-Identifier: MIT */
/*
 * Random numbers of a loop: a counter that is stepped by an odd constant and scrambled (the scheme
 * known as splitmix64). Small, fast, reproducible from its state; nothing that must not be guessed
 * may depend on it.
 */
#include "core/random.h"

#include <sys/random.h>

#include "core/loop.h"
#include "core/shuffle.h"

#define STEP 0x9e3779b97f4a7c15u

static uint64_t first_state(const weft_loop *loop)
{
    uint64_t state;
    if (loop->shuffle)
        return loop->shuffle->seed;
    if (loop->clock == WEFT_CLOCK_VIRTUAL)
        return STEP;
    if (getrandom(&state, sizeof(state), GRND_NONBLOCK) != sizeof(state))
        state = (uint64_t)weft_now() ^ loop->id;
    return state | 1;
}

uint64_t weft__random(weft_loop *loop)
{
    if (loop->random == 0)
        loop->random = first_state(loop);
    uint64_t mixed = loop->random += STEP;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

double weft__random_fraction(weft_loop *loop)
{
    return (double)(weft__random(loop) >> 11) * 0x1p-53;
}
