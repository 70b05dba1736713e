/* SPDX-License-Identifier: MIT */
/*
 * The threads' side of a queue: calls that block.
 *
 * A thread waits in the same lines as the tasks, with a condition variable of its own, so that whoever
 * serves it wakes it and nobody else. It is served under the lock, and looks under the lock: a limit
 * of time that passes at the same moment finds it either still in the line, or served.
 *
 * The limit is kept by CLOCK_MONOTONIC, also when the loop's time is virtual.
 *
 * A job that waits lets another thread of its pool run meanwhile (core/blocking.h).
 */
#include <errno.h>

#include "core/blocking.h"
#include "core/cond.h"
#include "core/queue.h"

/* A worker tells its pool that it waits; that takes locks and may start a thread. */
static void tell(weft_queue *queue, void (*what)(void)) WEFT_REQUIRES(queue->mu)
{
    if (!weft__blocking_ops)
        return;
    weft__mutex_unlock(&queue->mu);
    what();
    weft__mutex_lock(&queue->mu);
}

/* Join the line until somebody serves this thread. */
static int wait_in(weft_queue *queue, struct weft__parties *line, struct weft__stored *item,
                   weft_ns timeout) WEFT_REQUIRES(queue->mu)
{
    pthread_cond_t served;
    weft_ns deadline = weft__real_after(timeout);
    int status = timeout == 0 ? -ETIMEDOUT : -weft__cond_init(&served);
    if (status < 0)
        return status;
    struct weft__party party = {.cond = &served, .status = -EINPROGRESS, .item = *item};
    weft__party_add(line, &party);
    tell(queue, weft__blocking_begin); /* in line already: who serves it meanwhile is seen */
    while (party.status == -EINPROGRESS && status == 0)
        status = -weft__cond_wait_until(&served, &queue->mu, deadline);
    if (party.status == -EINPROGRESS)
        weft__party_remove(&party);
    else
        status = party.status;
    tell(queue, weft__blocking_end);
    *item = party.item;
    pthread_cond_destroy(&served);
    return status;
}

/* 0: this thread may block. */
static int check(const weft_queue *queue) WEFT_REQUIRES(queue->mu)
{
    if (!queue->mailbox)
        return WEFT_ECLOSED;
    bool is_here = weft__queue_is_here(queue) || queue->sync.loop_id == weft__lent_loop_id;
    return is_here ? -EDEADLK : 0;
}

int weft_queue_put_blocking(weft_queue *queue, weft_value value, weft_destructor *destructor,
                            weft_ns timeout)
{
    int status = weft__queue_check(queue);
    if (status < 0)
        return status;
    struct weft__stored item = weft__queue_item(queue, value, destructor);
    weft__queue_enter(queue);
    status = check(queue);
    if (status == 0)
        status = weft__queue_refusal(queue);
    if (status == 0 && weft__queue_has_room(queue))
        status = weft__queue_store(queue, item);
    else if (status == 0)
        status = wait_in(queue, &queue->putters, &item, timeout);
    weft__queue_leave(queue);
    return status;
}

int weft_queue_get_blocking(weft_queue *queue, weft_ns timeout, weft_value *ret,
                            weft_destructor **ret_destructor)
{
    int status = ret ? weft__queue_check(queue) : -EINVAL;
    if (status < 0)
        return status;
    struct weft__stored item = {.destructor = NULL};
    weft__queue_enter(queue);
    status = check(queue);
    if (status == 0 && weft__queue_has_item(queue)) {
        item = weft__queue_take(queue);
    } else if (status == 0) {
        status = weft__queue_refusal(queue);
        if (status == 0)
            status = wait_in(queue, &queue->getters, &item, timeout);
    }
    weft__queue_leave(queue);
    if (status < 0)
        return status;
    *ret = item.value;
    if (ret_destructor)
        *ret_destructor = item.destructor;
    return 0;
}
