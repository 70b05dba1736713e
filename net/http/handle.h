/* SPDX-License-Identifier: MIT */
/*
 * A request as handlers hold it: a number in the clothes of a pointer.
 *
 *     low bits    its slot: a loop has at most a million requests at once (where pointers have 64 bits)
 *     the next    the slot's generation, which is another one for each handler
 *     high bits   the low ones of its loop's number
 *
 * A handler may leave its request to what it has started, and that may go on by mistake when the handler
 * has ended. The memory of requests goes around between connections, so that a pointer would then be
 * the request of a stranger, with a stranger's connection to answer on. A number that is not in its slot any
 * more is refused and reported; no memory is looked at that another thread or another request owns.
 *
 *     slot  --taken with the memory of a request--> FREE FOR A HANDLER
 *                                                     |           ^
 *                                              a handler starts   it has ended: the next generation
 *                                                     v           |
 *                                                   the number is good
 *
 * Slots belong to a loop, and stay until its end: a generation must not come twice. A slot that has no
 * more of them (after 268 million handlers) is given out no more.
 *
 * Failure modes: no memory, or no slot, for one more request (-ENOMEM). Loops whose numbers are the same
 * in their low bits (every 65,536th one of a process) are told apart only by slot and generation.
 */
#ifndef WEFT_NET_HTTP_HANDLE_H
#define WEFT_NET_HTTP_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/http_server.h>

#include "core/thread.h"

typedef struct weft__http_exchange weft__http_exchange;

#if UINTPTR_MAX > UINT32_MAX
enum { WEFT__HTTP_SLOT_BITS = 20, WEFT__HTTP_GENERATION_BITS = 28 };
#else
enum { WEFT__HTTP_SLOT_BITS = 12, WEFT__HTTP_GENERATION_BITS = 14 };
#endif
#define WEFT__HTTP_MOST_SLOTS ((uintptr_t)1 << WEFT__HTTP_SLOT_BITS)

/** All fields are [loop]. */
struct weft__http_slot {
    uintptr_t handle;              /* its handler's request; without a handler: the next one's */
    weft__http_exchange *exchange; /* NULL: the slot is nobody's */
    uint32_t next;                 /* then: another such one */
};

/** A loop's. All fields are [loop]. */
struct weft__http_slots {
    struct weft__http_slot *at;     /* owned */
    uint32_t used, size;            /* that were taken so far; that there is room for */
    uint32_t spare;                 /* the first that is nobody's; `used`: none */
    uint32_t loop_id;               /* [const] */
    struct weft__http_slots *outer; /* [const] of the loop that this thread had before */
};

/** Those of this thread's loop; NULL: it serves no HTTP. */
extern _Thread_local struct weft__http_slots *weft__http_slots
    __attribute__((tls_model("initial-exec")));

/** A slot for this memory; -ENOMEM. */
int weft__http_slot_take(struct weft__http_slots *slots, weft__http_exchange *exchange,
                         uint32_t *ret);
void weft__http_slot_give_back(struct weft__http_slots *slots, uint32_t slot);

/** The handler has ended: its number is good no more. False: it was the slot's last one. */
bool weft__http_slot_next(struct weft__http_slots *slots, uint32_t slot);

/** Why WEFT__HTTP_REQUEST() was NULL: WEFT_ECLOSED, or a wrong thread. */
int weft__http_gone(void);
weft_future *weft__http_gone_future(void);

/** It has been reported. */
weft__http_exchange *weft__http_refuse_handle(uintptr_t handle, const char *function);

static inline weft__http_exchange *weft__http_at(uintptr_t handle, const char *function)
{
    const struct weft__http_slots *slots = weft__http_slots;
    uint32_t slot = (uint32_t)(handle & (WEFT__HTTP_MOST_SLOTS - 1));
    if (__builtin_expect(slots && slots->loop_id == weft__loop_id && slot < slots->used &&
                             slots->at[slot].handle == handle,
                         1))
        return slots->at[slot].exchange;
    return weft__http_refuse_handle(handle, function);
}

/** What it stands for if it is still good; else NULL, and nobody is told. */
static inline weft__http_exchange *weft__http_alive(const weft_http_request *request)
{
    const struct weft__http_slots *slots = weft__http_slots;
    uintptr_t handle = (uintptr_t)request;
    uint32_t slot = (uint32_t)(handle & (WEFT__HTTP_MOST_SLOTS - 1));
    bool good = slots && slots->loop_id == weft__loop_id && slot < slots->used &&
                slots->at[slot].handle == handle;
    return good ? slots->at[slot].exchange : NULL;
}

/** What a handler's request stands for; NULL: refused and reported. */
#define WEFT__HTTP_REQUEST(handle) weft__http_at((uintptr_t)(handle), __func__)

#endif
