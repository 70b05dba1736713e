/* SPDX-License-Identifier: MIT */
/*
 * Caller-owned jobs: a job in memory that its user provides, so that nothing is allocated to submit it.
 *
 *     IDLE --weft_job_submit()--> BUSY --over--> IDLE, and on_free() is called
 *       ^__________refused__________/
 *
 * The block holds what was said at weft_job_init(), then the job as it is everywhere else, future and
 * all. So the memory is in use as long as the future is: over means that the function has returned, or
 * will never be called, and the last reference to the future is gone. Both are known to the job
 * already; its memory is given back where another's would be freed.
 *
 * The state is the only thing that is looked at by a thread which does not hold the job. It is written
 * last: who sees IDLE sees all that was done before, and nothing is touched after that.
 *
 * Failure modes: submitted while BUSY (-EBUSY), without weft_job_init() (-EINVAL), and all those of a
 * job. A submission that is refused was never under way: the memory stays the caller's, who is not told.
 */
#include "pool/own.h"

#include <errno.h>
#include <stdatomic.h>

#include "pool/cancel.h"
#include "pool/job.h"

enum { MAGIC = 0x6a6f6221 };

/** At the beginning of a struct weft_job. */
struct weft__own {
    unsigned magic;               /* [const] MAGIC: it was initialized */
    atomic_bool busy;             /* [atomic] release when it becomes false, acquire to see that */
    const char *name;             /* [const] static */
    weft_result (*fn)(void *arg); /* [const] */
    void *arg;                    /* [const] borrowed */
    void (*on_free)(void *arg);   /* [const] NULL: nobody is told */
    _Alignas(max_align_t) unsigned char job[];
};

_Static_assert(sizeof(struct weft__own) + sizeof(struct weft__job) + sizeof(struct weft__control) +
                       sizeof(struct weft__sticky) <=
                   sizeof(struct weft_job),
               "there is no room for a job");
_Static_assert(_Alignof(struct weft_job) >= _Alignof(struct weft__job), "a job is not aligned");

struct weft__job *weft__own_room(struct weft__own *own, size_t size)
{
    return size <= sizeof(struct weft_job) - sizeof(*own) ? (void *)own->job : NULL;
}

void *weft__own_arg(const struct weft__own *own)
{
    return own->arg;
}

void weft__own_give_back(struct weft__own *own, bool tell)
{
    void (*on_free)(void *) = tell ? own->on_free : NULL;
    void *arg = own->arg;
    atomic_store_explicit(&own->busy, false, memory_order_release);
    if (on_free)
        on_free(arg);
}

void weft__job_init(struct weft_job *job, weft_result (*fn)(void *arg), void *arg,
                    void (*on_free)(void *arg), const char *name)
{
    struct weft__own *own = (void *)job;
    *own =
        (struct weft__own){.magic = MAGIC, .name = name, .fn = fn, .arg = arg, .on_free = on_free};
    atomic_init(&own->busy, false);
}

bool weft_job_is_idle(const struct weft_job *job)
{
    const struct weft__own *own = (const void *)job;
    return !atomic_load_explicit(&own->busy, memory_order_acquire);
}

weft_future *weft__job_submit(struct weft_job *job, const struct weft_job_options *options,
                              const char *place)
{
    struct weft__own *own = (void *)job;
    struct weft__request request = {
        .options = weft__job_options(options), .place = place, .own = own};
    if (!own || own->magic != MAGIC || !own->fn)
        return weft_future_failed(-EINVAL, "weft_job_submit: a job that was not initialized");
    if (!request.options)
        return weft_future_failed(-EINVAL, "%s: options that make no sense", own->name);
    if (request.options->on_cancel == WEFT_CANCEL_ABANDON && !own->on_free)
        return weft_future_failed(-EINVAL, "%s: abandoned, nobody could tell when it has ended",
                                  own->name);
    bool idle = false;
    if (!atomic_compare_exchange_strong(&own->busy, &idle, true))
        return weft_future_failed(-EBUSY, "%s: the job is under way, or its future is in use",
                                  own->name);
    request.run = own->fn;
    request.args = own->arg;
    request.name = own->name;
    return weft__submit(&request);
}
