/* SPDX-License-Identifier: MIT */
/* What a trace is told with. See core/inspect/trace_json.c. */
#include "core/inspect/trace_story.h"

#include <stdio.h>
#include <weft/error.h>

#include "core/inspect/peek.h"
#include "core/inspect/symbol.h"
#include "core/memory.h"

enum { FIRST_THINGS = 256 };

/* ---- Names ---- */

const char *weft__trace_text_at(struct weft__trace_story *story, uint64_t at)
{
    struct weft__trace_name *name = &story->names[(at >> 3) * 0x9E3779B97F4A7C15u >> 55];
    if (!at)
        return "?";
    if (name->at == at)
        return name->text;
    name->at = at;
    weft__peek_text(name->text, sizeof(name->text), weft__address(at));
    return name->text;
}

static const struct weft__trace_code *code_at(struct weft__trace_story *story, uint64_t at)
{
    struct weft__trace_code *code = &story->codes[(at >> 3) % WEFT__TRACE_CODES];
    weft_coroutine known = {0};
    if (code->at == at)
        return code;
    if (!weft__peek(&known, weft__address(at), sizeof(known)))
        known = (weft_coroutine){0};
    *code = (struct weft__trace_code){at, (uintptr_t)known.name, (uintptr_t)known.file};
    return code;
}

const char *weft__trace_name_of_code(struct weft__trace_story *story, uint64_t at)
{
    return weft__trace_text_at(story, code_at(story, at)->name);
}

const char *weft__trace_file_of_code(struct weft__trace_story *story, uint64_t at)
{
    return weft__trace_text_at(story, code_at(story, at)->file);
}

/* ---- Functions ---- */

/* Its place, or where it would be; NULL: there are too many. */
static struct weft__trace_function *place_of(struct weft__trace_function *functions, uint64_t at)
{
    size_t first = (at >> 2) * 0x9E3779B97F4A7C15u >> 56;
    for (size_t i = 0; i < WEFT__TRACE_FUNCTIONS; i++) {
        struct weft__trace_function *place = &functions[(first + i) % WEFT__TRACE_FUNCTIONS];
        if (place->at == at || !place->at)
            return place;
    }
    return NULL;
}

static void note_functions(struct weft__trace_story *story, const struct weft__trace_thread *thread)
{
    for (size_t i = 0; i < thread->count; i++) {
        const struct weft__trace_record *record = &thread->records[i];
        if (weft__trace_kind_of(record) != WEFT__TRACE_ITEM)
            continue;
        struct weft__trace_function *place = place_of(story->functions, record->id);
        if (place)
            place->at = record->id;
    }
}

/* Of functions that were inlined into it the last one that is told is the function. */
static void set_function(void *arg, size_t frame, const struct weft__symbol *symbol)
{
    struct weft__trace_function **found = arg;
    if (!symbol->function[0])
        return;
    snprintf(found[frame]->name, sizeof(found[frame]->name), "%s", symbol->function);
    weft__symbol_write(symbol, found[frame]->place, sizeof(found[frame]->place));
}

/* All at once: what they are read from is opened once. */
bool weft__trace_read_functions(struct weft__trace_story *story)
{
    uintptr_t pc[WEFT__TRACE_FUNCTIONS];
    struct weft__trace_function *found[WEFT__TRACE_FUNCTIONS];
    size_t count = 0;
    story->functions = weft__calloc(WEFT__TRACE_FUNCTIONS, sizeof(*story->functions));
    if (!story->functions)
        return false;
    for (size_t i = 0; i < story->copy.count; i++)
        note_functions(story, &story->copy.threads[i]);
    for (size_t i = 0; i < WEFT__TRACE_FUNCTIONS; i++) {
        if (!story->functions[i].at)
            continue;
        pc[count] = story->functions[i].at;
        found[count++] = &story->functions[i];
    }
    if (count > 0)
        weft__symbols_resolve(pc, count, set_function, found);
    return true;
}

const struct weft__trace_function *weft__trace_function_at(const struct weft__trace_story *story,
                                                           uint64_t at)
{
    const struct weft__trace_function *place = place_of(story->functions, at);
    return place && place->at == at && place->name[0] ? place : NULL;
}

/* ---- Things ---- */

static struct weft__trace_thing *slot_of(struct weft__trace_thing *things, size_t room,
                                         uint64_t key)
{
    size_t at = (size_t)(key * 0x9E3779B97F4A7C15u >> 20) & (room - 1);
    while (things[at].key && things[at].key != key)
        at = (at + 1) & (room - 1);
    return &things[at];
}

static bool grow(struct weft__trace_story *story)
{
    size_t room = story->thing_room ? story->thing_room * 2 : FIRST_THINGS;
    struct weft__trace_thing *things = weft__calloc(room, sizeof(*things));
    if (!things) {
        story->no_memory = true;
        return false;
    }
    for (size_t i = 0; i < story->thing_room; i++)
        if (story->things[i].key)
            *slot_of(things, room, story->things[i].key) = story->things[i];
    weft__free(story->things);
    story->things = things;
    story->thing_room = room;
    return true;
}

/* The one at this address, all zero at first. Out of memory: one that is forgotten. */
struct weft__trace_thing *weft__trace_thing_at(struct weft__trace_story *story,
                                               enum weft__trace_thing_kind kind, uint64_t address)
{
    static _Thread_local struct weft__trace_thing none;
    uint64_t key = address << 2 | (uint64_t)kind | (uint64_t)1 << 63;
    if (story->thing_count * 2 >= story->thing_room && !grow(story)) {
        none = (struct weft__trace_thing){0};
        return &none;
    }
    struct weft__trace_thing *thing = slot_of(story->things, story->thing_room, key);
    if (!thing->key) {
        thing->key = key;
        story->thing_count++;
    }
    return thing;
}

void weft__trace_forget(struct weft__trace_thing *thing)
{
    *thing = (struct weft__trace_thing){.key = thing->key};
}

/* ---- Events ---- */

/* The members that all have; the caller adds others, and closes it. */
void weft__trace_open_event(struct weft__trace_story *story, const char *phase, const char *name,
                            uint64_t time, pid_t tid)
{
    weft__json_open(story->to, NULL, '{');
    weft__json_string(story->to, "name", name);
    weft__text_add(story->to, ",\"ph\":\"%s\",\"ts\":%llu.%03u,\"pid\":%d,\"tid\":%d", phase,
                   (unsigned long long)(time / 1000), (unsigned)(time % 1000), (int)story->pid,
                   (int)tid);
}

void weft__trace_close_event(struct weft__trace_story *story)
{
    weft__json_close(story->to, '}');
}

void weft__trace_add_duration(struct weft__trace_story *story, uint64_t duration)
{
    weft__text_add(story->to, ",\"dur\":%llu.%03u", (unsigned long long)(duration / 1000),
                   (unsigned)(duration % 1000));
}

/* Something that takes no time; the arguments are to be added to it. */
void weft__trace_open_point(struct weft__trace_story *story,
                            const struct weft__trace_teller *teller, const char *name,
                            const char *category, uint64_t time)
{
    weft__trace_open_event(story, teller->depth ? "i" : "X", name, time, teller->thread->tid);
    weft__json_string(story->to, "cat", category);
    if (teller->depth)
        weft__json_string(story->to, "s", "t");
    else
        weft__trace_add_duration(story, 1);
    weft__json_open(story->to, "args", '{');
}

void weft__trace_close_with_args(struct weft__trace_story *story)
{
    weft__json_close(story->to, '}');
    weft__trace_close_event(story);
}

void weft__trace_write_flow(struct weft__trace_story *story, const char *phase, const char *name,
                            uint64_t flow, struct weft__trace_moment at)
{
    weft__trace_open_event(story, phase, name, at.time, at.tid);
    weft__json_string(story->to, "cat", "flow");
    weft__json_uint(story->to, "id", flow);
    if (*phase == 'f')
        weft__json_string(story->to, "bp", "e");
    weft__trace_close_event(story);
}

void weft__trace_write_arrow(struct weft__trace_story *story, const char *name,
                             struct weft__trace_moment from, struct weft__trace_moment to)
{
    if (!from.time || from.time > to.time)
        return;
    uint64_t flow = ++story->last_flow;
    weft__trace_write_flow(story, "s", name, flow, from);
    weft__trace_write_flow(story, "f", name, flow, to);
}

/* One end of a span; it may have arguments, and is to be closed. */
void weft__trace_open_span(struct weft__trace_story *story, const char *phase, const char *category,
                           const char *name, uint64_t span, struct weft__trace_moment at)
{
    weft__trace_open_event(story, phase, name, at.time, at.tid);
    weft__json_string(story->to, "cat", category);
    weft__text_add(story->to, ",\"id\":\"0x%llx\"", (unsigned long long)span);
}

void weft__trace_write_status(struct weft__trace_story *story, int status)
{
    if (status < 0)
        weft__json_string(story->to, "error", weft_error_name(status));
}

/* ---- Matching ---- */

static enum weft__trace_kind end_of(enum weft__trace_kind kind)
{
    switch ((int)kind) {
    case WEFT__TRACE_STEP:
        return WEFT__TRACE_STEP_END;
    case WEFT__TRACE_ITEM:
        return WEFT__TRACE_ITEM_END;
    case WEFT__TRACE_POLL:
        return WEFT__TRACE_POLL_END;
    case WEFT__TRACE_JOB:
        return WEFT__TRACE_JOB_END;
    case WEFT__TRACE_SLICE:
        return WEFT__TRACE_SLICE_END;
    default:
        return WEFT__TRACE_KINDS;
    }
}

static bool belong_together(const struct weft__trace_record *begin,
                            const struct weft__trace_record *end)
{
    enum weft__trace_kind kind = weft__trace_kind_of(end);
    bool by_id = kind == WEFT__TRACE_STEP_END || kind == WEFT__TRACE_JOB_END;
    return end_of(weft__trace_kind_of(begin)) == kind && (!by_id || begin->id == end->id);
}

/* The innermost on the stack that has this end; what lies on it ends there, too: then *depth is less. A
 * slice of the user's ends nobody else's. */
static void match_end(struct weft__trace_teller *teller, const uint32_t *stack, size_t *depth,
                      uint32_t at)
{
    const struct weft__trace_record *records = teller->thread->records;
    size_t found = *depth;
    while (found > 0 && !belong_together(&records[stack[found - 1]], &records[at])) {
        if (weft__trace_kind_of(&records[at]) == WEFT__TRACE_SLICE_END)
            return;
        found--;
    }
    if (found == 0)
        return;
    while (*depth >= found) {
        teller->match[stack[--*depth]] = at;
        teller->match[at]++;
    }
}

/* False: out of memory. */
static void match_one(struct weft__trace_teller *teller, uint32_t *stack, size_t *depth,
                      uint32_t at)
{
    enum weft__trace_kind kind = weft__trace_kind_of(&teller->thread->records[at]);
    teller->match[at] = 0;
    if (weft__trace_is_end(kind)) {
        match_end(teller, stack, depth, at);
    } else if (end_of(kind) != WEFT__TRACE_KINDS) {
        teller->match[at] = WEFT__TRACE_NOT_MATCHED;
        stack[(*depth)++] = at;
    }
}

bool weft__trace_match(struct weft__trace_teller *teller)
{
    size_t count = teller->thread->count, depth = 0;
    uint32_t *stack = weft__malloc((count + 1) * sizeof(*stack));
    teller->match = weft__malloc((count + 1) * sizeof(*teller->match));
    for (uint32_t i = 0; stack && teller->match && i < count; i++)
        match_one(teller, stack, &depth, i);
    weft__free(stack);
    return stack && teller->match;
}
