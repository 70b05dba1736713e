/* SPDX-License-Identifier: MIT */
/*
 * Percentiles need to know how many values there were of which size. An octave of them (1 to 2, 2 to 4 …)
 * has 16 cells of the same width, so that a value is known by its cell to 1/32 of itself. A digest has at
 * most 128 cells, 8 octaves of values. When there are more, neighbours become one, all over: the
 * resolution is halved, and two digests can still be added up.
 *
 *     place     0, 1, 2 … from the smallest number on: octave * 16 + the sixteenth within it
 *     key       0 for 0; for a value more than 0 its place, halved so often, and 1; less than 0: that, negated
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analytics.h"

enum {
    PARTS = 16,          /* of an octave */
    LEAST_OCTAVE = -128, /* what is smaller counts as of this one */
    MOST_OCTAVE = 512,
    MOST_PLACE = (MOST_OCTAVE - LEAST_OCTAVE) * PARTS + PARTS - 1,
    MOST_HALVED = 14 /* then they all are one */
};

/* ---- Keys ---- */

static int place_of(double size)
{
    int octave;
    double fraction = frexp(size, &octave); /* 0.5 … 1 */
    if (octave < LEAST_OCTAVE)
        return 0;
    if (octave > MOST_OCTAVE)
        octave = MOST_OCTAVE;
    return (octave - LEAST_OCTAVE) * PARTS + (int)((fraction * 2 - 1) * (double)PARTS);
}

static double least_at(int place)
{
    double fraction = 0.5 * (1 + (double)(place % PARTS) / (double)PARTS);
    return ldexp(fraction, place / PARTS + LEAST_OCTAVE);
}

static int16_t key_of(double value, int halved)
{
    int key = value == 0 ? 0 : (place_of(fabs(value)) >> halved) + 1;
    return (int16_t)(value < 0 ? -key : key);
}

/* The middle of what a key stands for. */
static double value_of(int16_t key, int halved)
{
    if (key == 0)
        return 0;
    int from = (abs(key) - 1) << halved;
    double middle = (least_at(from) + least_at(from + (1 << halved))) / 2;
    return key < 0 ? -middle : middle;
}

static int16_t halve(int16_t key)
{
    int half = key == 0 ? 0 : ((abs(key) - 1) >> 1) + 1;
    return (int16_t)(key < 0 ? -half : half);
}

/* ---- Digests ---- */

static uint32_t sum_of(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void coarsen(struct digest *digest)
{
    unsigned char len = 0;
    for (unsigned i = 0; i < digest->len; i++) {
        struct cell cell = {digest->cells[i].count, halve(digest->cells[i].key)};
        if (len && digest->cells[len - 1].key == cell.key)
            digest->cells[len - 1].count = sum_of(digest->cells[len - 1].count, cell.count);
        else
            digest->cells[len++] = cell;
    }
    digest->len = len;
    digest->halved++;
}

static bool grow(struct digest *digest)
{
    unsigned room = digest->room ? 2u * digest->room : 4;
    struct cell *cells = realloc(digest->cells, room * sizeof(*cells));
    if (!cells)
        return false;
    digest->cells = cells;
    digest->room = (unsigned char)room;
    return true;
}

/* Where the key is, or belongs. */
static unsigned find(const struct digest *digest, int16_t key)
{
    unsigned low = 0, high = digest->len;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (digest->cells[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Count a key of this digest's resolution. False: out of memory. */
static bool count_key(struct digest *digest, int16_t key, uint32_t count)
{
    unsigned at = find(digest, key);
    while (!(at < digest->len && digest->cells[at].key == key) && digest->len == MOST_CELLS) {
        coarsen(digest);
        key = halve(key);
        at = find(digest, key);
    }
    if (at < digest->len && digest->cells[at].key == key) {
        digest->cells[at].count = sum_of(digest->cells[at].count, count);
        return true;
    }
    if (digest->len == digest->room && !grow(digest))
        return false;
    memmove(&digest->cells[at + 1], &digest->cells[at], (digest->len - at) * sizeof(struct cell));
    digest->cells[at] = (struct cell){count, key};
    digest->len++;
    return true;
}

static void merge(struct digest *into, const struct digest *from)
{
    while (into->halved < from->halved)
        coarsen(into);
    for (unsigned i = 0; i < from->len; i++) {
        int16_t key = from->cells[i].key;
        for (unsigned halved = from->halved; halved < into->halved; halved++)
            key = halve(key); /* it may become coarser on the way */
        count_key(into, key, from->cells[i].count);
    }
}

/* ---- On the disk: how often it was halved; then key and count of each cell, low byte first ---- */

size_t digest_store(const struct digest *digest, unsigned char bytes[MOST_DIGEST])
{
    size_t len = 0;
    bytes[len++] = digest->halved;
    for (unsigned i = 0; i < digest->len; i++) {
        const struct cell *cell = &digest->cells[i];
        for (int byte = 0; byte < 2; byte++)
            bytes[len++] = (unsigned char)((uint16_t)cell->key >> 8 * byte);
        for (int byte = 0; byte < 4; byte++)
            bytes[len++] = (unsigned char)(cell->count >> 8 * byte);
    }
    return len;
}

bool digest_load(struct digest *ret, const unsigned char *bytes, size_t len)
{
    if (len < 1 || len > MOST_DIGEST || len % 6 != 1 || bytes[0] > MOST_HALVED)
        return false;
    ret->halved = bytes[0];
    for (const unsigned char *at = bytes + 1; at < bytes + len; at += 6) {
        int16_t key = (int16_t)(at[0] | at[1] << 8);
        uint32_t count =
            at[2] | (uint32_t)at[3] << 8 | (uint32_t)at[4] << 16 | (uint32_t)at[5] << 24;
        bool sorted = !ret->len || ret->cells[ret->len - 1].key < key;
        if (!sorted || abs(key) > (MOST_PLACE >> ret->halved) + 1)
            return false;
        if (!count_key(ret, key, count))
            return false;
    }
    return true;
}

/* ---- Summaries ---- */

void summary_add(struct summary *summary, double value)
{
    summary->min = summary->count && summary->min < value ? summary->min : value;
    summary->max = summary->count && summary->max > value ? summary->max : value;
    summary->count++;
    summary->sum += value;
    count_key(&summary->digest, key_of(value, summary->digest.halved), 1);
}

void summary_merge(struct summary *into, const struct summary *from)
{
    if (!from->count)
        return;
    into->min = into->count && into->min < from->min ? into->min : from->min;
    into->max = into->count && into->max > from->max ? into->max : from->max;
    into->count += from->count;
    into->sum += from->sum;
    merge(&into->digest, &from->digest);
}

static double within(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

double summary_percentile(const struct summary *summary, double part)
{
    const struct digest *digest = &summary->digest;
    uint64_t all = 0, below = 0;
    unsigned i = 0;
    for (unsigned cell = 0; cell < digest->len; cell++)
        all += digest->cells[cell].count;
    if (!all)
        return summary->max;
    double rank = ceil(part * (double)all);
    while (i + 1u < digest->len && (double)(below += digest->cells[i].count) < rank)
        i++;
    return within(value_of(digest->cells[i].key, digest->halved), summary->min, summary->max);
}

void summary_clear(struct summary *summary)
{
    struct digest digest = {.cells = summary->digest.cells, .room = summary->digest.room};
    *summary = (struct summary){.digest = digest};
}

void summary_fini(struct summary *summary)
{
    free(summary->digest.cells);
    *summary = (struct summary){0};
}

void summary_write(const struct summary *summary, struct text *out)
{
    static const struct {
        const char *name;
        double part;
    } percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}};
    text_addf(out, "\"count\":%llu", (unsigned long long)summary->count);
    if (!summary->count)
        return;
    text_addf(out, ",\"sum\":");
    text_add_number(out, summary->sum);
    text_addf(out, ",\"min\":");
    text_add_number(out, summary->min);
    text_addf(out, ",\"max\":");
    text_add_number(out, summary->max);
    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
        text_addf(out, ",\"%s\":", percentiles[i].name);
        text_add_number(out, summary_percentile(summary, percentiles[i].part));
    }
}
