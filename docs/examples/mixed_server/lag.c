/* SPDX-License-Identifier: MIT */
#include "lag.h"

#include <stdlib.h>
#include <string.h>

static void lag_add(struct lag *lag, weft_ns late)
{
    lag->samples[lag->count++ % LAG_SAMPLES] = late;
}

weft_ns lag_worst(const struct lag *lag, size_t since)
{
    weft_ns worst = 0;
    if (since + LAG_SAMPLES < lag->count)
        since = lag->count - LAG_SAMPLES;
    for (size_t i = since; i < lag->count; i++)
        if (lag->samples[i % LAG_SAMPLES] > worst)
            worst = lag->samples[i % LAG_SAMPLES];
    return worst;
}

static int compare_ns(const void *a, const void *b)
{
    weft_ns x = *(const weft_ns *)a, y = *(const weft_ns *)b;
    return (x > y) - (x < y);
}

struct percentiles lag_percentiles(const struct lag *lag)
{
    weft_ns sorted[LAG_SAMPLES];
    size_t count = lag->count < LAG_SAMPLES ? lag->count : LAG_SAMPLES;
    if (count == 0)
        return (struct percentiles){0, 0, 0};
    memcpy(sorted, lag->samples, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_ns);
    return (struct percentiles){
        .p50 = (double)sorted[count / 2] / 1e6,
        .p99 = (double)sorted[count * 99 / 100] / 1e6,
        .max = (double)sorted[count - 1] / 1e6,
    };
}

WEFT_ASYNC(measure_lag)
{
    WEFT_BEGIN;
    for (;;) {
        self->due = weft_now() + WEFT_MS(LAG_PERIOD_MS);
        WEFT_AWAIT(weft_sleep(WEFT_MS(LAG_PERIOD_MS)));
        lag_add(self->lag, weft_now() - self->due);
    }
    WEFT_END;
}
