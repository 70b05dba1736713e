/* SPDX-License-Identifier: MIT */
/*
 * liburcu's wfcqueue for C++, which its transparent unions are not for.
 */
#ifndef BENCH_FLOOR_URCU_QUEUE_H
#define BENCH_FLOOR_URCU_QUEUE_H

#ifdef __cplusplus
extern "C" {
#endif

void *urcu_queue_new(void);
void urcu_queue_free(void *queue);
void urcu_queue_push(void *queue, void *node);

/* Takes what is queued; zero if that is nothing. Then next() returns one after the other, and NULL. */
int urcu_queue_take(void *queue);
void *urcu_queue_next(void *queue);

#ifdef __cplusplus
}
#endif

#endif
