/* SPDX-License-Identifier: MIT */
/*
 * Contexts: immutable maps from keys to values, shared by counting references.
 *
 * A context is an array of bindings, looked through from end to end: there are a few keys in a
 * program. To set a key makes a new array that shares the other bindings; who holds the old one
 * keeps it. A chain of "this key, and all else as in that context" would be cheaper to set, but a
 * task that sets a key for each request it serves would hold all the values there ever were.
 *
 * NULL is the empty context, so that a program without keys pays for a comparison here and there.
 *
 * Which one is current: that in the place where who runs now keeps its reference. A callback or a job
 * points `weft__context_at` to a variable of its runner's; while that is NULL, it is a field of the task
 * that runs (a call has its task's), or of the loop. So a task's step has nothing to enter, setting a
 * key replaces the reference in its place, and nothing has to be copied back.
 *
 * Contexts and bindings pass between threads (with a job, a post), hence the atomic counts; they are
 * written before they are shared only. Whoever drops the last reference runs the destructors, on its
 * thread, after the context has been taken out of every place: a destructor may use weft.
 *
 * Failure modes: no memory to set a key (the context stays as it is, the value is destroyed); no
 * place to set one in (a thread without a loop, outside of a job).
 */
#include "core/context.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "core/loop.h"
#include "core/memory.h"
#include "core/task.h"

struct binding {
    atomic_size_t refs;          /* [atomic] the last decrement acquires what the others released */
    const weft_context_key *key; /* [const] */
    weft_value value;            /* [const] */
};

struct weft_context {
    atomic_size_t refs;         /* [atomic] as above */
    size_t count;               /* [const] */
    struct binding *bindings[]; /* [const] a reference each */
};

_Thread_local weft_context **weft__context_at __attribute__((tls_model("initial-exec")));

static weft_context **current(void)
{
    weft_loop *loop = weft__loop;
    if (weft__context_at || !loop)
        return weft__context_at;
    return loop->current ? &weft__identity(loop->current)->as.context : &loop->context;
}

/* ---- References ---- */

weft_context *weft_context_ref(weft_context *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

static struct binding *ref_binding(struct binding *binding)
{
    atomic_fetch_add_explicit(&binding->refs, 1, memory_order_relaxed);
    return binding;
}

static void unref_binding(struct binding *binding)
{
    if (atomic_fetch_sub_explicit(&binding->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (binding->key->destructor)
        binding->key->destructor(binding->value.ptr);
    weft__free(binding);
}

void weft_context_unref(weft_context *context)
{
    if (!context || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < context->count; i++)
        unref_binding(context->bindings[i]);
    weft__free(context);
}

/* ---- Keys ---- */

static struct binding *find(const weft_context *context, const weft_context_key *key)
{
    for (size_t i = 0; context && i < context->count; i++)
        if (context->bindings[i]->key == key)
            return context->bindings[i];
    return NULL;
}

/* A context as `old`, but without `key`, and with room for one more; NULL: out of memory. */
static weft_context *copy_without(const weft_context *old, const weft_context_key *key)
{
    size_t count = old ? old->count : 0;
    weft_context *copy = weft__malloc(sizeof(*copy) + (count + 1) * sizeof(struct binding *));
    if (!copy)
        return NULL;
    atomic_init(&copy->refs, 1);
    copy->count = 0;
    for (size_t i = 0; i < count; i++)
        if (old->bindings[i]->key != key)
            copy->bindings[copy->count++] = ref_binding(old->bindings[i]);
    return copy;
}

static void replace(weft_context **slot, weft_context *context)
{
    weft_context *old = *slot;
    *slot = context;
    weft_context_unref(old);
}

static int add_binding(weft_context **slot, const weft_context_key *key, weft_value value)
{
    struct binding *binding = weft__malloc(sizeof(*binding));
    weft_context *context = binding ? copy_without(*slot, key) : NULL;
    if (!context) {
        weft__free(binding);
        return -ENOMEM;
    }
    atomic_init(&binding->refs, 1);
    binding->key = key;
    binding->value = value;
    context->bindings[context->count++] = binding;
    replace(slot, context);
    return 0;
}

int weft__context_set(const weft_context_key *key, weft_value value)
{
    weft_context **slot = current();
    int status = slot ? add_binding(slot, key, value) : WEFT_ENOLOOP;
    if (status < 0 && key->destructor)
        key->destructor(value.ptr);
    return status;
}

int weft__context_unset(const weft_context_key *key)
{
    weft_context **slot = current();
    weft_context *context = NULL;
    if (!slot || !find(*slot, key))
        return 0;
    if ((*slot)->count > 1 && !(context = copy_without(*slot, key)))
        return -ENOMEM;
    replace(slot, context);
    return 0;
}

weft_value weft__context_get(const weft_context *context, const weft_context_key *key)
{
    const struct binding *binding = find(context, key);
    return binding ? binding->value : weft_value_i64(0);
}

bool weft__context_is_set(const weft_context *context, const weft_context_key *key)
{
    return find(context, key);
}

/* ---- The current one ---- */

void weft__context_return_to(weft_context *context)
{
    weft_context **slot = current();
    if (slot)
        replace(slot, context);
    else
        weft_context_unref(context);
}

weft_context *weft__context(void)
{
    weft_context **slot = current();
    return slot ? *slot : NULL;
}

const weft_context *weft__context_borrow(void)
{
    return weft__context();
}

weft_context *weft_context_current(void)
{
    return weft_context_ref(weft__context());
}

void weft_context_run(weft_context *context, weft_call_fn *fn, void *arg)
{
    weft_context *own = weft_context_ref(context);
    weft_context **outer = weft__context_enter(&own);
    fn(arg);
    weft__context_leave(outer);
    weft_context_unref(own);
}
