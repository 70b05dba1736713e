/* SPDX-License-Identifier: MIT */
/*
 * liburcu's wfcqueue behind functions, for queues.cpp.
 */
#define _LGPL_SOURCE 1 /* its small functions inline */
#include <stdlib.h>
#include <urcu/wfcqueue.h>

#include "urcu_queue.h"

struct queue {
    _Alignas(64) struct cds_wfcq_head head;
    _Alignas(64) struct cds_wfcq_tail tail;
    struct __cds_wfcq_head taken_head;
    struct cds_wfcq_tail taken_tail;
};

void *urcu_queue_new(void)
{
    struct queue *queue = aligned_alloc(64, sizeof(*queue));
    if (!queue)
        abort();
    cds_wfcq_init(&queue->head, &queue->tail);
    __cds_wfcq_init(&queue->taken_head, &queue->taken_tail);
    return queue;
}

void urcu_queue_free(void *queue)
{
    free(queue);
}

void urcu_queue_push(void *arg, void *node)
{
    struct queue *queue = arg;
    cds_wfcq_node_init(node);
    cds_wfcq_enqueue(&queue->head, &queue->tail, node);
}

int urcu_queue_take(void *arg)
{
    struct queue *queue = arg;
    if (cds_wfcq_empty(&queue->head, &queue->tail))
        return 0;
    __cds_wfcq_splice_blocking(&queue->taken_head, &queue->taken_tail, &queue->head, &queue->tail);
    return 1;
}

void *urcu_queue_next(void *arg)
{
    struct queue *queue = arg;
    return __cds_wfcq_dequeue_blocking(&queue->taken_head, &queue->taken_tail);
}
