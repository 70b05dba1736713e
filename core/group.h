/* SPDX-License-Identifier: MIT */
/* Group errors from the inside. See core/group.c. */
#ifndef WEFT_CORE_GROUP_H
#define WEFT_CORE_GROUP_H

#include <stddef.h>
#include <weft/group.h>

/** A new group with room for `capacity` failures, and one reference; NULL: out of memory. */
weft_errors *weft__errors_new(size_t capacity);

weft_errors *weft__errors_ref(weft_errors *errors);
void weft__errors_unref(weft_errors *errors); /* NULL is nothing */

/** Make room for `capacity` failures in all; 0 or -ENOMEM. */
int weft__errors_reserve(weft_errors *errors, size_t capacity);

/** Add a future that failed, marking it observed; takes a reference of its own. There must be room.
 */
void weft__errors_add(weft_errors *errors, weft_future *failed);

/** A failure that is not a future's. */
struct weft__failure {
    int status;
    char *message;            /* owned; may be NULL */
    weft_errors *nested;      /* a reference; NULL: it is no group */
    const char *name, *place; /* static; `place` may be NULL */
};

/** Add one; takes it over. There must be room. */
void weft__errors_add_failure(weft_errors *errors, struct weft__failure failure);

/** Free what it owns. */
void weft__failure_fini(struct weft__failure *failure);

/** The failures behind a future, also of one that is not done yet; NULL: none. */
weft_errors *weft__errors_of(const weft_future *future);

/**
 * A message that names the failures of a group: "2 of 5 failed: fetch at a.c:12: ECONNREFUSED; …".
 * From weft__malloc(); NULL: out of memory.
 */
char *weft__errors_text(const weft_errors *errors, size_t of);

/** Complete with WEFT_EGROUP and a message that names the failures, of `of` operations in all. */
void weft__complete_group(weft_future *future, weft_errors *errors, size_t of);

/** Let `to`, pending or done, have the failures behind `from`; out of memory, they are lost. */
void weft__errors_pass(weft_future *to, const weft_future *from);

/** Let a future have none. */
void weft__errors_drop(weft_future *future);

#endif
