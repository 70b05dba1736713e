/* SPDX-License-Identifier: MIT */
/*
 * Timers: a wheel of eleven levels, by the digits of the deadline.
 *
 * A deadline is a number of eleven digits of six bits. `base` is a moment that has been. A timer is on the
 * level of the first digit in which its deadline differs from the base, in the slot of that digit. So
 *
 *   - whatever is on a lower level is due before all of a higher one, and within a level slot by slot:
 *     the first timers are found by the bits of `busy`;
 *   - to arm and to disarm is to link and to unlink, whatever the number of timers;
 *   - the timers of a slot of level 0 have the same deadline. Of a higher level they are not in order,
 *     but for equal deadlines, which are always in the same slot and come in the order of arming.
 *
 * When the time has come to the first slot, its beginning becomes the base. Then its timers agree with
 * the base in one digit more, and go to lower levels, in the order in which they are. That happens to a
 * timer ten times at most, and to few ones at all: who is alone in its slot needs not be sorted, and in
 * a server most timers are disarmed long before.
 *
 * A deadline before the base (somebody asks for what has passed) goes to the base's own slot, which is
 * the first one and due, hence is emptied before the base moves. It is put in order then: it is the
 * only slot of level 0 in which deadlines differ.
 *
 * A slot is a ring of entries in one block of memory, linked by their numbers, with its head among them;
 * a timer knows its entry. The deadline stands in the entry, so that sorting touches no timer; whose it
 * is stands behind all of them, so that four entries share a cache line. What lasts for ever
 * (WEFT_FOREVER) is in a ring of its own, and never looked at.
 *
 * `next` is when to look again. It is exact but for crowds: of a slot with many timers it is the
 * beginning, at which the crowd is sorted. That wakes the loop in vain at most once for each crowd.
 */
#include "core/timer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/callback.h"
#include "core/loop.h"
#include "core/memory.h"

enum {
    DIGIT = 6,
    SLOTS = 1 << DIGIT,
    NEVER = WEFT__WHEEL_LEVELS * SLOTS, /* the ring of what lasts for ever */
    HEADS = NEVER + 1,
    FIRST_CAPACITY = HEADS + 15,
    CROWD = 16 /* more timers in a slot are not searched for the first one */
};

/* ---- Keys ---- */

#define SIGN ((uint64_t)1 << 63)
#define KEY_OF_FOREVER (SIGN | INT64_MAX)

static uint64_t key_of(weft_ns deadline)
{
    return (uint64_t)deadline ^ SIGN;
}

static weft_ns deadline_of(uint64_t key)
{
    return (weft_ns)(key ^ SIGN);
}

static unsigned level_of(uint64_t base, uint64_t key)
{
    return key == base ? 0 : (63 - (unsigned)__builtin_clzll(key ^ base)) / DIGIT;
}

static uint32_t slot_of(uint64_t base, uint64_t key)
{
    unsigned level = level_of(base, key);
    return level * SLOTS + (uint32_t)(key >> (level * DIGIT) & (SLOTS - 1));
}

/* Where a slot begins: the first digits are the base's, the last ones are 0. */
static uint64_t beginning_of(uint64_t base, uint32_t slot)
{
    unsigned shift = slot / SLOTS * DIGIT;
    uint64_t below = ((uint64_t)SLOTS << shift) - 1; /* on the top level: all bits */
    return (base & ~below) | (uint64_t)(slot % SLOTS) << shift;
}

/* ---- Rings ---- */

static void append(struct weft__timers *timers, uint32_t head, uint32_t number)
{
    struct weft__timer_entry *entries = timers->entries;
    uint32_t last = entries[head].prev;
    entries[number].next = head;
    entries[number].prev = last;
    entries[last].next = number;
    entries[head].prev = number;
}

static void insert(struct weft__timers *timers, uint32_t number)
{
    uint64_t key = timers->entries[number].key;
    uint32_t slot = NEVER;
    if (key != KEY_OF_FOREVER) {
        slot = slot_of(timers->base, key < timers->base ? timers->base : key);
        timers->busy[slot / SLOTS] |= (uint64_t)1 << slot % SLOTS;
    }
    append(timers, slot, number);
}

static void is_empty(struct weft__timers *timers, uint32_t slot)
{
    if (slot == NEVER)
        return;
    timers->busy[slot / SLOTS] &= ~((uint64_t)1 << slot % SLOTS);
    timers->stale = true;
}

static void unlink_entry(struct weft__timers *timers, uint32_t number)
{
    uint32_t next = timers->entries[number].next, prev = timers->entries[number].prev;
    timers->entries[next].prev = prev;
    timers->entries[prev].next = next;
    if (next == prev) /* only the head is left */
        is_empty(timers, next);
}

/* The whole ring of a slot, as a chain that ends at the head's number. */
static uint32_t take_slot(struct weft__timers *timers, uint32_t slot)
{
    struct weft__timer_entry *head = &timers->entries[slot];
    uint32_t first = head->next;
    head->next = head->prev = slot;
    is_empty(timers, slot);
    return first;
}

/* Put what is in a slot where it belongs since the base was moved. */
static void sort(struct weft__timers *timers, uint32_t slot)
{
    for (uint32_t number = take_slot(timers, slot), next; number != slot; number = next) {
        next = timers->entries[number].next;
        insert(timers, number);
    }
}

/* The first slot in which there is a timer; NEVER: there is none. */
static uint32_t first_slot(const struct weft__timers *timers)
{
    for (uint32_t level = 0; level < WEFT__WHEEL_LEVELS; level++)
        if (timers->busy[level])
            return level * SLOTS + (uint32_t)__builtin_ctzll(timers->busy[level]);
    return NEVER;
}

/* ---- Memory ---- */

void weft__timers_init(struct weft__timers *timers)
{
    *timers = (struct weft__timers){.next = KEY_OF_FOREVER};
}

void weft__timers_fini(struct weft__timers *timers)
{
    weft__free(timers->entries);
    weft__timers_init(timers);
}

static int grow(struct weft__timers *timers)
{
    size_t capacity = timers->capacity ? timers->capacity * 2 : FIRST_CAPACITY;
    if (capacity > UINT32_MAX)
        return -ENOMEM;
    struct weft__timer_entry *entries =
        weft__realloc(timers->entries, capacity * (sizeof(*entries) + sizeof(*timers->timers)));
    if (!entries)
        return -ENOMEM;
    weft__timer **of = (weft__timer **)(void *)(entries + capacity);
    memmove(of, entries + timers->capacity, timers->capacity * sizeof(*of));
    timers->entries = entries;
    timers->timers = of;
    timers->capacity = capacity;
    for (; timers->used < HEADS; timers->used++)
        entries[timers->used].next = entries[timers->used].prev = (uint32_t)timers->used;
    return 0;
}

static weft__timer **timer_of(const struct weft__timers *timers, uint32_t number)
{
    return &timers->timers[number];
}

/* 0: out of memory. */
static uint32_t new_entry(struct weft__timers *timers)
{
    uint32_t number = timers->spare;
    if (number) {
        timers->spare = timers->entries[number].next;
        return number;
    }
    if (timers->used == timers->capacity && grow(timers) < 0)
        return 0;
    return (uint32_t)timers->used++;
}

/* Its timer is not armed any more. */
static void drop_entry(struct weft__timers *timers, uint32_t number, weft__timer *timer)
{
    timer->slot = 0;
    timers->entries[number].next = timers->spare;
    timers->spare = number;
    timers->count--;
}

/* ---- Arming ---- */

int weft__timer_start(weft_loop *loop, weft__timer *timer, weft_ns deadline)
{
    struct weft__timers *timers = &loop->timers;
    assert(!weft__timer_is_armed(timer));
    uint32_t number = new_entry(timers);
    if (!number)
        return -ENOMEM;
    uint64_t key = key_of(deadline);
    timers->entries[number].key = key;
    *timer_of(timers, number) = timer;
    timer->slot = number;
    timers->count++;
    timers->has_past |= key < timers->base;
    insert(timers, number);
    if (key < timers->next) {
        timers->next = key;
        timers->stale = false;
    }
    weft__loop_rearm(loop);
    return 0;
}

void weft__timer_stop(weft_loop *loop, weft__timer *timer)
{
    struct weft__timers *timers = &loop->timers;
    if (!weft__timer_is_armed(timer))
        return;
    uint32_t number = (uint32_t)timer->slot;
    if (timers->entries[number].key == timers->next)
        timers->stale = true;
    unlink_entry(timers, number);
    drop_entry(timers, number, timer);
}

void weft__timer_move(weft_loop *loop, weft__timer *from, weft__timer *to)
{
    assert(weft__timer_is_armed(from) && from->slot < loop->timers.used);
    to->slot = from->slot;
    from->slot = 0;
    *timer_of(&loop->timers, (uint32_t)to->slot) = to;
}

weft_ns weft__deadline_after(weft_ns duration)
{
    weft_ns now = weft_now();
    return duration > WEFT_FOREVER - now ? WEFT_FOREVER : now + duration;
}

/* ---- The first ones ---- */

/* The earliest deadline in a slot, or where it begins. */
static uint64_t first_in(const struct weft__timers *timers, uint32_t slot)
{
    uint64_t first = UINT64_MAX;
    unsigned count = 0;
    for (uint32_t number = timers->entries[slot].next; number != slot;
         number = timers->entries[number].next) {
        uint64_t key = timers->entries[number].key;
        first = key < first ? key : first;
        if (++count == CROWD)
            return beginning_of(timers->base, slot);
    }
    return first;
}

static void look_again(struct weft__timers *timers)
{
    uint32_t slot = first_slot(timers);
    timers->next = slot == NEVER ? KEY_OF_FOREVER : first_in(timers, slot);
    timers->stale = false;
}

weft_ns weft__timers_next(struct weft__timers *timers)
{
    if (timers->stale)
        look_again(timers);
    return deadline_of(timers->next);
}

static void fire(weft_loop *loop, uint32_t number)
{
    weft__timer *timer = *timer_of(&loop->timers, number);
    drop_entry(&loop->timers, number, timer);
    weft__schedule_as(loop, &timer->item, WEFT__TIMERS);
}

/* Of two chains that are in order; they end with 0, which is no timer's number. */
static uint32_t merge(struct weft__timer_entry *entries, uint32_t former, uint32_t latter)
{
    uint32_t first, *link = &first;
    while (former && latter) {
        uint32_t *from = entries[latter].key < entries[former].key ? &latter : &former;
        *link = *from;
        link = &entries[*from].next;
        *from = *link;
    }
    *link = former ? former : latter;
    return first;
}

/* The next `count` of a chain, by deadline, equal ones as they are; *chain goes on behind them. */
static uint32_t put_in_order(struct weft__timer_entry *entries, uint32_t *chain, size_t count)
{
    if (count > 1) {
        uint32_t former = put_in_order(entries, chain, count / 2);
        return merge(entries, former, put_in_order(entries, chain, count - count / 2));
    }
    uint32_t only = *chain;
    *chain = entries[only].next;
    entries[only].next = 0;
    return only;
}

static void fire_all(weft_loop *loop, uint32_t slot)
{
    struct weft__timers *timers = &loop->timers;
    uint32_t number = take_slot(timers, slot), next, end = slot;
    if (timers->has_past) {
        size_t count = 0;
        for (uint32_t each = number; each != end; each = timers->entries[each].next)
            count++;
        number = put_in_order(timers->entries, &number, count);
        timers->has_past = false;
        end = 0;
    }
    for (; number != end; number = next) {
        next = timers->entries[number].next;
        fire(loop, number);
    }
}

static bool is_alone(const struct weft__timers *timers, uint32_t slot)
{
    return timers->entries[slot].next == timers->entries[slot].prev;
}

/* Of the first slot, which has begun. False: none of it is due. */
static bool collect_slot(weft_loop *loop, uint32_t slot, uint64_t now)
{
    struct weft__timers *timers = &loop->timers;
    if (slot < SLOTS || is_alone(timers, slot)) {
        if (timers->entries[timers->entries[slot].next].key > now)
            return false;
        fire_all(loop, slot);
        return true;
    }
    timers->base = beginning_of(timers->base, slot);
    sort(timers, slot);
    return true;
}

void weft__timers_collect(weft_loop *loop, weft_ns time)
{
    struct weft__timers *timers = &loop->timers;
    uint64_t now = key_of(time);
    if (timers->next > now)
        return;
    uint32_t slot;
    while ((slot = first_slot(timers)) != NEVER && beginning_of(timers->base, slot) <= now)
        if (!collect_slot(loop, slot, now))
            break;
    look_again(timers);
}

/* ---- The loop's end ---- */

static weft__timer *any_timer(struct weft__timers *timers)
{
    return *timer_of(timers, timers->entries[first_slot(timers)].next);
}

void weft__timers_cancel_all(weft_loop *loop)
{
    struct weft__timers *timers = &loop->timers;
    while (timers->count) {
        weft__timer *timer = any_timer(timers);
        if (weft__callback_end_timer(loop, timer))
            continue;
        struct weft__timed *timed = WEFT__CONTAINER(timer, struct weft__timed, timer);
        weft_future *future = weft_ref(&timed->future); /* nobody else may hold it */
        weft_cancel(future);
        if (weft__timer_is_armed(
                timer)) { /* what it waits for cannot be stopped: its time is over */
            weft__timer_stop(loop, timer);
            weft__schedule(loop, &timer->item);
        }
        weft_unref(future);
    }
}
