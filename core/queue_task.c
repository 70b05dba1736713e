/* SPDX-License-Identifier: MIT */
/*
 * The tasks' side of a queue: put, get and join as turns.
 *
 *     WAITING in a line --served--> PROMISED --its item runs--> DONE
 *         \__ cancel --> DONE        \__ cancelled: its item leaves the promise to the next --> DONE
 *
 * A turn that was called without a promise looks again: the queue was shut down, or all is dealt with.
 * The item a put brings stays in its party until it is stored; if it never is, its destructor runs.
 */
#include <errno.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/queue.h"

static weft_queue *queue_of(const struct weft__queue_turn *wait)
{
    return WEFT__CONTAINER(wait->turn.sync, weft_queue, sync);
}

static struct weft__queue_turn *wait_of(weft__item *item)
{
    return WEFT__CONTAINER(item, struct weft__queue_turn, turn.item);
}

/* What was kept for it is for anybody again. */
static void end_promise(struct weft__party *party, size_t *promised)
{
    *promised -= party->is_promised;
    party->is_promised = false;
}

static void complete_now(struct weft__queue_turn *wait, int status, const struct weft__stored *item)
{
    if (status < 0)
        weft__complete_failed(&wait->turn.future, status, NULL);
    else
        weft__complete(&wait->turn.future, item->value, item->destructor);
    weft__turn_end(&wait->turn);
}

static void complete_turn(struct weft__queue_turn *wait, int status,
                          const struct weft__stored *item)
{
    if (status < 0)
        weft__turn_give_up(&wait->turn, status);
    else
        weft__turn_succeed(&wait->turn, item->value, item->destructor);
}

/* With what a turn fails that found the queue shut: when the loop ends, that is why. */
static int closed_status(const weft_queue *queue, int status)
{
    return status < 0 && queue->sync.closed ? queue->sync.closed : status;
}

/* A request to cancel. True: it has left the line, and is to end now; else its item sees to it. */
static bool leave_line(struct weft__queue_turn *wait)
{
    weft_queue *queue = queue_of(wait);
    weft__queue_enter(queue);
    bool waits = wait->party.line && wait->party.line != &queue->called;
    if (waits)
        weft__party_remove(&wait->party);
    weft__queue_leave(queue);
    wait->turn.is_cancelled = true;
    return waits;
}

/* Of a turn that was cancelled when it was called: let the next one have what was promised. */
static void pass_on(struct weft__queue_turn *wait, size_t *promised)
{
    weft_queue *queue = queue_of(wait);
    weft__queue_enter(queue);
    end_promise(&wait->party, promised);
    weft__queue_leave(queue);
    weft__turn_give_up(&wait->turn, -ECANCELED);
}

static const struct weft__stored nothing;

/* ---- Putting ---- */

/* Store what the turn brings, or join the line. 0, an error, or -EINPROGRESS. */
static int try_put(weft_queue *queue, struct weft__queue_turn *wait) WEFT_REQUIRES(queue->mu)
{
    int status = weft__queue_refusal(queue);
    if (status < 0)
        return status;
    if (weft__queue_may_put(queue))
        return weft__queue_store(queue, wait->party.item);
    weft__party_add(&queue->putters, &wait->party);
    return -EINPROGRESS;
}

static void run_put(weft__item *item)
{
    struct weft__queue_turn *wait = wait_of(item);
    weft_queue *queue = queue_of(wait);
    if (wait->turn.is_cancelled) {
        struct weft__stored left = wait->party.item;
        pass_on(wait, &queue->promised_room);
        weft__stored_destroy(&left);
        return;
    }
    weft__queue_enter(queue);
    end_promise(&wait->party, &queue->promised_room);
    int status = try_put(queue, wait);
    weft__queue_leave(queue);
    if (status == -EINPROGRESS)
        return;
    struct weft__stored left = wait->party.item;
    complete_turn(wait, closed_status(queue, status), &nothing);
    if (status < 0)
        weft__stored_destroy(&left);
}

static bool cancel_put(weft_future *future)
{
    struct weft__queue_turn *wait = WEFT__CONTAINER(future, struct weft__queue_turn, turn.future);
    struct weft__stored left = wait->party.item;
    if (!leave_line(wait))
        return true;
    weft__complete_failed(future, -ECANCELED, NULL);
    weft__turn_end(&wait->turn);
    weft__stored_destroy(&left);
    return true;
}

/* One that is in no line was called. Threads may have the lock of all this: it is looked at without. */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__queue_turn wait;
    weft_queue queue;
    if (!weft__eye_see_shared(eye, &wait, at, sizeof(wait)) ||
        !weft__eye_see_shared(eye, &queue, wait.turn.sync, sizeof(queue)))
        return;
    ret->resource = wait.turn.sync;
    if (!wait.party.line || wait.party.line == &((weft_queue *)(void *)wait.turn.sync)->called)
        ret->needs = WEFT__NEEDS_NOTHING;
    weft__waiting_number(ret, "values", queue.store.count);
    if (queue.bound != SIZE_MAX)
        weft__waiting_number(ret, "bound", queue.bound);
    weft__waiting_number(ret, "unfinished", queue.unfinished);
}

WEFT__OPS(put_ops) = {
    .name = "queue put", .cancel = cancel_put, .dispose = weft__turn_dispose, .explain = explain};

static struct weft__queue_turn *new_wait(weft_queue *queue, const struct weft__future_ops *ops,
                                         void (*run)(weft__item *item))
{
    return (struct weft__queue_turn *)(void *)weft__turn_alloc(&queue->sync, ops, run,
                                                               sizeof(struct weft__queue_turn));
}

weft_future *weft_queue_put(weft_queue *queue, weft_value value, weft_destructor *destructor)
{
    int status = WEFT__SYNC_CHECK(queue);
    struct weft__queue_turn *wait = status == 0 ? new_wait(queue, &put_ops, run_put) : NULL;
    if (!wait) {
        weft_future *refused =
            status < 0 ? WEFT__SYNC_REFUSE(status) : weft__future_enomem(weft__loop);
        if (destructor)
            destructor(value.ptr);
        return refused;
    }
    struct weft__stored item = weft__queue_item(queue, value, destructor);
    wait->party.item = item;
    weft__queue_enter(queue);
    status = try_put(queue, wait);
    weft__queue_leave(queue);
    weft_future *future = &wait->turn.future;
    if (status != -EINPROGRESS)
        complete_now(wait, status, &nothing);
    if (status < 0 && status != -EINPROGRESS)
        weft__stored_destroy(&item);
    return future;
}

/* ---- Getting ---- */

/* Take a value, or join the line. 0, an error, or -EINPROGRESS. */
static int try_get(weft_queue *queue, struct weft__queue_turn *wait, struct weft__stored *ret)
    WEFT_REQUIRES(queue->mu)
{
    if (weft__queue_may_get(queue)) {
        *ret = weft__queue_take(queue);
        return 0;
    }
    int status = weft__queue_refusal(queue);
    if (status < 0)
        return status;
    weft__party_add(&queue->getters, &wait->party);
    return -EINPROGRESS;
}

static void run_get(weft__item *item)
{
    struct weft__queue_turn *wait = wait_of(item);
    weft_queue *queue = queue_of(wait);
    struct weft__stored got = nothing;
    if (wait->turn.is_cancelled) {
        pass_on(wait, &queue->promised_items);
        return;
    }
    weft__queue_enter(queue);
    end_promise(&wait->party, &queue->promised_items);
    int status = try_get(queue, wait, &got);
    weft__queue_leave(queue);
    if (status != -EINPROGRESS)
        complete_turn(wait, closed_status(queue, status), &got);
}

static bool cancel_get(weft_future *future)
{
    struct weft__queue_turn *wait = WEFT__CONTAINER(future, struct weft__queue_turn, turn.future);
    if (!leave_line(wait))
        return true;
    weft__complete_failed(future, -ECANCELED, NULL);
    weft__turn_end(&wait->turn);
    return true;
}

/* Back to the front, unless there is none any more. */
static void give_back(weft_future *future)
{
    struct weft__queue_turn *wait = WEFT__CONTAINER(future, struct weft__queue_turn, turn.future);
    weft_queue *queue = queue_of(wait);
    struct weft__stored item = wait->party.item;
    (void)weft__take(future, &item.value, &item.destructor);
    weft__queue_enter(queue);
    bool is_back =
        queue->state != WEFT__QUEUE_SHUT && weft__store_put_back(&queue->store, item) == 0;
    if (!is_back)
        weft__queue_finish(queue, 1);
    weft__queue_leave(queue);
    if (!is_back)
        weft__stored_destroy(&item);
}

WEFT__OPS(get_ops) = {.name = "queue get",
                      .cancel = cancel_get,
                      .dispose = weft__turn_dispose,
                      .unclaimed = give_back,
                      .explain = explain};

weft_future *weft_queue_get(weft_queue *queue)
{
    int status = WEFT__SYNC_CHECK(queue);
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    struct weft__queue_turn *wait = new_wait(queue, &get_ops, run_get);
    struct weft__stored got = nothing;
    if (!wait)
        return weft__future_enomem(weft__loop);
    weft__queue_enter(queue);
    status = try_get(queue, wait, &got);
    weft__queue_leave(queue);
    weft_future *future = &wait->turn.future;
    if (status != -EINPROGRESS)
        complete_now(wait, status, &got);
    return future;
}

/* ---- Joining ---- */

static void run_join(weft__item *item)
{
    struct weft__queue_turn *wait = wait_of(item);
    int closed = queue_of(wait)->sync.closed;
    complete_turn(wait, wait->turn.is_cancelled ? -ECANCELED : closed, &nothing);
}

WEFT__OPS(join_ops) = {
    .name = "queue join", .cancel = cancel_get, .dispose = weft__turn_dispose, .explain = explain};

weft_future *weft_queue_join(weft_queue *queue)
{
    int status = WEFT__SYNC_CHECK(queue);
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    struct weft__queue_turn *wait = new_wait(queue, &join_ops, run_join);
    if (!wait)
        return weft__future_enomem(weft__loop);
    weft__queue_enter(queue);
    bool waits = queue->unfinished > 0;
    if (waits)
        weft__party_add(&queue->joiners, &wait->party);
    weft__queue_leave(queue);
    weft_future *future = &wait->turn.future;
    if (!waits)
        complete_now(wait, 0, &nothing);
    return future;
}
