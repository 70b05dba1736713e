/* SPDX-License-Identifier: MIT */
/*
 * Sources: the list of all that can be looked at from outside, loops and pools, so that who looks needs to
 * know neither.
 *
 *     NOT LISTED --weft__source_add()--> LISTED --weft__source_remove()--> NOT LISTED
 *
 * Who looks at one pins it, and holds no lock meanwhile: looking takes long (a stack is read, a file of
 * debugging information), and calls operations that take locks of their own. Removing waits for the
 * pins. So what is LISTED and pinned is there, and its owner cannot be freed.
 *
 * Fork: in the child nobody looks, and nothing is listed; what goes on there is added anew. A source that
 * was listed in the parent is known by its generation.
 *
 * Lock order: `mu` is taken last, and nothing is called while it is held.
 */
#include "core/inspect/source.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "core/mutex.h"
#include "core/thread.h"

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unpinned = PTHREAD_COND_INITIALIZER;
static struct weft__source *sources; /* [mu] newest first */
static uint64_t last_serial;         /* [mu] */

static void before_fork(void)
{
    weft__lock(&mu);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&mu);
}

static void in_child(void)
{
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    sources = NULL;
    unpinned = fresh;
    pthread_mutex_unlock(&mu);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, in_parent, in_child);
}

static bool has_number(const struct weft__source *source, unsigned number)
{
    for (const struct weft__source *at = sources; at; at = at->next)
        if (at->number == number && at->ops == source->ops && at->name &&
            strcmp(at->name, source->name) == 0)
            return true;
    return false;
}

void weft__source_add(struct weft__source *source, const struct weft__source_ops *ops)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    source->ops = ops;
    source->pins = 0;
    source->generation = weft__generation;
    weft__lock(&mu);
    source->serial = ++last_serial;
    source->number = 1;
    while (source->name && has_number(source, source->number))
        source->number++;
    source->next = sources;
    source->at = &sources;
    if (sources)
        sources->at = &source->next;
    sources = source;
    pthread_mutex_unlock(&mu);
}

void weft__source_remove(struct weft__source *source)
{
    if (source->generation != weft__generation)
        return;
    weft__lock(&mu);
    if (source->at) {
        *source->at = source->next;
        if (source->next)
            source->next->at = source->at;
        source->at = NULL;
    }
    while (source->pins > 0)
        pthread_cond_wait(&unpinned, &mu);
    pthread_mutex_unlock(&mu);
}

/* The oldest one that is newer than this; NULL: there is none. */
static struct weft__source *pin_next(uint64_t serial)
{
    struct weft__source *found = NULL;
    weft__lock(&mu);
    for (struct weft__source *at = sources; at && at->serial > serial; at = at->next)
        found = at;
    if (found)
        found->pins++;
    pthread_mutex_unlock(&mu);
    return found;
}

static void unpin(struct weft__source *source)
{
    weft__lock(&mu);
    if (--source->pins == 0)
        pthread_cond_broadcast(&unpinned);
    pthread_mutex_unlock(&mu);
}

void weft__sources_each(void (*fn)(void *arg, struct weft__source *source), void *arg)
{
    struct weft__source *source;
    for (uint64_t serial = 0; (source = pin_next(serial)); unpin(source)) {
        serial = source->serial;
        fn(arg, source);
    }
}
