/* SPDX-License-Identifier: MIT */
/*
 * Timers: a wheel of eleven levels, by the digits of the deadline.
 *
 * A deadline is a number of eleven digits of six bits. `base` is a moment that has been. A timer is on the
 * level of the first digit in which its deadline differs from the base, in the slot of that digit. So
 *
 *   - whatever is on a lower level is due before all of a higher one, and within a level slot by slot:
 *     the first timers are found by the bits of `levels` and `busy`;
 *   - to arm and to disarm is the same work whatever the number of timers;
 *   - equal deadlines are always in the same slot, and come in the order of arming.
 *
 * Many slots are in order by themselves: all of level 0, whose timers have the same deadline, those with
 * a single timer, and those of many timers that were armed for the same duration. They are emptied from
 * the front as time goes on. The others have their bit in `mixed`. When the time has come to such a slot, its
 * beginning becomes the base: its timers agree with the base in one digit more, and are spread over lower
 * levels, in the order in which they are. That happens to a timer ten times at most, and to few ones at
 * all: in a server most timers are disarmed long before. If the time has come to the slot's end as well, and
 * its timers are not too many, they are sorted at once, by the same digits, and need no place any more.
 *
 * A deadline before the base (somebody asks for what has passed) goes to a wheel of its own, which
 * begins with the least moment and is emptied before the other. What lasts for ever (WEFT_FOREVER) is in a
 * list of its own, and never looked at.
 *
 * A slot is a list of blocks of three timers, each a cache line of one block of memory, linked by their
 * numbers. To disarm leaves a gap: nothing but the timer and its block is touched, and what is in
 * them decides nothing, so that whoever disarms many does not wait for the memory of one after the other.
 * Empty blocks are noted, and unlinked some at a time, and before the lists are looked at. Gaps are not
 * filled, which would break the order, but left behind when the timers are spread. The deadline stands beside the timer's address, so that neither sorting nor
 * spreading looks at a timer; it is only told its new place, and not even that if it is due.
 *
 * Memory: only arming may fail. When timers are spread they are in more blocks than before, since each
 * slot's last block may not be full: by one for each slot at most, or one for each timer. Arming keeps as
 * many free.
 *
 * `next` is when to look again. It is exact but for crowds: of a slot with many timers that are not in
 * order it is the beginning, at which they are spread. That wakes the loop in vain at most once for
 * each crowd.
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
    PAST = 0, /* the wheels: of what was over when it was armed, and of all else */
    COMING = 1,
    NEVER = 2 * WEFT__WHEEL_SLOTS, /* the slot of what lasts for ever */
    CELLS = WEFT__TIMER_CELLS,
    PER_BLOCK = WEFT__TIMER_PLACES,
    LINE = 64,
    SPARE = CELLS + 1, /* as the number of timers in a block */
    FEW = 4,           /* blocks of a slot: more timers are not searched for the first one */
    SORTED = 170,      /* blocks: more timers are spread before they are sorted */
    NEAR = 16          /* so many timers are not worth their digits */
};

typedef struct weft__timer_block block;

/** Of a slot's list. */
struct head {
    uint32_t first, last; /* 0: it is empty */
    uint32_t count;       /* blocks */
};

struct cell {
    uint64_t key;
    weft__timer *timer;
};

enum {
    HEAD_BLOCKS = (WEFT__WHEEL_HEADS * sizeof(struct head) + sizeof(block) - 1) / sizeof(block)
};

_Static_assert(sizeof(block) <= LINE, "one line is touched for a timer");

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

weft_ns weft__timer_deadline(const struct weft__timer_block *in, size_t cell)
{
    return deadline_of(in->cells[cell].key);
}

static unsigned level_of(uint64_t base, uint64_t key)
{
    return key == base ? 0 : (63 - (unsigned)__builtin_clzll(key ^ base)) / DIGIT;
}

static uint32_t slot_of(const struct weft__timers *timers, uint64_t key)
{
    if (key == KEY_OF_FOREVER)
        return NEVER;
    unsigned wheel = key < timers->base[COMING] ? PAST : COMING;
    unsigned level = level_of(timers->base[wheel], key);
    return (wheel * WEFT__WHEEL_LEVELS + level) * SLOTS +
           (uint32_t)(key >> (level * DIGIT) & (SLOTS - 1));
}

static unsigned shift_of(uint32_t slot)
{
    return slot / SLOTS % WEFT__WHEEL_LEVELS * DIGIT;
}

/* Where a slot begins: the first digits are the base's, the last ones are 0. */
static uint64_t beginning_of(const struct weft__timers *timers, uint32_t slot)
{
    unsigned shift = shift_of(slot);
    uint64_t below = ((uint64_t)SLOTS << shift) - 1; /* on the top level: all bits */
    return (timers->base[slot / WEFT__WHEEL_SLOTS] & ~below) | (uint64_t)(slot % SLOTS) << shift;
}

static uint64_t end_of(const struct weft__timers *timers, uint32_t slot)
{
    return beginning_of(timers, slot) | (((uint64_t)1 << shift_of(slot)) - 1);
}

/* ---- Lists ---- */

static struct head *head_of(const struct weft__timers *timers, uint32_t slot)
{
    return (struct head *)(void *)timers->blocks + slot;
}

static bool has_bit(const uint64_t *bits, uint32_t slot)
{
    return bits[slot / SLOTS] >> slot % SLOTS & 1;
}

static void clear_bit(uint64_t *bits, uint32_t slot)
{
    bits[slot / SLOTS] &= ~((uint64_t)1 << slot % SLOTS);
}

static void is_empty(struct weft__timers *timers, uint32_t slot)
{
    clear_bit(timers->busy, slot);
    clear_bit(timers->mixed, slot);
    if (!timers->busy[slot / SLOTS])
        timers->levels &= ~((uint32_t)1 << slot / SLOTS);
    timers->stale = true;
}

static void is_busy(struct weft__timers *timers, uint32_t slot)
{
    timers->busy[slot / SLOTS] |= (uint64_t)1 << slot % SLOTS;
    timers->levels |= (uint32_t)1 << slot / SLOTS;
}

static void free_block(struct weft__timers *timers, uint32_t number)
{
    timers->blocks[number].next = timers->spare;
    timers->spare = number;
    timers->lists--;
}

/* There is one: arming has seen to it. */
static uint32_t new_block(struct weft__timers *timers)
{
    uint32_t number = timers->spare;
    timers->lists++;
    if (!number)
        return (uint32_t)timers->used++;
    timers->spare = timers->blocks[number].next;
    return number;
}

static uint32_t add_block(struct weft__timers *timers, uint32_t slot)
{
    struct head *head = head_of(timers, slot);
    uint32_t number = new_block(timers), last = head->last;
    block *added = &timers->blocks[number];
    added->next = 0;
    added->prev = last;
    added->slot = (uint16_t)slot;
    added->filled = added->armed = 0;
    *(last ? &timers->blocks[last].next : &head->first) = number;
    head->last = number;
    if (head->count++ == 0)
        is_busy(timers, slot);
    return number;
}

static void remove_block(struct weft__timers *timers, uint32_t number)
{
    const block *removed = &timers->blocks[number];
    struct head *head = head_of(timers, removed->slot);
    *(removed->prev ? &timers->blocks[removed->prev].next : &head->first) = removed->next;
    *(removed->next ? &timers->blocks[removed->next].prev : &head->last) = removed->prev;
    if (--head->count == 0)
        is_empty(timers, removed->slot);
    free_block(timers, number);
}

/* A block may be there twice, and have been filled again since. */
static void close_gaps(struct weft__timers *timers)
{
    while (timers->gaps > 0) {
        uint32_t number = timers->gap[--timers->gaps];
        if (timers->blocks[number].armed != 0)
            continue;
        remove_block(timers, number);
        timers->blocks[number].armed = SPARE;
    }
}

/* To the end of a slot. Returns the place. */
static size_t append(struct weft__timers *timers, uint32_t slot, uint64_t key, weft__timer *timer)
{
    uint32_t number = head_of(timers, slot)->last;
    block *last = &timers->blocks[number];
    if (number) /* which nobody could guess: no jump. Keys of a slot are less than half of all apart */
        timers->mixed[slot / SLOTS] |=
            (key - last->cells[last->filled - 1].key) >> 63 << slot % SLOTS;
    if (!number || last->filled == CELLS) {
        number = add_block(timers, slot);
        last = &timers->blocks[number];
    }
    size_t cell = last->filled++;
    last->armed++;
    last->cells[cell].key = key;
    last->cells[cell].timer = timer;
    return (size_t)number * PER_BLOCK + cell;
}

/* Nothing here waits for the block's memory: whether it is empty decides no jump, and it is unlinked
 * later, together with others. */
static void remove_place(struct weft__timers *timers, size_t place)
{
    uint32_t number = (uint32_t)(place / PER_BLOCK);
    block *from = &timers->blocks[number];
    from->cells[place % PER_BLOCK].timer = NULL;
    timers->gap[timers->gaps] = number;
    timers->gaps += --from->armed == 0;
    if (timers->gaps == WEFT__TIMER_GAPS)
        close_gaps(timers);
}

/* The whole list of a slot. */
static uint32_t take_slot(struct weft__timers *timers, uint32_t slot)
{
    struct head *head = head_of(timers, slot);
    uint32_t first = head->first;
    *head = (struct head){0};
    is_empty(timers, slot);
    return first;
}

/* The first slot in which there is a timer; NEVER: there is none. */
static uint32_t first_slot(const struct weft__timers *timers)
{
    if (!timers->levels)
        return NEVER;
    uint32_t level = (uint32_t)__builtin_ctz(timers->levels);
    return level * SLOTS + (uint32_t)__builtin_ctzll(timers->busy[level]);
}

/* It is the next one to be emptied. */
static void expect_block(const struct weft__timers *timers, uint32_t number)
{
    const block *next = &timers->blocks[number];
    if (!number)
        return;
    __builtin_prefetch(&timers->blocks[next->next], 1);
    for (size_t i = 0; i < next->filled; i++)
        __builtin_prefetch(next->cells[i].timer, 1);
}

/* ---- Memory ---- */

void weft__timers_init(struct weft__timers *timers, weft_ns now)
{
    *timers = (struct weft__timers){.base = {0, key_of(now)}, .next = KEY_OF_FOREVER};
}

void weft__timers_fini(struct weft__timers *timers)
{
    weft__free(timers->memory);
    weft__timers_init(timers, INT64_MIN);
}

static int grow(struct weft__timers *timers)
{
    size_t capacity = timers->capacity ? timers->capacity * 2 : HEAD_BLOCKS + 2 * WEFT__TIMER_GAPS;
    if (capacity > UINT32_MAX / PER_BLOCK)
        return -ENOMEM;
    size_t offset = (size_t)((char *)timers->blocks - (char *)timers->memory);
    char *memory = weft__realloc(timers->memory, capacity * sizeof(block) + LINE);
    if (!memory)
        return -ENOMEM;
    char *blocks = memory + (LINE - (uintptr_t)memory % LINE) % LINE;
    if (blocks != memory + offset)
        memmove(blocks, memory + offset, timers->used * sizeof(block));
    if (!timers->used) {
        timers->used = HEAD_BLOCKS;
        memset(blocks, 0, HEAD_BLOCKS * sizeof(block));
    }
    timers->memory = memory;
    timers->blocks = (block *)(void *)blocks;
    timers->capacity = capacity;
    return 0;
}

/* Blocks for one timer more, however all of them are spread. */
static bool has_room(const struct weft__timers *timers)
{
    size_t most = timers->lists + WEFT__WHEEL_HEADS;
    if (most > timers->count + WEFT__TIMER_GAPS)
        most = timers->count + WEFT__TIMER_GAPS;
    return HEAD_BLOCKS + most <= timers->capacity;
}

/* ---- Arming ---- */

int weft__timer_start(weft_loop *loop, weft__timer *timer, weft_ns deadline)
{
    struct weft__timers *timers = &loop->timers;
    assert(!weft__timer_is_armed(timer));
    if (!has_room(timers) && grow(timers) < 0)
        return -ENOMEM;
    uint64_t key = key_of(deadline);
    timer->place = append(timers, slot_of(timers, key), key, timer);
    timers->count++;
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
    size_t place = timer->place;
    if (!place)
        return;
    if (timers->blocks[place / PER_BLOCK].cells[place % PER_BLOCK].key == timers->next)
        timers->stale = true;
    remove_place(timers, place);
    timer->place = 0;
    timers->count--;
}

void weft__timer_move(weft_loop *loop, weft__timer *from, weft__timer *to)
{
    size_t place = from->place;
    assert(place && place / PER_BLOCK < loop->timers.used);
    to->place = place;
    from->place = 0;
    loop->timers.blocks[place / PER_BLOCK].cells[place % PER_BLOCK].timer = to;
}

weft_ns weft__deadline_after(weft_ns duration)
{
    weft_ns now = weft_now();
    return duration > WEFT_FOREVER - now ? WEFT_FOREVER : now + duration;
}

/* ---- The first ones ---- */

/* The cell of the first timer in a block; there is one. */
static size_t first_armed(const block *of)
{
    size_t cell = 0;
    while (!of->cells[cell].timer)
        cell++;
    return cell;
}

static uint64_t first_of_mixed(const struct weft__timers *timers, uint32_t number)
{
    uint64_t first = UINT64_MAX;
    for (; number; number = timers->blocks[number].next) {
        const block *each = &timers->blocks[number];
        for (size_t i = 0; i < each->filled; i++)
            if (each->cells[i].timer && each->cells[i].key < first)
                first = each->cells[i].key;
    }
    return first;
}

/* The earliest deadline in a slot, or where it begins. */
static uint64_t first_in(const struct weft__timers *timers, uint32_t slot)
{
    const struct head *head = head_of(timers, slot);
    if (!has_bit(timers->mixed, slot)) {
        const block *first = &timers->blocks[head->first];
        return first->cells[first_armed(first)].key;
    }
    return head->count > FEW ? beginning_of(timers, slot) : first_of_mixed(timers, head->first);
}

static void look_again(struct weft__timers *timers)
{
    uint32_t slot = first_slot(timers);
    timers->next = slot == NEVER ? KEY_OF_FOREVER : first_in(timers, slot);
    timers->stale = false;
}

weft_ns weft__timers_next(struct weft__timers *timers)
{
    close_gaps(timers);
    if (timers->stale)
        look_again(timers);
    return deadline_of(timers->next);
}

/* ---- Collecting ---- */

/* It has no place any more. */
static void fire(weft_loop *loop, weft__timer *timer)
{
    timer->place = 0;
    loop->timers.count--;
    weft__schedule_as(loop, &timer->item, WEFT__TIMERS);
}

/* Of a slot that is in order. False: some are left. */
static bool fire_first(weft_loop *loop, uint32_t slot, uint64_t now)
{
    struct weft__timers *timers = &loop->timers;
    for (uint32_t number; (number = head_of(timers, slot)->first);) {
        block *first = &timers->blocks[number];
        expect_block(timers, first->next);
        for (; first->armed; first->armed--) {
            size_t cell = first_armed(first);
            if (first->cells[cell].key > now)
                return false;
            fire(loop, first->cells[cell].timer);
            first->cells[cell].timer = NULL;
        }
        remove_block(timers, number);
    }
    return true;
}

/* Over the lower levels, since the base was moved. Who is due learns no place. */
static void spread(struct weft__timers *timers, uint32_t slot, bool due)
{
    for (uint32_t number = take_slot(timers, slot); number;) {
        block from = timers->blocks[number];
        expect_block(timers, from.next);
        free_block(timers, number);
        for (size_t i = 0; i < from.filled; i++) {
            uint64_t key = from.cells[i].key;
            weft__timer *timer = from.cells[i].timer;
            if (!timer)
                continue;
            size_t place = append(timers, slot_of(timers, key), key, timer);
            if (!due)
                timer->place = place;
        }
        number = from.next;
    }
}

static size_t take_cells(struct weft__timers *timers, uint32_t slot, struct cell *ret_cells)
{
    size_t count = 0;
    for (uint32_t number = take_slot(timers, slot), next; number; number = next) {
        const block *from = &timers->blocks[number];
        expect_block(timers, from->next);
        for (size_t i = 0; i < from->filled; i++)
            if (from->cells[i].timer)
                ret_cells[count++] = (struct cell){from->cells[i].key, from->cells[i].timer};
        next = from->next;
        free_block(timers, number);
    }
    return count;
}

static void sort_few(struct cell *cells, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct cell moved = cells[i];
        size_t to = i;
        for (; to > 0 && moved.key < cells[to - 1].key; to--)
            cells[to] = cells[to - 1];
        cells[to] = moved;
    }
}

static void sort_by_digit(const struct cell *from, struct cell *to, size_t count, unsigned shift)
{
    size_t places[SLOTS] = {0}, before = 0;
    for (size_t i = 0; i < count; i++)
        places[from[i].key >> shift & (SLOTS - 1)]++;
    for (size_t digit = 0; digit < SLOTS; digit++) {
        size_t these = places[digit];
        places[digit] = before;
        before += these;
    }
    for (size_t i = 0; i < count; i++)
        to[places[from[i].key >> shift & (SLOTS - 1)]++] = from[i];
}

/* All of a slot: by the digits behind its own, from the last one on. */
static void fire_sorted(weft_loop *loop, uint32_t slot)
{
    struct cell some[SORTED * CELLS], other[SORTED * CELLS], *cells = some, *to = other;
    size_t count = take_cells(&loop->timers, slot, cells);
    if (count <= NEAR)
        sort_few(cells, count);
    else
        for (unsigned shift = 0, end = shift_of(slot); shift < end; shift += DIGIT) {
            sort_by_digit(cells, to, count, shift);
            struct cell *sorted = to;
            to = cells;
            cells = sorted;
        }
    for (size_t i = 0; i < count; i++)
        fire(loop, cells[i].timer);
}

/* Of the first slot, which has begun. False: none of it is due any more, but some are left. */
static bool collect_slot(weft_loop *loop, uint32_t slot, uint64_t now)
{
    struct weft__timers *timers = &loop->timers;
    if (!has_bit(timers->mixed, slot))
        return fire_first(loop, slot, now);
    bool due = end_of(timers, slot) <= now;
    if (due && head_of(timers, slot)->count <= SORTED) {
        fire_sorted(loop, slot);
    } else {
        timers->base[slot / WEFT__WHEEL_SLOTS] = beginning_of(timers, slot);
        spread(timers, slot, due);
    }
    return true;
}

/* Nothing is due any more. Now becomes the base if all stay where they are: none is in now's slot. */
static void move_on(struct weft__timers *timers, uint64_t now)
{
    timers->base[PAST] = 0;
    if (now > timers->base[COMING] && now != KEY_OF_FOREVER &&
        !has_bit(timers->busy, slot_of(timers, now)))
        timers->base[COMING] = now;
}

void weft__timers_collect(weft_loop *loop, weft_ns time)
{
    struct weft__timers *timers = &loop->timers;
    uint64_t now = key_of(time);
    if (now < timers->base[COMING]) /* it has been; the loop has not looked at the clock yet */
        now = timers->base[COMING];
    if (timers->next > now)
        return;
    close_gaps(timers);
    uint32_t slot;
    while ((slot = first_slot(timers)) != NEVER && beginning_of(timers, slot) <= now)
        if (!collect_slot(loop, slot, now))
            break;
    move_on(timers, now);
    look_again(timers);
}

/* ---- The loop's end ---- */

static weft__timer *any_timer(struct weft__timers *timers)
{
    close_gaps(timers);
    const block *first = &timers->blocks[head_of(timers, first_slot(timers))->first];
    return first->cells[first_armed(first)].timer;
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
