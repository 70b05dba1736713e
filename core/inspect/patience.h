/* SPDX-License-Identifier: MIT */
/* For how long a thread has been at the same thing, and when that is worth a report. See
 * core/inspect/patience.c. */
#ifndef WEFT_CORE_INSPECT_PATIENCE_H
#define WEFT_CORE_INSPECT_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/time.h>

/** What one look at a thread has shown. Times are real ones. */
struct weft__sight {
    weft_ns now;
    weft_ns period;    /* in which it is looked at, if all is well */
    weft_ns late;      /* by so much who looks was woken too late */
    weft_ns ran;       /* of the thread, on a CPU, since it was started */
    weft_ns waited;    /* for one; -1: not known */
    uint64_t slices;   /* how often it was given one */
    bool wants_to_run; /* it runs, or waits for a CPU */
};

struct weft__patience {
    weft_ns limit;
    weft_ns already; /* before the first look */
    struct weft__sight first, last;
    weft_ns allowed;  /* time that may be charged to what runs */
    weft_ns lost;     /* time in which nothing of the process ran */
    weft_ns queued;   /* without a CPU now, and not in `waited` yet */
    weft_ns runnable; /* of all the time; and of what is allowed: */
    weft_ns excused;
    weft_ns due;    /* a report, when as much was its own */
    weft_ns due_at; /* and it has lasted for so long */
};

/** `lasts`: from its beginning; the others: since the first look. */
struct weft__spell {
    weft_ns lasts, on_cpu, runnable, waiting;
};

/** It is at something else, for `already` as is known. */
void weft__patience_begin(struct weft__patience *patience, weft_ns limit, weft_ns already,
                          const struct weft__sight *sight);

/** It is at the same thing still. True: that is worth a report now. */
bool weft__patience_is_over(struct weft__patience *patience, const struct weft__sight *sight);

/** What is known of it. */
struct weft__spell weft__patience_spell(const struct weft__patience *patience);

/** It took longer than the limit, but would not have but for the machine. */
bool weft__patience_is_excused(const struct weft__patience *patience);

/** How many reports may be made: some at once, then one at a time. */
struct weft__allowance {
    weft_ns spent_until; /* each takes five seconds; later than now: some were made ahead of time */
};

bool weft__allowance_take(struct weft__allowance *allowance, weft_ns now);

#endif
