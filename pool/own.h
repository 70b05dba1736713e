/* SPDX-License-Identifier: MIT */
/* Jobs in the caller's memory. See pool/own.c. */
#ifndef WEFT_POOL_OWN_H
#define WEFT_POOL_OWN_H

#include <stddef.h>
#include <weft/job.h>

struct weft__job;
struct weft__own;

/** Room for a job with `size` bytes behind it; NULL: it is too small. */
struct weft__job *weft__own_room(struct weft__own *own, size_t size);

/** What the function is called with. */
void *weft__own_arg(const struct weft__own *own);

/** The job is over, or came to nothing: the memory is the caller's again, who is told if `tell`. The
 * memory may be gone when this returns. Thread: any. */
void weft__own_give_back(struct weft__own *own, bool tell);

#endif
