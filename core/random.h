/* SPDX-License-Identifier: MIT */
/* Random numbers of a loop: not for secrets. */
#ifndef WEFT_CORE_RANDOM_H
#define WEFT_CORE_RANDOM_H

#include <stdint.h>
#include <weft/loop.h>

/**
 * The next number of the loop's own sequence. It goes on from loop->random, which is set when it
 * is 0: from the loop's seed; without one on virtual time from a constant, so that every run is the
 * same; else from the system's entropy.
 */
uint64_t weft__random(weft_loop *loop);

/** The same, as a fraction: 0 or more, less than 1. */
double weft__random_fraction(weft_loop *loop);

#endif
