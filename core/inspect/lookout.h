/* SPDX-License-Identifier: MIT */
/* The watchdog's view of one loop. See core/inspect/lookout.c. */
#ifndef WEFT_CORE_INSPECT_LOOKOUT_H
#define WEFT_CORE_INSPECT_LOOKOUT_H

#include "core/inspect/blocked.h"
#include "core/inspect/patience.h"
#include "core/inspect/where.h"

/** [mu] is the watchdog's lock; [dog]: only its thread, while it has the loop pinned. */
struct weft__lookout {
    struct weft__lookout *next, **at; /* [mu] of all that are watched */
    unsigned generation;              /* [const] of the process */
    uint32_t loop_id;                 /* [const] */
    weft_ns limit;                    /* [const] */
    enum weft_blocked_format format;  /* [const] */
    bool is_end_told;                 /* [const] debug mode prints the end of what is slow */
    bool has_epoll;                   /* [const] the base polls by epoll */
    weft_blocked_fn *fn;              /* [mu] NULL: print */
    void *arg;                        /* [mu] */
    unsigned calls;                   /* [mu] of a handler, under way */
    struct weft__at seen;             /* [dog] at the last look */
    bool is_at_something;             /* [dog] that is `seen`, and `patience` holds for it */
    bool is_left_out;                 /* [dog] there were too many, and it was counted */
    int epoll_fd;                     /* [dog] of the base; -1: not known yet */
    struct weft__patience patience;   /* [dog] */
    struct weft__blocked *told;       /* [dog] owned; NULL: it was not reported */
};

#endif
