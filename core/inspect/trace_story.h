/* SPDX-License-Identifier: MIT */
/*
 * What a trace is told with: events of JSON, names, and what is known so far. See core/inspect/trace_json.c.
 */
#ifndef WEFT_CORE_INSPECT_TRACE_STORY_H
#define WEFT_CORE_INSPECT_TRACE_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/inspect/json.h"
#include "core/inspect/trace.h"

enum { WEFT__TRACE_NAME = 96 };
#define WEFT__TRACE_NOT_MATCHED UINT32_MAX

/** Who is woken, a coroutine, a job. */
enum weft__trace_thing_kind { WEFT__TRACE_SLEEPER, WEFT__TRACE_CORO, WEFT__TRACE_JOB_THING };

struct weft__trace_moment {
    uint64_t time; /* 0: none */
    pid_t tid;
};

/** What is known so far of a coroutine, a job, or somebody who is woken. */
struct weft__trace_thing {
    uint64_t key;                    /* address and kind; 0: free */
    uint64_t span;                   /* number of its asynchronous events; 0: none yet */
    struct weft__trace_moment from;  /* made ready, submitted, woken: where an arrow begins */
    struct weft__trace_moment since; /* awaits; runs */
    struct weft__trace_moment born;
    uint64_t code, name; /* what it is; what it awaits */
    uint32_t line, lane, task;
    bool has_span;
};

/** A text that was read. */
struct weft__trace_name {
    uint64_t at;
    char text[WEFT__TRACE_NAME];
};

/** A thread, while its records are told. */
struct weft__trace_teller {
    const struct weft__trace_thread *thread;
    uint32_t *match; /* of what begins: where it ends; of an end: of how many slices */
    size_t at;
    unsigned depth; /* slices around `at` */
};

struct weft__trace_lane {
    int64_t queued, running;
};

/** A weft_coroutine that was read. */
struct weft__trace_code {
    uint64_t at, name, file;
};

/** A callback's function. */
struct weft__trace_function {
    uintptr_t at;   /* 0: none */
    char name[128]; /* "": not known */
    char place[416];
};

enum { WEFT__TRACE_NAMES = 512, WEFT__TRACE_CODES = 64, WEFT__TRACE_FUNCTIONS = 256 };

struct weft__trace_story {
    struct weft__text *to;
    struct weft__trace_copy copy;
    struct weft__trace_teller *tellers;
    struct weft__trace_thing *things;
    size_t thing_count, thing_room;
    struct weft__trace_name *names; /* WEFT__TRACE_NAMES, by address */
    struct weft__trace_code codes[WEFT__TRACE_CODES];
    struct weft__trace_function *functions; /* WEFT__TRACE_FUNCTIONS, by address */
    struct weft__trace_lane *lanes;         /* by number */
    size_t lane_room;
    uint64_t last_span, last_flow;
    pid_t pid;
    bool no_memory;
};

static inline enum weft__trace_kind weft__trace_kind_of(const struct weft__trace_record *record)
{
    return (enum weft__trace_kind)(record->what & 0xff);
}

static inline uint32_t weft__trace_small_of(const struct weft__trace_record *record)
{
    return (uint32_t)(record->what >> 8) & WEFT__TRACE_MOST_SMALL;
}

static inline uint32_t weft__trace_number_of(const struct weft__trace_record *record)
{
    return (uint32_t)(record->what >> 32);
}

static inline bool weft__trace_is_end(enum weft__trace_kind kind)
{
    return kind == WEFT__TRACE_STEP_END || kind == WEFT__TRACE_ITEM_END ||
           kind == WEFT__TRACE_POLL_END || kind == WEFT__TRACE_JOB_END ||
           kind == WEFT__TRACE_SLICE_END;
}

/** The text at an address, until the next one is asked for. */
const char *weft__trace_text_at(struct weft__trace_story *story, uint64_t at);

/** The same of a weft_coroutine. */
const char *weft__trace_name_of_code(struct weft__trace_story *story, uint64_t at);
const char *weft__trace_file_of_code(struct weft__trace_story *story, uint64_t at);

/** Look up the functions of all callbacks. False: out of memory. */
bool weft__trace_read_functions(struct weft__trace_story *story);

/** The one at this address; NULL: nothing is known of it. */
const struct weft__trace_function *weft__trace_function_at(const struct weft__trace_story *story,
                                                           uint64_t at);

/** What is known of who is at this address, all zero at first; until the next one is asked for. Out of memory:
 * something that is forgotten. */
struct weft__trace_thing *weft__trace_thing_at(struct weft__trace_story *story,
                                               enum weft__trace_thing_kind kind, uint64_t address);

/** It begins anew. */
void weft__trace_forget(struct weft__trace_thing *thing);

/** An event with the members that all have; the caller adds others. */
void weft__trace_open_event(struct weft__trace_story *story, const char *phase, const char *name,
                            uint64_t time, pid_t tid);
void weft__trace_close_event(struct weft__trace_story *story);

void weft__trace_add_duration(struct weft__trace_story *story, uint64_t duration);

/** Something that takes no time, up to its arguments. */
void weft__trace_open_point(struct weft__trace_story *story,
                            const struct weft__trace_teller *teller, const char *name,
                            const char *category, uint64_t time);

/** Close the arguments, and the event. */
void weft__trace_close_with_args(struct weft__trace_story *story);

/** One end of an arrow; a whole one, if it has a beginning. */
void weft__trace_write_flow(struct weft__trace_story *story, const char *phase, const char *name,
                            uint64_t flow, struct weft__trace_moment at);
void weft__trace_write_arrow(struct weft__trace_story *story, const char *name,
                             struct weft__trace_moment from, struct weft__trace_moment to);

/** One end of a span, up to its arguments, which it need not have. */
void weft__trace_open_span(struct weft__trace_story *story, const char *phase, const char *category,
                           const char *name, uint64_t span, struct weft__trace_moment at);

/** A failure's name, as an argument. */
void weft__trace_write_status(struct weft__trace_story *story, int status);

/** Find where what begins on this thread ends. False: out of memory. */
bool weft__trace_match(struct weft__trace_teller *teller);

#endif
