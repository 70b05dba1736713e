/* SPDX-License-Identifier: MIT */
/* Metrics: what a source writes in measure(). See core/inspect/metrics.c. */
#ifndef WEFT_CORE_INSPECT_METRICS_H
#define WEFT_CORE_INSPECT_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>
#include <weft/time.h>

#include "core/histogram.h"

struct weft__metrics;
struct weft__text;

/** What the samples of a family are; of OpenMetrics. */
enum weft__family_type { WEFT__COUNTER, WEFT__GAUGE, WEFT__HISTOGRAM, WEFT__INFO };

/** Static. Two of the same name are two families, and an error of the program's. */
struct weft__family {
    const char *name; /* "weft_loop_busy_seconds": of a counter without its "_total" */
    enum weft__family_type type;
    const char *unit; /* the name's end, "seconds" or "bytes"; NULL: none */
    const char *help;
};

/** Labels of a sample, in their order. Zero: none. */
struct weft__labels {
    char text[256]; /* as it is written: `pool="weft",lane="dns"` */
    size_t len;
};

/** Add one; what does not fit of its value is left out, and so is what would not be UTF-8. */
void weft__labels_add(struct weft__labels *labels, const char *name, const char *value);
void weft__labels_add_number(struct weft__labels *labels, const char *name, uint64_t value);

/** Add a sample. Where a family has one with the same labels, both are added up. `labels` may be
 * NULL. */
void weft__metrics_number(struct weft__metrics *to, const struct weft__family *family,
                          const struct weft__labels *labels, uint64_t value);
void weft__metrics_time(struct weft__metrics *to, const struct weft__family *family,
                        const struct weft__labels *labels, weft_ns value);
void weft__metrics_times(struct weft__metrics *to, const struct weft__family *family,
                         const struct weft__labels *labels, const struct weft__sum *sum);

/** Those of the process and of its loops: core/inspect/process_metrics.c, load_metrics.c. */
void weft__process_measure(struct weft__metrics *to);
void weft__load_measure(weft_loop *loop, struct weft__metrics *to);

/** All there are, as text; its status is 0 or an error. */
void weft__metrics_collect(struct weft__text *to);

#endif
