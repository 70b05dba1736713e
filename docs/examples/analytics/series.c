/* SPDX-License-Identifier: MIT */
/*
 * The series. An event counts in that of its name, and in one for each tag that it has besides: not in one for
 * each set of tags, of which there are many more. The table has a limit; what has no room is counted.
 *
 * A series knows each of the last 60 seconds, and so windows of up to a minute that end at any second. The
 * ring has room for some seconds more: the one that is not over, and those of clocks that are ahead.
 *
 * What is to be written is collected in parts, one for each series and roll-up. If the database is slow
 * they become many: beyond `most_parts`, a series that has one gets no other, but its last one becomes
 * longer. So there are never more parts than `most_parts` and one for each series, and no event is lost.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analytics.h"

int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* ---- The table ---- */

static uint64_t hash_of(const char *name, const char *tag)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    hash *= 1099511628211u;
    for (; *tag; tag++)
        hash = (hash ^ (unsigned char)*tag) * 1099511628211u;
    return hash ^ hash >> 32;
}

int table_init(struct table *table)
{
    table->room = 1024;
    while (table->room < table->limit)
        table->room *= 2;
    table->buckets = calloc(table->room, sizeof(struct series *));
    table->next_id = 1;
    return table->buckets ? 0 : -1;
}

static struct series *find(const struct table *table, uint64_t hash, const char *name,
                           const char *tag)
{
    struct series *series = table->buckets[hash & (table->room - 1)];
    while (series && (series->hash != hash || strcmp(series->name, name) != 0 ||
                      strcmp(series->tag, tag) != 0))
        series = series->next;
    return series;
}

struct series *table_find(const struct table *table, const char *name, const char *tag)
{
    return find(table, hash_of(name, tag), name, tag);
}

static struct series *add(struct table *table, uint64_t hash, const char *name, const char *tag)
{
    size_t name_size = strlen(name) + 1, tag_size = strlen(tag) + 1;
    struct series *series = calloc(1, sizeof(*series) + name_size + tag_size);
    if (!series)
        return NULL;
    memcpy(series->name, name, name_size);
    memcpy(series->name + name_size, tag, tag_size);
    series->tag = series->name + name_size;
    series->hash = hash;
    series->last = INT64_MIN;
    series->next = table->buckets[hash & (table->room - 1)];
    table->buckets[hash & (table->room - 1)] = series;
    series->preceding = table->last;
    if (table->last)
        table->last->following = series;
    else
        table->first = series;
    table->last = series;
    table->count++;
    return series;
}

struct series *table_add_stored(struct table *table, int64_t id, const char *name, const char *tag,
                                int64_t last)
{
    struct series *series = add(table, hash_of(name, tag), name, tag);
    if (!series)
        return NULL;
    series->id = id;
    series->stored = true;
    series->last = last;
    if (id >= table->next_id)
        table->next_id = id + 1;
    return series;
}

static void free_series(struct series *series)
{
    for (size_t i = 0; i < SECONDS; i++)
        summary_fini(&series->seconds[i].summary);
    free(series);
}

void table_remove(struct table *table, struct series *series)
{
    struct series **at = &table->buckets[series->hash & (table->room - 1)];
    while (*at != series)
        at = &(*at)->next;
    *at = series->next;
    *(series->preceding ? &series->preceding->following : &table->first) = series->following;
    *(series->following ? &series->following->preceding : &table->last) = series->preceding;
    table->count--;
    free_series(series);
}

void table_fini(struct table *table)
{
    parts_free(table_take(table));
    while (table->first) {
        struct series *series = table->first;
        table->first = series->following;
        free_series(series);
    }
    free(table->buckets);
    *table = (struct table){0};
}

/* ---- Parts ---- */

static int64_t floor_to(int64_t time, int64_t step)
{
    return time - time % step; /* times are not negative */
}

static struct part *new_part(struct table *table, struct series *series, int64_t time)
{
    struct part *part = calloc(1, sizeof(*part));
    if (!part)
        return NULL;
    *part = (struct part){.series = series, .time = time, .span = table->roll_up};
    part->next = table->parts;
    part->older = series->parts;
    table->parts = series->parts = part;
    table->part_count++;
    return part;
}

static void lengthen(struct part *part, int64_t time, int64_t span)
{
    int64_t end = part->time + part->span;
    end = end > time + span ? end : time + span;
    part->time = part->time < time ? part->time : time;
    part->span = end - part->time;
}

/* That of a time. NULL: out of memory. */
static struct part *part_at(struct table *table, struct series *series, int64_t time)
{
    int64_t begin = floor_to(time, table->roll_up);
    struct part *part = series->parts;
    while (part && (begin < part->time || begin >= part->time + part->span))
        part = part->older;
    if (part)
        return part;
    if (!series->parts || table->part_count < table->most_parts)
        return new_part(table, series, begin);
    lengthen(series->parts, begin, table->roll_up);
    table->merged++;
    return series->parts;
}

struct part *table_take(struct table *table)
{
    struct part *parts = table->parts;
    for (struct part *part = parts; part; part = part->next)
        part->series->parts = NULL;
    table->parts = NULL;
    table->part_count = 0;
    return parts;
}

void parts_free(struct part *parts)
{
    while (parts) {
        struct part *part = parts;
        parts = part->next;
        summary_fini(&part->summary);
        free(part);
    }
}

/* ---- Events ---- */

const char *table_refuses(const struct table *table, const struct event *event, int64_t now)
{
    if (event->time == NO_TIME)
        return NULL;
    if (event->time > now + AHEAD)
        return "its time is in the future";
    return event->time < now - table->keep ? "its time is too long ago" : NULL;
}

static void count_second(struct series *series, int64_t time, double value)
{
    struct second *second = &series->seconds[time % SECONDS];
    if (second->time > time)
        return; /* too old for the ring */
    if (second->time < time)
        summary_clear(&second->summary);
    second->time = time;
    summary_add(&second->summary, value);
}

static bool count_in(struct table *table, const char *name, const char *tag, int64_t time,
                     double value)
{
    uint64_t hash = hash_of(name, tag);
    struct series *series = find(table, hash, name, tag);
    if (!series && table->count < table->limit) {
        series = add(table, hash, name, tag);
        if (series)
            series->id = table->next_id++;
    }
    struct part *part = series ? part_at(table, series, time) : NULL;
    if (!part) {
        table->refused++;
        return false;
    }
    summary_add(&part->summary, value);
    count_second(series, time, value);
    if (series->last < time)
        series->last = time;
    return true;
}

bool table_count(struct table *table, const struct event *event, int64_t now)
{
    int64_t time = event->time == NO_TIME ? now : event->time;
    if (!count_in(table, event->name, "", time, event->value))
        return false;
    for (size_t i = 0; i < event->tag_count; i++)
        count_in(table, event->name, event->tags[i], time, event->value);
    table->events++;
    return true;
}

/* ---- Windows ---- */

const struct summary *series_second(const struct series *series, int64_t time)
{
    const struct second *second = &series->seconds[time % SECONDS];
    return second->time == time && second->summary.count ? &second->summary : NULL;
}

void series_window(const struct series *series, int64_t end, int64_t seconds, struct summary *ret)
{
    for (int64_t time = end - seconds; time < end; time++) {
        const struct summary *second = time < 0 ? NULL : series_second(series, time);
        if (second)
            summary_merge(ret, second);
    }
}
