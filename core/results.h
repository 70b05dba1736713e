/* SPDX-License-Identifier: MIT */
/* weft_results from the inside: how it is filled. */
#ifndef WEFT_CORE_RESULTS_H
#define WEFT_CORE_RESULTS_H

#include <weft/combine.h>

/** Results with `count` empty places; NULL: out of memory. */
weft_results *weft__results_new(size_t count);

/**
 * Note how a future, which is done, ended, and take its value. A value that these results took for
 * an earlier place, where the same future stands, is borrowed from there. Returns the status.
 */
int weft__results_note(weft_results *results, size_t index, weft_future *future);

/** Complete with the results as the value. */
void weft__complete_results(weft_future *future, weft_results *results);

#endif
