/* SPDX-License-Identifier: MIT */
/* Scopes from the inside. See core/scope.c for the scope, core/scope_child.c for its children. */
#ifndef WEFT_CORE_SCOPE_H
#define WEFT_CORE_SCOPE_H

#include <weft/scope.h>

#include "core/block.h"
#include "core/group.h"
#include "core/thread.h"

enum weft__scope_state { WEFT__SCOPE_OPEN, WEFT__SCOPE_CLOSING, WEFT__SCOPE_CLOSED };

/* Failures that come without a child: the body's, and one for "no memory to start a child". */
enum { WEFT__SCOPE_OWN_FAILURES = 2 };

struct weft__child;

/* All fields are [loop]. */
struct weft_scope {
    weft_future future; /* first; done when CLOSED */
    weft__block block;  /* its coroutine is NULL when it has none (any more) */
    enum weft__scope_state state;
    bool forgets;                     /* [const] */
    bool aborted;                     /* every child was asked to stop */
    bool cancelled;                   /* it was by weft_scope_cancel() */
    bool timed_out;                   /* it was because the time was over */
    bool asked_body;                  /* the body was asked to stop */
    bool wait_cancelled;              /* somebody cancelled the wait */
    weft__item abort_item;            /* queued when that happens */
    bool lost_child;                  /* there was no memory to start one */
    struct weft__failure body;        /* how the body ended: its status may be 0 */
    size_t live, total;               /* children: that have not ended; that there ever were */
    struct weft__child *first, *last; /* those that have not ended, oldest first */
    struct weft__child *kept;         /* those that have */
    weft_errors *errors;
    weft_future *refused[2]; /* what is given for a child that is not taken; by state */
    char *name;              /* owned, or NULL */
    const char *place;       /* [const] where it was opened */
};

static inline bool weft__scope_is_elsewhere(const weft_scope *scope, const char *function)
{
    return scope && weft__is_elsewhere(scope->future.loop_id, function);
}

/** Of the block that a scope is in its coroutine. */
extern const struct weft__block_ops weft__scope_block_ops;

/** Ask every child to stop, and in OPEN the body; once. */
void weft__scope_abort(weft_scope *scope, const char *reason);

/** A child has ended: a scope that waited for the last one is CLOSED. */
void weft__scope_child_ended(weft_scope *scope);

/** Ask the children that have not ended to stop. */
void weft__scope_cancel_children(weft_scope *scope, const char *reason);

/** Show those that live, from the first one on, to who explains the scope: see core/inspect/eye.h. */
void weft__scope_explain_children(struct weft__eye *eye, const struct weft__child *first,
                                  size_t live);

/** Free the children that have ended. */
void weft__scope_free_children(weft_scope *scope);

#endif
