/* SPDX-License-Identifier: MIT */
/*
 * Group errors: the failures behind a WEFT_EGROUP.
 *
 * A group keeps a reference to each future that failed, so that status, message, name, place and the
 * groups within are that future's own and nothing is copied. A failure that is not a future's (the
 * body of a scope, a task that could not be made) is an entry with texts of its own.
 *
 * The future that fails with the group has it in its cold part. An await that passes the failure on
 * passes on a reference, so that all who see the WEFT_EGROUP can look behind it.
 *
 * Room is made before it is needed: to note a failure never fails. Without memory for the cold part
 * or the message these are lost, the status is not.
 */
#include "core/group.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/cold.h"
#include "core/memory.h"
#include "core/thread.h"

/* As many failures are named in a message. */
enum { MAX_NAMED = 16 };

struct entry {
    weft_future *future; /* a reference; NULL: the failure is below */
    struct weft__failure failure;
};

/* All fields are [loop]. */
struct weft_errors {
    unsigned refs;
    size_t count, capacity;
    struct entry *entries;
};

weft_errors *weft__errors_new(size_t capacity)
{
    weft_errors *errors = weft__calloc(1, sizeof(*errors));
    if (!errors)
        return NULL;
    errors->refs = 1;
    if (weft__errors_reserve(errors, capacity) < 0) {
        weft__free(errors);
        return NULL;
    }
    return errors;
}

weft_errors *weft__errors_ref(weft_errors *errors)
{
    errors->refs++;
    return errors;
}

void weft__errors_unref(weft_errors *errors)
{
    if (!errors || --errors->refs > 0)
        return;
    for (size_t i = 0; i < errors->count; i++) {
        weft_unref(errors->entries[i].future);
        weft__failure_fini(&errors->entries[i].failure);
    }
    weft__free(errors->entries);
    weft__free(errors);
}

int weft__errors_reserve(weft_errors *errors, size_t capacity)
{
    if (capacity <= errors->capacity)
        return 0;
    if (capacity < 2 * errors->capacity)
        capacity = 2 * errors->capacity;
    if (capacity > SIZE_MAX / sizeof(struct entry))
        return -ENOMEM;
    struct entry *entries = weft__realloc(errors->entries, capacity * sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    errors->entries = entries;
    errors->capacity = capacity;
    return 0;
}

static struct entry *add(weft_errors *errors)
{
    assert(errors->count < errors->capacity);
    return &errors->entries[errors->count++];
}

void weft__errors_add(weft_errors *errors, weft_future *failed)
{
    weft__observe(failed);
    *add(errors) = (struct entry){.future = weft_ref(failed)};
}

void weft__errors_add_failure(weft_errors *errors, struct weft__failure failure)
{
    *add(errors) = (struct entry){.failure = failure};
}

void weft__failure_fini(struct weft__failure *failure)
{
    weft__free(failure->message);
    weft__errors_unref(failure->nested);
}

/* ---- Looking ---- */

static const struct entry *entry_of(const weft_errors *errors, size_t index)
{
    return errors && index < errors->count ? &errors->entries[index] : NULL;
}

size_t weft_errors_count(const weft_errors *errors)
{
    return errors ? errors->count : 0;
}

int weft_errors_status(const weft_errors *errors, size_t index)
{
    const struct entry *entry = entry_of(errors, index);
    if (!entry)
        return -ERANGE;
    return entry->future ? entry->future->status : entry->failure.status;
}

const char *weft_errors_message(const weft_errors *errors, size_t index)
{
    const struct entry *entry = entry_of(errors, index);
    if (!entry)
        return NULL;
    return entry->future ? weft_message(entry->future) : entry->failure.message;
}

const char *weft_errors_name(const weft_errors *errors, size_t index)
{
    const struct entry *entry = entry_of(errors, index);
    if (!entry)
        return NULL;
    return entry->future ? weft_task_name(entry->future) : entry->failure.name;
}

const char *weft_errors_spawned_at(const weft_errors *errors, size_t index)
{
    const struct entry *entry = entry_of(errors, index);
    if (!entry)
        return NULL;
    return entry->future ? weft_task_spawned_at(entry->future) : entry->failure.place;
}

const weft_errors *weft_errors_nested(const weft_errors *errors, size_t index)
{
    const struct entry *entry = entry_of(errors, index);
    if (!entry)
        return NULL;
    return entry->future ? weft_future_errors(entry->future) : entry->failure.nested;
}

bool weft_errors_has(const weft_errors *errors, int status)
{
    for (size_t i = 0; i < weft_errors_count(errors); i++) {
        if (weft_errors_status(errors, i) == status ||
            weft_errors_has(weft_errors_nested(errors, i), status))
            return true;
    }
    return false;
}

/* ---- The message ---- */

/* Written twice: first only measured, into no room at all. */
struct text {
    char *at;
    size_t size, length;
};

static WEFT_PRINTF(2, 3) void put(struct text *text, const char *format, ...)
{
    va_list args;
    size_t room = text->size > text->length ? text->size - text->length : 0;
    va_start(args, format);
    int length = vsnprintf(room ? text->at + text->length : NULL, room, format, args);
    va_end(args);
    text->length += length > 0 ? (size_t)length : 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void put_entry(struct text *text, const weft_errors *errors, size_t index)
{
    const char *place = weft_errors_spawned_at(errors, index);
    const char *message = weft_errors_message(errors, index);
    put(text, "%s%s", index ? "; " : "", weft_errors_name(errors, index));
    if (place)
        put(text, " at %s", base_name(place));
    put(text, ": %s", weft_error_name(weft_errors_status(errors, index)));
    if (message)
        put(text, ": %s", message);
}

static void put_all(struct text *text, const weft_errors *errors, size_t of)
{
    size_t named = errors->count < MAX_NAMED ? errors->count : MAX_NAMED;
    put(text, "%zu of %zu failed: ", errors->count, of);
    for (size_t i = 0; i < named; i++)
        put_entry(text, errors, i);
    if (named < errors->count)
        put(text, "; and %zu more", errors->count - named);
}

char *weft__errors_text(const weft_errors *errors, size_t of)
{
    struct text text = {0};
    put_all(&text, errors, of);
    text.size = text.length + 1;
    text.length = 0;
    text.at = weft__malloc(text.size);
    if (text.at)
        put_all(&text, errors, of);
    return text.at;
}

/* ---- Of a future ---- */

const weft_errors *weft_future_errors(const weft_future *future)
{
    if (future && WEFT__ELSEWHERE(future->loop_id))
        return NULL;
    return future && !weft__is_pending(future) ? weft__errors_of(future) : NULL;
}

static void attach(weft_future *future, weft_errors *errors)
{
    struct weft__cold *cold = weft__cold_make(future);
    if (!cold)
        return;
    weft__errors_ref(errors);
    weft__errors_unref(cold->errors);
    cold->errors = errors;
}

void weft__complete_group(weft_future *future, weft_errors *errors, size_t of)
{
    attach(future, errors);
    weft__complete_failed(future, WEFT_EGROUP, weft__errors_text(errors, of));
}

weft_errors *weft__errors_of(const weft_future *future)
{
    const struct weft__cold *cold = weft__cold(future);
    return cold ? cold->errors : NULL;
}

void weft__errors_pass(weft_future *to, const weft_future *from)
{
    weft_errors *errors = weft__errors_of(from);
    if (errors)
        attach(to, errors);
}

void weft__errors_drop(weft_future *future)
{
    struct weft__cold *cold = weft__cold(future);
    if (!cold)
        return;
    weft__errors_unref(cold->errors);
    cold->errors = NULL;
}
