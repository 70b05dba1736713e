/* SPDX-License-Identifier: MIT */
/*
 * A sampling profiler of loops: which task has the thread, seen some hundred times a second by the thread
 * that answers whoever looks on, and only while somebody does. A loop pays nothing for it: it is looked at
 * by weft__peek(), what it runs now (loop->current), and how many callbacks it has run, which tells whether
 * what was read of two places belongs together. A sample that does not is thrown away.
 *
 * What is counted is a kind of work, not a task, of which a server makes one for each request: the task's
 * name and the coroutine that is innermost. A table of them is kept for each loop; when it is full the
 * rarest makes place. Counts go up from the first sample; who wants a share of the last second subtracts.
 *
 * How old a task is nobody writes down. But ids are handed out in order: the newest id is noted now and
 * then, and a task is at least as old as the first note that has its id.
 *
 * The oldest tasks are at the far end of the loop's list, which is followed for weft__sample_patience; so of some
 * hundred thousand tasks, or of tasks that come and go too fast, only the oldest that were found are told, and that
 * they may not be the oldest.
 *
 * What it keeps is the looking thread's alone. Failure modes: with more than MAX_LOOPS loops the later ones
 * have no samples.
 */
#include "core/inspect/sample.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/cold.h"
#include "core/inspect/inspect.h"
#include "core/inspect/json.h"
#include "core/inspect/peek.h"
#include "core/loop.h"
#include "core/task.h"

enum { MAX_LOOPS = 128, MAX_KINDS = 48, MAX_OLDEST = 16, MAX_NOTES = 64 };
enum { MAX_TRIES = 4, LOOK_AT_CLOCK = 256 };

#define PERIOD WEFT_MS(5)
#define LOOK_ON WEFT_S(4) /* for so long after somebody asked */
#define FIRST_NOTES WEFT_MS(500)

struct kind {
    char task[64], in[64]; /* the task's name, and the innermost coroutine's */
    uint32_t last_id;      /* of the task that was seen last */
    uint64_t tasks;        /* different ones in a row */
    uint64_t samples;
};

/* At `at` the newest task was that one. */
struct note {
    weft_ns at;
    uint32_t id;
};

struct seen {
    const weft_loop *loop;
    uint32_t id; /* 0: free */
    uint64_t taken, busy, in_tasks;
    struct kind kinds[MAX_KINDS];
    size_t kind_count;
    struct note notes[MAX_NOTES]; /* oldest first */
    size_t note_count;
    weft_ns note_every;
};

weft_ns weft__sample_patience = WEFT_MS(100);

static struct seen all[MAX_LOOPS];
static weft_ns wanted_until, due;

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/* ---- What is looked at ---- */

/* The fields that tell what a loop is at, from one moment. */
struct look {
    weft__coro *current;
    uint64_t callbacks;
    uint32_t last_id;
    bool in_tick, polling;
};

static bool look_once(const weft_loop *loop, struct look *ret)
{
    static weft_loop copy;
    if (!weft__peek(&copy, loop, sizeof(copy)))
        return false;
    *ret = (struct look){copy.current, weft__loop_callbacks(&copy), copy.last_id, copy.in_tick,
                         copy.polling};
    return true;
}

static bool is_as_before(const weft_loop *loop, const struct look *before)
{
    struct look now;
    return look_once(loop, &now) && now.current == before->current &&
           now.callbacks == before->callbacks;
}

/* A coroutine of this loop; false: it is none any more. */
static bool look_at_coro(const weft_loop *loop, const weft__coro *coro, weft__coro *ret)
{
    return weft__peek(ret, coro, sizeof(*ret)) && ret->future.loop_id == loop->id && ret->code;
}

static void name_of_code(const weft__coro *coro, char *to, size_t size)
{
    weft_coroutine code;
    *to = '\0';
    if (weft__peek(&code, coro->code, sizeof(code)))
        weft__peek_text(to, size, code.name);
}

static void name_of_task(const weft__coro *task, char *to, size_t size)
{
    struct weft__cold cold;
    bool is_named = task->future.flags & WEFT__HAS_COLD &&
                    weft__peek(&cold, task->future.second.cold, sizeof(cold)) && cold.name;
    if (is_named)
        weft__peek_text(to, size, cold.name);
    else
        name_of_code(task, to, size);
}

/* ---- Counting ---- */

static struct seen *seen_of(const weft_loop *loop)
{
    struct seen *place = NULL;
    for (size_t i = 0; i < MAX_LOOPS; i++) {
        if (all[i].id == loop->id && all[i].loop == loop)
            return &all[i];
        if (!place && !all[i].id)
            place = &all[i];
    }
    if (place) {
        memset(place, 0, sizeof(*place));
        *place = (struct seen){.loop = loop, .id = loop->id, .note_every = FIRST_NOTES};
    }
    return place;
}

static struct kind *kind_of(struct seen *seen, const char *task, const char *in)
{
    struct kind *rarest = NULL;
    for (size_t i = 0; i < seen->kind_count; i++) {
        struct kind *kind = &seen->kinds[i];
        if (strcmp(kind->task, task) == 0 && strcmp(kind->in, in) == 0)
            return kind;
        if (!rarest || kind->samples < rarest->samples)
            rarest = kind;
    }
    struct kind *kind = seen->kind_count < MAX_KINDS ? &seen->kinds[seen->kind_count++] : rarest;
    memset(kind, 0, sizeof(*kind));
    memcpy(kind->task, task, sizeof(kind->task));
    memcpy(kind->in, in, sizeof(kind->in));
    return kind;
}

/* Now and then; when there is no room every second note goes, and the next ones come half as often. */
static void note_newest(struct seen *seen, uint32_t id)
{
    weft_ns now = real_now();
    if (seen->note_count && now - seen->notes[seen->note_count - 1].at < seen->note_every)
        return;
    if (seen->note_count == MAX_NOTES) {
        for (size_t i = 0; i < MAX_NOTES / 2; i++)
            seen->notes[i] = seen->notes[2 * i];
        seen->note_count = MAX_NOTES / 2;
        seen->note_every *= 2;
    }
    seen->notes[seen->note_count++] = (struct note){now, id};
}

static void count(struct seen *seen, const weft_loop *loop, const struct look *look)
{
    weft__coro coro, task;
    char in[64], name[64];
    if (!look_at_coro(loop, look->current, &coro))
        return;
    name_of_code(&coro, in, sizeof(in));
    task = coro;
    if (weft__is_call(&coro) && !look_at_coro(loop, coro.as.task, &task))
        return;
    name_of_task(&task, name, sizeof(name));
    if (!is_as_before(loop, look))
        return;
    struct kind *kind = kind_of(seen, name, in);
    kind->tasks += kind->last_id != task.id;
    kind->last_id = task.id;
    kind->samples++;
    seen->in_tasks++;
}

static void sample(void *arg, struct weft__source *source)
{
    (void)arg;
    const weft_loop *loop = weft__inspect_loop(source);
    struct look look;
    struct seen *seen = loop ? seen_of(loop) : NULL;
    if (!seen || !look_once(loop, &look))
        return;
    seen->taken++;
    seen->busy += look.in_tick && !look.polling;
    note_newest(seen, look.last_id);
    if (look.current)
        count(seen, loop, &look);
}

/* ---- When ---- */

static void mark_alive(void *arg, struct weft__source *source)
{
    bool *alive = arg;
    const weft_loop *loop = weft__inspect_loop(source);
    for (size_t i = 0; loop && i < MAX_LOOPS; i++)
        alive[i] |= all[i].loop == loop && all[i].id == loop->id;
}

static void forget_ended(void)
{
    bool alive[MAX_LOOPS] = {false};
    weft__sources_each(mark_alive, alive);
    for (size_t i = 0; i < MAX_LOOPS; i++)
        if (!alive[i])
            all[i].id = 0;
}

void weft__sample_want(void)
{
    weft_ns now = real_now();
    forget_ended();
    if (now >= wanted_until)
        due = now;
    wanted_until = now + LOOK_ON;
}

int weft__sample_due_ms(void)
{
    weft_ns now = real_now();
    if (now >= wanted_until)
        return -1;
    return due <= now ? 0 : (int)((due - now + WEFT_MS(1) - 1) / WEFT_MS(1));
}

void weft__sample_take(void)
{
    due = real_now() + PERIOD;
    weft__sources_each(sample, NULL);
}

/* ---- The oldest ---- */

struct walk {
    weft__coro tasks[MAX_OLDEST]; /* a ring: those that came last */
    uint32_t met;
};

/* From the newest to the oldest; ids fall on the way. False: the list was changed meanwhile, or is too
 * long; what was looked at last is not among what was met. */
static bool walk(const weft_loop *loop, weft_ns deadline, struct walk *ret)
{
    const weft__coro *at = NULL;
    uint32_t before = 0;
    ret->met = 0;
    if (!weft__peek(&at, &loop->tasks, sizeof(at)))
        return false;
    for (; at; before = ret->tasks[ret->met++ % MAX_OLDEST].id) {
        weft__coro *task = &ret->tasks[ret->met % MAX_OLDEST];
        if (ret->met % LOOK_AT_CLOCK == LOOK_AT_CLOCK - 1 && real_now() > deadline)
            return false;
        if (!look_at_coro(loop, at, task) || !task->id ||
            (ret->met && (int32_t)(before - task->id) <= 0))
            return false;
        at = task->next;
    }
    return true;
}

/* At least; 0: nothing is known of it. */
static weft_ns age_of(const struct seen *seen, uint32_t id)
{
    for (size_t i = 0; i < seen->note_count; i++)
        if ((int32_t)(seen->notes[i].id - id) >= 0)
            return real_now() - seen->notes[i].at;
    return 0;
}

static void write_place(struct weft__text *to, const weft__coro *task)
{
    weft_coroutine code;
    char file[128], place[160];
    int line = task->frame.weft_state;
    if (line <= 0 || !weft__peek(&code, task->code, sizeof(code)))
        return;
    weft__peek_text(file, sizeof(file), code.file);
    snprintf(place, sizeof(place), "%s:%d", file, line);
    weft__json_string(to, "awaits_at", place);
}

static void write_task(const struct seen *seen, struct weft__text *to, const weft__coro *task)
{
    char text[128];
    weft__json_open(to, NULL, '{');
    weft__json_uint(to, "id", task->id);
    name_of_task(task, text, 64);
    weft__json_string(to, "name", text);
    weft__peek_text(text, sizeof(text), task->spawned_at);
    weft__json_string(to, "spawned_at", text);
    write_place(to, task);
    if (seen) {
        weft_ns age = age_of(seen, task->id);
        weft__json_int(to, "age_ns", age);
        weft__json_bool(to, "is_older",
                        seen->note_count && (int32_t)(seen->notes[0].id - task->id) >= 0);
    }
    weft__json_close(to, '}');
}

static void write_oldest(const weft_loop *loop, const struct seen *seen, struct weft__text *to)
{
    static struct walk found;
    weft_ns deadline = real_now() + weft__sample_patience;
    bool is_exact = false;
    for (int tries = 0; !is_exact && tries < MAX_TRIES; tries++)
        is_exact = walk(loop, deadline, &found);
    uint32_t most = is_exact ? MAX_OLDEST : MAX_OLDEST - 1;
    uint32_t known = found.met < most ? found.met : most;
    weft__json_bool(to, "oldest_is_exact", is_exact);
    weft__json_open(to, "oldest", '[');
    for (uint32_t i = 1; i <= known; i++)
        write_task(seen, to, &found.tasks[(found.met - i) % MAX_OLDEST]);
    weft__json_close(to, ']');
}

/* ---- What was seen ---- */

static void write_kind(struct weft__text *to, const struct kind *kind)
{
    weft__json_open(to, NULL, '{');
    weft__json_string(to, "name", kind->task);
    weft__json_string(to, "in", kind->in);
    weft__json_uint(to, "id", kind->last_id);
    weft__json_uint(to, "tasks", kind->tasks);
    weft__json_uint(to, "samples", kind->samples);
    weft__json_close(to, '}');
}

void weft__sample_write(const weft_loop *loop, struct weft__text *to)
{
    const struct seen *seen = seen_of(loop);
    weft__json_open(to, "samples", '{');
    weft__json_uint(to, "taken", seen ? seen->taken : 0);
    weft__json_uint(to, "busy", seen ? seen->busy : 0);
    weft__json_uint(to, "in_tasks", seen ? seen->in_tasks : 0);
    weft__json_open(to, "kinds", '[');
    for (size_t i = 0; seen && i < seen->kind_count; i++)
        write_kind(to, &seen->kinds[i]);
    weft__json_close(to, ']');
    weft__json_close(to, '}');
    write_oldest(loop, seen, to);
}
