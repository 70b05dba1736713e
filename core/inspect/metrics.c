/* SPDX-License-Identifier: MIT */
/*
 * Metrics: text of OpenMetrics 1.0, of all that is listed as a source.
 *
 * A family stands in one piece in that text, and its samples come from several sources: so they are
 * collected first, and written by family afterwards. Two samples of a family with the same labels
 * would make the whole text invalid. There can be such: a lane that nobody
 * holds any more but that has jobs, and a new one of its name. They are added up.
 *
 * Labels are bounded: by loops, pools, lanes, servers. None has a task's or a peer's name.
 *
 * A histogram is told with the same bounds everywhere, so that any can be added up, too. Counts are in
 * buckets of 1/16 of their duration (core/histogram.c): one in whose midst a bound lies counts above it. So
 * what is told as "at most" is, and up to 6.25 % of a bound below it may be told as above.
 *
 * Who writes takes no lock of a loop's, and waits for none.
 */
#include "core/inspect/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <weft/metrics.h>
#include <weft/version.h>

#include "core/inspect/json.h"
#include "core/inspect/source.h"
#include "core/memory.h"

/* As OpenMetrics wants numbers written. */
static const struct bound {
    weft_ns most;
    const char *text;
} bounds[] = {
    {100, "1e-07"},           {250, "2.5e-07"},          {500, "5e-07"},
    {WEFT_US(1), "1e-06"},    {2500, "2.5e-06"},         {WEFT_US(5), "5e-06"},
    {WEFT_US(10), "1e-05"},   {WEFT_US(25), "2.5e-05"},  {WEFT_US(50), "5e-05"},
    {WEFT_US(100), "0.0001"}, {WEFT_US(250), "0.00025"}, {WEFT_US(500), "0.0005"},
    {WEFT_MS(1), "0.001"},    {WEFT_US(2500), "0.0025"}, {WEFT_MS(5), "0.005"},
    {WEFT_MS(10), "0.01"},    {WEFT_MS(25), "0.025"},    {WEFT_MS(50), "0.05"},
    {WEFT_MS(100), "0.1"},    {WEFT_MS(250), "0.25"},    {WEFT_MS(500), "0.5"},
    {WEFT_S(1), "1.0"},       {WEFT_MS(2500), "2.5"},    {WEFT_S(5), "5.0"},
    {WEFT_S(10), "10.0"},
};

enum { BOUNDS = sizeof(bounds) / sizeof(*bounds) };

enum kind { NUMBER, TIME, TIMES };

struct sample {
    const struct weft__family *family;
    struct weft__labels labels;
    enum kind kind;
    bool is_written;
    uint64_t value;          /* NUMBER; TIMES: how many */
    weft_ns time;            /* TIME; TIMES: all of them */
    uint64_t within[BOUNDS]; /* TIMES */
};

struct weft__metrics {
    struct sample *samples;
    size_t count, room;
    int status; /* 0 or -ENOMEM */
};

/* ---- Labels ---- */

/* A piece of UTF-8 fits as a whole, with the quote behind it, or not at all. */
static bool add_piece(struct weft__labels *labels, const char *piece, size_t len)
{
    if (len + 2 > sizeof(labels->text) - labels->len)
        return false;
    memcpy(labels->text + labels->len, piece, len);
    labels->len += len;
    labels->text[labels->len] = '\0';
    return true;
}

static bool add_character(struct weft__labels *labels, const char **at)
{
    size_t len = weft__utf8_len(*at);
    const char *piece = *at;
    *at += len ? len : 1;
    switch (*piece) {
    case '"':
        return add_piece(labels, "\\\"", 2);
    case '\\':
        return add_piece(labels, "\\\\", 2);
    case '\n':
        return add_piece(labels, "\\n", 2);
    default:
        return add_piece(labels, len ? piece : "\xEF\xBF\xBD", len ? len : 3);
    }
}

void weft__labels_add(struct weft__labels *labels, const char *name, const char *value)
{
    char begin[64];
    int len = snprintf(begin, sizeof(begin), "%s%s=\"", labels->len ? "," : "", name);
    if (!add_piece(labels, begin, (size_t)len))
        return;
    while (*value && add_character(labels, &value))
        ;
    labels->text[labels->len++] = '"';
    labels->text[labels->len] = '\0';
}

void weft__labels_add_number(struct weft__labels *labels, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    weft__labels_add(labels, name, text);
}

/* ---- Collecting ---- */

static struct sample *find(struct weft__metrics *in, const struct weft__family *family,
                           const char *labels)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->samples[i].family == family && strcmp(in->samples[i].labels.text, labels) == 0)
            return &in->samples[i];
    return NULL;
}

/* The sample with these labels; NULL: out of memory. */
static struct sample *sample_of(struct weft__metrics *to, const struct weft__family *family,
                                const struct weft__labels *labels, enum kind kind)
{
    static const struct weft__labels none;
    if (!labels)
        labels = &none;
    struct sample *found = find(to, family, labels->text);
    if (found)
        return found;
    if (to->count == to->room) {
        size_t room = to->room ? 2 * to->room : 64;
        struct sample *samples = weft__realloc(to->samples, room * sizeof(*samples));
        if (!samples) {
            to->status = -ENOMEM;
            return NULL;
        }
        to->samples = samples;
        to->room = room;
    }
    struct sample *sample = &to->samples[to->count++];
    *sample = (struct sample){.family = family, .labels = *labels, .kind = kind};
    return sample;
}

void weft__metrics_number(struct weft__metrics *to, const struct weft__family *family,
                          const struct weft__labels *labels, uint64_t value)
{
    struct sample *sample = sample_of(to, family, labels, NUMBER);
    if (sample)
        sample->value += value;
}

void weft__metrics_time(struct weft__metrics *to, const struct weft__family *family,
                        const struct weft__labels *labels, weft_ns value)
{
    struct sample *sample = sample_of(to, family, labels, TIME);
    if (sample)
        sample->time += value;
}

void weft__metrics_times(struct weft__metrics *to, const struct weft__family *family,
                         const struct weft__labels *labels, const struct weft__sum *sum)
{
    struct sample *sample = sample_of(to, family, labels, TIMES);
    if (!sample)
        return;
    uint64_t count = 0;
    size_t bound = 0;
    for (unsigned i = 0; i < WEFT__BUCKETS; i++) {
        for (; bound < BOUNDS && weft__bucket_end(i) > bounds[bound].most; bound++)
            sample->within[bound] += count;
        count += sum->counts[i];
    }
    for (; bound < BOUNDS; bound++)
        sample->within[bound] += count;
    sample->value += count;
    sample->time += weft__sum_total(sum);
}

/* ---- Writing ---- */

static void write_family(const struct weft__family *family, struct weft__text *to)
{
    static const char *const types[] = {[WEFT__COUNTER] = "counter",
                                        [WEFT__GAUGE] = "gauge",
                                        [WEFT__HISTOGRAM] = "histogram",
                                        [WEFT__INFO] = "info"};
    weft__text_add(to, "# TYPE %s %s\n", family->name, types[family->type]);
    if (family->unit)
        weft__text_add(to, "# UNIT %s %s\n", family->name, family->unit);
    weft__text_add(to, "# HELP %s %s\n", family->name, family->help);
}

/* Formats would take most of the time. */
static void add(struct weft__text *to, const char *text)
{
    weft__text_add_bytes(to, text, strlen(text));
}

static void write_name(const struct sample *sample, const char *suffix, const char *bound,
                       struct weft__text *to)
{
    const struct weft__labels *labels = &sample->labels;
    add(to, sample->family->name);
    add(to, suffix);
    if (bound || labels->len)
        add(to, "{");
    weft__text_add_bytes(to, labels->text, labels->len);
    if (bound) {
        add(to, labels->len ? ",le=\"" : "le=\"");
        add(to, bound);
        add(to, "\"");
    }
    add(to, bound || labels->len ? "} " : " ");
}

static void write_number(struct weft__text *to, uint64_t value)
{
    char text[24], *at = text + sizeof(text);
    *--at = '\n';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    weft__text_add_bytes(to, at, (size_t)(text + sizeof(text) - at));
}

static void write_seconds(struct weft__text *to, weft_ns time)
{
    weft__text_add(to, "%" PRId64 ".%09" PRId64 "\n", time / WEFT_S(1), time % WEFT_S(1));
}

static void write_times(const struct sample *sample, struct weft__text *to)
{
    for (size_t i = 0; i < BOUNDS; i++) {
        write_name(sample, "_bucket", bounds[i].text, to);
        write_number(to, sample->within[i]);
    }
    write_name(sample, "_bucket", "+Inf", to);
    write_number(to, sample->value);
    write_name(sample, "_sum", NULL, to);
    write_seconds(to, sample->time);
    write_name(sample, "_count", NULL, to);
    write_number(to, sample->value);
}

static void write_sample(const struct sample *sample, struct weft__text *to)
{
    static const char *const suffixes[] = {[WEFT__COUNTER] = "_total",
                                           [WEFT__GAUGE] = "",
                                           [WEFT__HISTOGRAM] = "",
                                           [WEFT__INFO] = "_info"};
    if (sample->kind == TIMES) {
        write_times(sample, to);
        return;
    }
    write_name(sample, suffixes[sample->family->type], NULL, to);
    if (sample->kind == TIME)
        write_seconds(to, sample->time);
    else
        write_number(to, sample->value);
}

static void write_all(struct weft__metrics *from, struct weft__text *to)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct weft__family *family = from->samples[i].family;
        if (from->samples[i].is_written)
            continue;
        write_family(family, to);
        for (size_t j = i; j < from->count; j++) {
            struct sample *sample = &from->samples[j];
            if (sample->family != family)
                continue;
            write_sample(sample, to);
            sample->is_written = true;
        }
    }
    weft__text_add(to, "# EOF\n");
}

/* ---- All of them ---- */

static void measure(void *arg, struct weft__source *source)
{
    if (source->ops->measure)
        source->ops->measure(source, arg);
}

static void measure_version(struct weft__metrics *to)
{
    static const struct weft__family family = {"weft_build", WEFT__INFO, NULL,
                                               "The version of weft."};
    struct weft__labels labels = {.len = 0};
    weft__labels_add(&labels, "version", weft_version());
    weft__metrics_number(to, &family, &labels, 1);
}

void weft__metrics_collect(struct weft__text *to)
{
    struct weft__metrics metrics = {.count = 0};
    measure_version(&metrics);
    weft__sources_each(measure, &metrics);
    weft__process_measure(&metrics);
    write_all(&metrics, to);
    weft__free(metrics.samples);
    if (metrics.status < 0 && to->status == 0)
        to->status = metrics.status;
}

int weft_metrics_write(char *buffer, size_t size, size_t *ret_len)
{
    struct weft__text text = {0};
    if (!ret_len || (!buffer && size))
        return -EINVAL;
    weft__metrics_collect(&text);
    int status = text.status;
    if (status == 0) {
        *ret_len = text.len;
        if (text.len < size)
            memcpy(buffer, text.data, text.len + 1);
        else
            status = -ENOSPC;
    }
    weft__text_fini(&text);
    return status;
}
