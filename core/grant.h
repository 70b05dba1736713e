/* SPDX-License-Identifier: MIT */
/*
 * Grants: a success that means "it is yours from now on", of a lock, say.
 *
 * Who gets one may never look at it: the future is dropped, or the gather around it was cancelled
 * in the meantime. Then it must pass on. So the value is the granter, a weft__sync with a reference,
 * and its destructor is weft__give_back(). Like any value it moves from future to future with those
 * who only pass it on (weft__take()), and is destroyed where it is left; whoever goes on with it
 * (an await, a status that is read, a callback) calls weft__look(), which accepts it and leaves the
 * future without a value.
 */
#ifndef WEFT_CORE_GRANT_H
#define WEFT_CORE_GRANT_H

#include <weft/combine.h>

struct weft__sync;

/** The destructor of a grant: nobody wants it. */
void weft__give_back(void *sync);

/** Somebody has it now; consumes the reference. */
void weft__accept(struct weft__sync *sync);

/**
 * The destructor of a signal's count, which does nothing: that it is still there when the future is
 * disposed of says that nobody went on with the value or took it, and the signal is told again.
 */
void weft__tell_again(void *count);

/** The destructor of a gather's value; and accept all the grants that are in it. */
void weft__free_results(void *results);
void weft__accept_results(weft_results *results);

#endif
