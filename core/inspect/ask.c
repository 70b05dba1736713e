/* SPDX-License-Identifier: MIT */
/*
 * Asking loops: a request goes to each loop's mailbox, and the thread that asks waits for the answers, for
 * PATIENCE in all. A loop that is stuck in a step does not come to its mailbox in time: then it is looked at
 * from outside.
 *
 *     WAITING --the loop comes to it--> BEGUN --it has written the answer--> ANSWERED
 *     WAITING --the asker's patience ends--> LEFT: the loop, when it comes to it, does nothing
 *
 * Who of the two is first is decided under the request's lock, so that what was LEFT is never done, and what is
 * done is either told or known to be under way. What has BEGUN is waited for a while longer, since it is
 * short; only a task's own code, called by a cancel, can make it long.
 *
 * A request belongs to both, by a count; the last one frees it. So a late answer harms nobody.
 *
 * Nobody waits for anybody in a circle: a loop that ends waits until no thread has it pinned
 * (weft__source_remove()), and this thread has one pinned only while it puts a request into its mailbox, or looks
 * at it from outside. It has none while it waits for answers. What is in a mailbox when it is closed is run.
 *
 * In a forked child the thread that asked is not there: its requests are dropped, by the generation.
 */
#include "core/inspect/ask.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "core/cond.h"
#include "core/inspect/inspect.h"
#include "core/loop.h"
#include "core/memory.h"

#define PATIENCE WEFT_MS(200)
#define PATIENCE_IF_BEGUN WEFT_S(3)

struct request {
    weft__item item;
    struct request *next; /* of the asker's */
    atomic_uint refs;     /* [atomic] the last decrement acquires what the other one released */
    unsigned generation;  /* [const] */
    uint64_t serial;      /* [const] of the loop's source */
    uint32_t loop_id;     /* [const] */
    pid_t tid;            /* [const] */
    struct weft__subject subject; /* [const] */
    int (*by_itself)(weft_loop *loop, const struct weft__subject *subject, struct weft__text *to);
    struct weft__mutex mu;
    pthread_cond_t answered;
    enum { WAITING, BEGUN, ANSWERED, LEFT } state; /* [mu] */
    struct weft__text text; /* the loop's while it has BEGUN, the asker's afterwards */
    int status;             /* likewise */
    enum weft__seen seen;   /* the asker's */
};

struct asked {
    const struct weft__question *question;
    struct request *first, **end;
    int status;
};

static void free_request(struct request *request)
{
    weft__text_fini(&request->text);
    pthread_cond_destroy(&request->answered);
    pthread_mutex_destroy(&request->mu.mutex);
    weft__free(request);
}

static void drop(struct request *request)
{
    if (atomic_fetch_sub_explicit(&request->refs, 1, memory_order_acq_rel) == 1)
        free_request(request);
}

/* ---- On the loop ---- */

static bool begin(struct request *request)
{
    weft__mutex_lock(&request->mu);
    bool is_wanted = request->state == WAITING;
    if (is_wanted)
        request->state = BEGUN;
    weft__mutex_unlock(&request->mu);
    return is_wanted;
}

static void end(struct request *request)
{
    weft__mutex_lock(&request->mu);
    request->state = ANSWERED;
    pthread_cond_signal(&request->answered);
    weft__mutex_unlock(&request->mu);
}

/* In a child nobody shares it, and its lock may have been somebody's: it is only freed. */
static bool is_inherited(const struct request *request)
{
    return request->generation != weft__generation;
}

static void run_request(weft__item *item)
{
    struct request *request = WEFT__CONTAINER(item, struct request, item);
    if (!is_inherited(request) && begin(request)) {
        request->status = request->by_itself(weft__loop, &request->subject, &request->text);
        if (!is_inherited(request)) /* the process was not forked in there */
            end(request);
    }
    if (!is_inherited(request)) {
        drop(request);
    } else {
        weft__text_fini(&request->text);
        weft__free(request);
    }
}

/* ---- The asker ---- */

static struct request *new_request(const struct weft__question *question, weft_loop *loop)
{
    struct request *request = weft__calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    if (weft__cond_init(&request->answered) != 0) {
        weft__free(request);
        return NULL;
    }
    pthread_mutex_init(&request->mu.mutex, NULL);
    atomic_init(&request->refs, 2);
    request->item.run = run_request;
    request->generation = weft__generation;
    request->serial = loop->source.serial;
    request->loop_id = loop->id;
    request->tid = loop->tid;
    request->subject = question->subject;
    request->by_itself = question->by_itself;
    return request;
}

/* A loop that takes no requests any more ends, and is not shown. */
static void ask_one(void *arg, struct weft__source *source)
{
    struct asked *asked = arg;
    weft_loop *loop = weft__inspect_loop(source);
    if (!loop || (asked->question->loop_id && asked->question->loop_id != loop->id))
        return;
    struct request *request = new_request(asked->question, loop);
    if (!request) {
        asked->status = -ENOMEM;
    } else if (weft__mailbox_put(loop->mailbox, &request->item)) {
        *asked->end = request;
        asked->end = &request->next;
    } else {
        free_request(request);
    }
}

static void await_answer(struct request *request, weft_ns deadline)
{
    weft_ns last = deadline + PATIENCE_IF_BEGUN;
    bool is_over = false;
    weft__mutex_lock(&request->mu);
    while (!is_over && request->state != ANSWERED) {
        bool has_begun = request->state == BEGUN;
        is_over = weft__cond_wait_until(&request->answered, &request->mu,
                                        has_begun ? last : deadline) == ETIMEDOUT &&
                  has_begun == (request->state == BEGUN);
    }
    request->seen = request->state == ANSWERED ? WEFT__BY_ITSELF
                    : request->state == BEGUN  ? WEFT__UNDER_WAY
                                               : WEFT__NOT_ASKED;
    if (request->state == WAITING)
        request->state = LEFT;
    weft__mutex_unlock(&request->mu);
}

static void look_at_one(void *arg, struct weft__source *source)
{
    struct asked *asked = arg;
    struct request *request = asked->first;
    while (request && request->serial != source->serial)
        request = request->next;
    if (!request || request->seen != WEFT__NOT_ASKED)
        return;
    request->status = asked->question->from_outside(weft__inspect_loop(source), &request->subject,
                                                    &request->text);
    request->seen = WEFT__FROM_OUTSIDE;
}

static void show_one(const struct request *request,
                     void (*show)(void *arg, const struct weft__answer *answer), void *arg)
{
    static const struct weft__text nothing;
    bool has_text = request->seen == WEFT__BY_ITSELF || request->seen == WEFT__FROM_OUTSIDE;
    struct weft__answer answer = {.loop_id = request->loop_id,
                                  .tid = request->tid,
                                  .seen = request->seen,
                                  .status = has_text ? request->status : 0,
                                  .text = has_text ? &request->text : &nothing};
    show(arg, &answer);
}

int weft__ask(const struct weft__question *question,
              void (*show)(void *arg, const struct weft__answer *answer), void *arg)
{
    struct asked asked = {.question = question};
    asked.end = &asked.first;
    weft__sources_each(ask_one, &asked);
    weft_ns deadline = weft__real_after(PATIENCE);
    for (struct request *request = asked.first; request; request = request->next)
        await_answer(request, deadline);
    if (question->from_outside)
        weft__sources_each(look_at_one, &asked);
    while (asked.first) {
        struct request *request = asked.first;
        asked.first = request->next;
        if (asked.status == 0)
            show_one(request, show, arg);
        drop(request);
    }
    return asked.status;
}
