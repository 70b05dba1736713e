/* SPDX-License-Identifier: MIT */
/*
 * Results: how each of several futures ended.
 *
 * The same future may stand in several places. The first one takes its value; the others borrow it,
 * which needs no search: a future whose value was taken remembers by whom. Results are told apart by
 * a number that is never used again, since the memory of freed ones may be.
 *
 * Failure modes: no memory for a message (it is lost, the status is not); a value that somebody else
 * took (-EALREADY).
 */
#include "core/results.h"

#include "core/grant.h"
#include "core/many.h"
#include "core/memory.h"

struct entry {
    int status;
    weft_value value;
    weft_destructor *destructor;
    char *message; /* owned */
};

struct weft_results {
    size_t count;    /* [const] */
    uintptr_t taker; /* [const] who these are, for weft__take_for() */
    bool has_grants; /* some of the values stand for what was granted: core/grant.h */
    struct entry entries[];
};

static _Thread_local uintptr_t last_taker;

weft_results *weft__results_new(size_t count)
{
    size_t size = weft__room_for(sizeof(weft_results), count, sizeof(struct entry));
    weft_results *results = size ? weft__calloc(1, size) : NULL;
    if (!results)
        return NULL;
    results->count = count;
    results->taker = ++last_taker;
    return results;
}

int weft__results_note(weft_results *results, size_t index, weft_future *future)
{
    struct entry *entry = &results->entries[index];
    entry->status = weft__observe(future);
    if (entry->status >= 0)
        entry->status = weft__take_for(future, results->taker, &entry->value, &entry->destructor);
    if (entry->destructor == weft__give_back || entry->destructor == weft__free_results)
        results->has_grants = true;
    if (entry->status < 0)
        entry->message = weft__strdup(weft_message(future));
    return entry->status;
}

void weft__free_results(void *results)
{
    weft_results_free(results);
}

void weft__accept_results(weft_results *results)
{
    for (size_t i = 0; i < results->count && results->has_grants; i++) {
        struct entry *entry = &results->entries[i];
        struct weft__sync *granter = entry->value.ptr;
        if (entry->destructor == weft__free_results)
            weft__accept_results(entry->value.ptr);
        if (entry->destructor != weft__give_back)
            continue;
        entry->value = weft_value_i64(0);
        entry->destructor = NULL;
        weft__accept(granter);
    }
    results->has_grants = false;
}

void weft__complete_results(weft_future *future, weft_results *results)
{
    weft__complete(future, weft_value_ptr(results), weft__free_results);
}

/* ---- Looking ---- */

size_t weft_results_count(const weft_results *results)
{
    return results->count;
}

int weft_results_status(const weft_results *results, size_t index)
{
    return index < results->count ? results->entries[index].status : -ERANGE;
}

weft_value weft_results_value(const weft_results *results, size_t index)
{
    return index < results->count ? results->entries[index].value : weft_value_i64(0);
}

const char *weft_results_message(const weft_results *results, size_t index)
{
    return index < results->count ? results->entries[index].message : NULL;
}

weft_value weft_results_take(weft_results *results, size_t index)
{
    weft_value value = weft_results_value(results, index);
    if (index < results->count && results->entries[index].destructor) {
        results->entries[index].value = weft_value_i64(0);
        results->entries[index].destructor = NULL;
    }
    return value;
}

void weft_results_free(weft_results *results)
{
    if (!results)
        return;
    for (size_t i = 0; i < results->count; i++) {
        if (results->entries[i].destructor)
            results->entries[i].destructor(results->entries[i].value.ptr);
        weft__free(results->entries[i].message);
    }
    weft__free(results);
}
