/* SPDX-License-Identifier: MIT */
/*
 * Somebody who looks: preloaded into weft's programs by harness/cost.py, and told by LOOK_ at what.
 *
 *     LOOK_=metrics    the metrics are written ten times a second, as by as many Prometheus servers
 *     LOOK_=trace      a trace goes on
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft/metrics.h>
#include <weft/trace.h>

#define PERIOD_NS 100000000L

static void *scrape(void *arg)
{
    static char text[1 << 20];
    struct timespec period = {.tv_nsec = PERIOD_NS};
    (void)arg;
    for (;;) {
        size_t len;
        if (weft_metrics_write(text, sizeof(text), &len) < 0)
            abort();
        nanosleep(&period, NULL);
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    const char *look = getenv("LOOK_");
    pthread_t thread;
    if (!look)
        return;
    if (strcmp(look, "metrics") == 0 && pthread_create(&thread, NULL, scrape, NULL) != 0)
        abort();
    if (strcmp(look, "trace") == 0 && weft_trace_start(NULL) < 0)
        abort();
}
