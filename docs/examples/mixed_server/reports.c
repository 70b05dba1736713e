/* SPDX-License-Identifier: MIT */
/*
 * The watchdog calls on its own thread, while the loop is stuck: so what is kept has a lock. Of reports on the
 * same block the last one is kept.
 */
#define _GNU_SOURCE /* the C library beyond C11 */
#include "reports.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/watchdog.h>
#include <weft/weft.h>

enum { KEPT = 6 };

static struct {
    pthread_mutex_t mu;
    uint64_t count;
    struct kept {
        uint64_t serial;
        char *json; /* NULL: none */
    } kept[KEPT];   /* newest first */
} reports = {.mu = PTHREAD_MUTEX_INITIALIZER};

/* To be freed; NULL: out of memory. */
static char *text_of(const struct weft_blocked_report *report, enum weft_blocked_format format)
{
    int len = weft_blocked_write(report, format, NULL, 0);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (text && weft_blocked_write(report, format, text, (size_t)len + 1) < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void keep(uint64_t serial, char *json)
{
    pthread_mutex_lock(&reports.mu);
    size_t place = 0; /* where that one stands, or the one that goes */
    while (place < KEPT - 1 && reports.kept[place].serial != serial)
        place++;
    free(reports.kept[place].json);
    memmove(&reports.kept[1], &reports.kept[0], place * sizeof(struct kept));
    reports.kept[0] = (struct kept){serial, json};
    reports.count++;
    pthread_mutex_unlock(&reports.mu);
}

static void on_block(const struct weft_blocked_report *report, void *arg)
{
    (void)arg;
    char *text = text_of(report, WEFT_BLOCKED_TEXT), *json = text_of(report, WEFT_BLOCKED_JSON);
    if (text)
        fputs(text, stderr);
    free(text);
    if (json)
        keep(report->serial, json);
}

void reports_begin(void)
{
    weft_loop_set_block_handler(weft_loop_current(), on_block, NULL);
}

void reports_end(void)
{
    weft_loop_set_block_handler(weft_loop_current(), NULL, NULL);
    for (size_t i = 0; i < KEPT; i++)
        free(reports.kept[i].json);
    memset(reports.kept, 0, sizeof(reports.kept));
}

uint64_t reports_count(void)
{
    pthread_mutex_lock(&reports.mu);
    uint64_t count = reports.count;
    pthread_mutex_unlock(&reports.mu);
    return count;
}

char *reports_list(void)
{
    char *list = NULL;
    size_t len;
    FILE *out = open_memstream(&list, &len);
    if (!out)
        return NULL;
    putc('[', out);
    pthread_mutex_lock(&reports.mu);
    for (size_t i = 0; i < KEPT && reports.kept[i].json; i++)
        fprintf(out, "%s%s", i ? "," : "", reports.kept[i].json);
    pthread_mutex_unlock(&reports.mu);
    putc(']', out);
    if (fclose(out) == 0)
        return list;
    free(list);
    return NULL;
}
