/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

enum { FIRST_ROOM = 1024 };

static size_t hash(const struct row *row)
{
    uint64_t hash = (uint64_t)row->window * 0x9e3779b97f4a7c15u;
    for (const char *c = row->sensor; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return (size_t)(hash ^ (hash >> 29));
}

/* The slot of that window and sensor, or the free one where it belongs. */
static struct row *find(const struct rows *rows, const struct row *row)
{
    for (size_t i = hash(row);; i++) {
        struct row *slot = &rows->slots[i & (rows->room - 1)];
        if (!slot->count || (slot->window == row->window && strcmp(slot->sensor, row->sensor) == 0))
            return slot;
    }
}

static int grow(struct rows *rows)
{
    struct rows larger = {.count = rows->count, .room = rows->room ? rows->room * 2 : FIRST_ROOM};
    larger.slots = calloc(larger.room, sizeof(*larger.slots));
    if (!larger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < rows->room; i++) {
        if (rows->slots[i].count)
            *find(&larger, &rows->slots[i]) = rows->slots[i];
    }
    free(rows->slots);
    *rows = larger;
    return 0;
}

int rows_add(struct rows *rows, const struct row *row)
{
    if (rows->count * 2 >= rows->room && grow(rows) < 0)
        return -ENOMEM;
    struct row *slot = find(rows, row);
    if (!slot->count) {
        *slot = *row;
        rows->count++;
        return 0;
    }
    slot->count += row->count;
    slot->sum += row->sum;
    slot->min = row->min < slot->min ? row->min : slot->min;
    slot->max = row->max > slot->max ? row->max : slot->max;
    return 0;
}

static int in_order(const void *a, const void *b)
{
    const struct row *one = a;
    const struct row *other = b;
    if (one->window != other->window)
        return one->window < other->window ? -1 : 1;
    return strcmp(one->sensor, other->sensor);
}

int rows_take_before(struct rows *rows, int64_t window, struct row **ret, size_t *ret_count)
{
    struct rows rest = {0};
    struct row *taken = malloc((rows->count + 1) * sizeof(*taken));
    size_t count = 0;
    for (size_t i = 0; taken && i < rows->room; i++) {
        const struct row *row = &rows->slots[i];
        if (row->count && row->window < window) {
            taken[count++] = *row;
        } else if (row->count && rows_add(&rest, row) < 0) {
            free(taken);
            taken = NULL;
        }
    }
    if (!taken) {
        rows_fini(&rest);
        return -ENOMEM;
    }
    qsort(taken, count, sizeof(*taken), in_order);
    rows_fini(rows);
    *rows = rest;
    *ret = taken;
    *ret_count = count;
    return 0;
}

void rows_fini(struct rows *rows)
{
    free(rows->slots);
    *rows = (struct rows){0};
}
