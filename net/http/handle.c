/* SPDX-License-Identifier: MIT */
/* The numbers by which handlers know their requests: net/http/handle.h has the design comment. */
#include "net/http/handle.h"

#include <errno.h>

#include "core/loop.h"
#include "core/memory.h"

enum { FIRST_SLOTS = 16, LOOP_AT = WEFT__HTTP_SLOT_BITS + WEFT__HTTP_GENERATION_BITS };

#define NEXT_GENERATION WEFT__HTTP_MOST_SLOTS
#define GENERATIONS ((((uintptr_t)1 << WEFT__HTTP_GENERATION_BITS) - 1) << WEFT__HTTP_SLOT_BITS)
#define LOOPS (UINTPTR_MAX >> LOOP_AT)

_Thread_local struct weft__http_slots *weft__http_slots __attribute__((tls_model("initial-exec")));
static _Thread_local int wrong; /* what weft__http_gone() returns */

/* ---- Slots ---- */

static int grow(struct weft__http_slots *slots)
{
    uint32_t size = slots->size ? 2 * slots->size : FIRST_SLOTS;
    if (size > WEFT__HTTP_MOST_SLOTS)
        return -ENOMEM;
    struct weft__http_slot *at = weft__realloc(slots->at, size * sizeof(*at));
    if (!at)
        return -ENOMEM;
    slots->at = at;
    slots->size = size;
    return 0;
}

static int add(struct weft__http_slots *slots)
{
    if (slots->used == slots->size && grow(slots) < 0)
        return -ENOMEM;
    slots->at[slots->used] = (struct weft__http_slot){
        .handle = ((slots->loop_id & LOOPS) << LOOP_AT) | NEXT_GENERATION | slots->used,
        .next = slots->used + 1,
    };
    slots->used++;
    return 0;
}

int weft__http_slot_take(struct weft__http_slots *slots, weft__http_exchange *exchange,
                         uint32_t *ret)
{
    uint32_t slot = slots->spare;
    if (slot == slots->used && add(slots) < 0)
        return -ENOMEM;
    slots->spare = slots->at[slot].next;
    slots->at[slot].exchange = exchange;
    *ret = slot;
    return 0;
}

static bool is_spent(const struct weft__http_slot *slot)
{
    return (slot->handle & GENERATIONS) == GENERATIONS;
}

void weft__http_slot_give_back(struct weft__http_slots *slots, uint32_t slot)
{
    slots->at[slot].exchange = NULL;
    if (is_spent(&slots->at[slot]))
        return;
    slots->at[slot].next = slots->spare;
    slots->spare = slot;
}

bool weft__http_slot_next(struct weft__http_slots *slots, uint32_t slot)
{
    slots->at[slot].handle += NEXT_GENERATION;
    return !is_spent(&slots->at[slot]);
}

/* ---- Misuse ---- */

static void report(const char *function)
{
    wrong = WEFT_ECLOSED;
    if (weft__here())
        weft__report(weft__here(), &(struct weft_error_report){
                                       .what = "HTTP request used after its handler's end",
                                       .status = WEFT_ECLOSED,
                                       .task = function,
                                   });
}

weft__http_exchange *weft__http_refuse_handle(uintptr_t handle, const char *function)
{
    uint32_t low = (uint32_t)(handle >> LOOP_AT);
    bool here = low == (weft__loop_id & LOOPS);
    if (!here && weft__is_elsewhere(weft__loop_id_like(low, LOOPS), function))
        wrong = weft__elsewhere();
    else
        report(function);
    return NULL;
}

int weft__http_gone(void)
{
    return wrong;
}

weft_future *weft__http_gone_future(void)
{
    if (wrong != WEFT_ECLOSED)
        return weft__future_elsewhere();
    weft_future *future = weft_future_failed(WEFT_ECLOSED, "the request's handler has ended");
    weft__observe(future); /* it has been reported */
    return future;
}
