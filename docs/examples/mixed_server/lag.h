/* SPDX-License-Identifier: MIT */
/* How late the loop is: the time that everybody else has to wait. */
#ifndef MIXED_SERVER_LAG_H
#define MIXED_SERVER_LAG_H

#include <stddef.h>
#include <weft/weft.h>

enum {
    LAG_PERIOD_MS = 10,
    LAG_SAMPLES = 1000 /* of one period each: ten seconds */
};

/* The last ten seconds. `count` goes on counting; the sample n stands at n % LAG_SAMPLES. */
struct lag {
    weft_ns samples[LAG_SAMPLES];
    size_t count;
};

struct percentiles {
    double p50, p99, max; /* milliseconds */
};

struct percentiles lag_percentiles(const struct lag *lag);

/* The worst since the sample number `since`. */
weft_ns lag_worst(const struct lag *lag, size_t since);

/* Measures until it is cancelled. */
struct measure_lag {
    WEFT_FRAME;
    struct lag *lag;
    weft_ns due;
};

WEFT_ASYNC_DECLARE(measure_lag);

#endif
