/* SPDX-License-Identifier: MIT */
#include "virtual.h"

#include <stdlib.h>

enum { TASKS = 5, FUTURES = 2, OPS = 5 };

enum kind {
    SLEEP,
    AWAIT,
    CANCEL,
    WAIT_FUTURE,
    SET_FUTURE,
    GATHER,
    GATHER_ALL,
    SHIELD,
    LIMITED_AWAIT,
    WAIT_FOR_SOME,
    WAIT_EVENT,
    SET_EVENT,
    CLEAR_EVENT,
    SEMAPHORE,
    LOCK,
    CALL,
    SPAWN,
    CANCEL_LATER,
    FAIL,
    LIMITED_SLEEP,
    SCOPE,
    UNCANCEL,
    KINDS
};

static const char *const names[KINDS] = {
    "sleep",       "await",         "cancel",        "wait future",   "set future", "gather",
    "gather all",  "shield",        "limited await", "wait for some", "wait event", "set event",
    "clear event", "semaphore",     "lock",          "call",          "spawn",      "cancel later",
    "fail",        "limited sleep", "scope",         "uncancel"};

struct op {
    unsigned kind, seconds, x, y, answer;
};

struct program {
    struct op ops[TASKS][OPS];
    unsigned count[TASKS];
};

static struct world {
    weft_future *tasks[TASKS], *futures[FUTURES];
    weft_event *event;
    weft_semaphore *semaphore;
    weft_lock *lock;
} world;

static unsigned draw(uint64_t *lot, unsigned count)
{
    *lot = *lot * 6364136223846793005 + 1442695040888963407;
    return (unsigned)((*lot >> 33) % count);
}

static void draw_program(uint64_t lot, struct program *ret)
{
    for (int task = 0; task < TASKS; task++) {
        ret->count[task] = 1 + draw(&lot, OPS);
        for (unsigned i = 0; i < ret->count[task]; i++) {
            struct op *op = &ret->ops[task][i];
            op->kind = draw(&lot, KINDS);
            op->seconds = draw(&lot, 4);
            op->x = draw(&lot, 60);
            op->y = draw(&lot, 60);
            op->answer = draw(&lot, 3);
        }
    }
}

/* ---- What the programs do ---- */

struct sub {
    WEFT_FRAME;
    int index, number;
    const char *letter;
    unsigned seconds;
    bool fails;
};

static WEFT_ASYNC(sub)
{
    WEFT_BEGIN;
    say("%d.%d%s begins", self->index, self->number, self->letter);
    WEFT_AWAIT(weft_sleep(WEFT_S(self->seconds)));
    if (self->fails)
        WEFT_FAIL(-EIO, "by lot");
    WEFT_FINALLY;
    say("%d.%d%s ends", self->index, self->number, self->letter);
    WEFT_END;
}

struct held {
    WEFT_FRAME;
    bool is_lock, is_held;
    unsigned seconds;
};

static WEFT_ASYNC(held)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->is_lock ? weft_lock_acquire(world.lock)
                             : weft_semaphore_acquire(world.semaphore));
    self->is_held = true;
    WEFT_AWAIT(weft_sleep(WEFT_S(self->seconds)));
    WEFT_FINALLY;
    if (self->is_held && self->is_lock)
        weft_lock_release(world.lock);
    else if (self->is_held)
        weft_semaphore_release(world.semaphore);
    WEFT_END;
}

struct limited {
    WEFT_FRAME;
    unsigned seconds;
    weft_future *task; /* NULL: a sleep */
    unsigned sleep;
    weft_timeout *limit;
    int status;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(WEFT_S(self->seconds));
    WEFT_CATCH(self->status, self->task ? self->task : weft_sleep(WEFT_S(self->sleep)));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status < 0)
        WEFT_FAIL(self->status, "%s", WEFT_CAUGHT_MESSAGE ? WEFT_CAUGHT_MESSAGE : "");
    WEFT_END;
}

struct scoped {
    WEFT_FRAME;
    int index, number;
    const struct op *op;
    weft_scope *group;
};

static WEFT_ASYNC(scoped)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, sub, .index = self->index, .number = self->number, .letter = "a",
                     .seconds = self->op->x % 4, .fails = self->op->x % 3 == 0);
    weft_scope_spawn(self->group, sub, .index = self->index, .number = self->number, .letter = "b",
                     .seconds = self->op->y % 4, .fails = self->op->y % 3 == 0);
    WEFT_AWAIT(weft_sleep(WEFT_S(self->op->seconds)));
    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->group);
    WEFT_END;
}

struct scope {
    WEFT_FRAME;
    int index, number;
    const struct op *op;
    int status;
};

static WEFT_ASYNC(scope)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status,
               weft_call(scoped, .index = self->index, .number = self->number, .op = self->op));
    if (self->status == WEFT_EGROUP)
        WEFT_FAIL(-EIO, "%zu of a scope", weft_errors_count(WEFT_CAUGHT_ERRORS));
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

static void cancel(void *task)
{
    weft_cancel(task);
}

struct some {
    WEFT_FRAME;
    const struct op *op;
    weft_future *a, *b;
    weft_waited *waited;
};

static weft_future *wait_for(const struct op *op, weft_future *a, weft_future *b)
{
    enum weft_wait_mode mode = (enum weft_wait_mode)(op->y % 3);
    if (a != b)
        return weft_wait(mode, WEFT_S(op->seconds), a, b);
    weft_unref(b);
    return weft_wait(mode, WEFT_S(op->seconds), a);
}

static WEFT_ASYNC(some)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->waited, wait_for(self->op, self->a, self->b));
    WEFT_RETURN(weft_waited_done_count(self->waited));
    WEFT_FINALLY;
    weft_waited_free(self->waited);
    WEFT_END;
}

/* What waits for tasks behind this one: so nobody waits for itself. */
static weft_future *start_for_others(int index, const struct op *op)
{
    unsigned behind = (unsigned)(TASKS - 1 - index);
    weft_future *a = weft_ref(world.tasks[(unsigned)index + 1 + op->x % behind]);
    if (op->kind == AWAIT)
        return a;
    if (op->kind == SHIELD)
        return weft_shield(a);
    if (op->kind == LIMITED_AWAIT)
        return weft_call(limited, .seconds = op->seconds, .task = a);
    weft_future *b = weft_ref(world.tasks[(unsigned)index + 1 + op->y % behind]);
    if (op->kind == WAIT_FOR_SOME)
        return weft_call(some, .op = op, .a = a, .b = b);
    return weft_gather_with(op->kind == GATHER ? WEFT_GATHER_FIRST_ERROR : WEFT_GATHER_ALL, a, b);
}

static const char *digit(unsigned number)
{
    static char text[12];
    snprintf(text, sizeof(text), "%u", number);
    return text;
}

/* Something to wait for; NULL: it is done, and *ret_text says how. */
static weft_future *start(int index, int number, const struct op *op, const char **ret_text)
{
    weft_future *future = world.futures[op->x % FUTURES];
    *ret_text = "done";
    if (op->kind == SLEEP)
        return weft_sleep(WEFT_S(op->seconds));
    if (op->kind == WAIT_FUTURE)
        return weft_ref(future);
    if (op->kind == WAIT_EVENT)
        return weft_event_wait(world.event);
    if (op->kind == SEMAPHORE || op->kind == LOCK)
        return weft_call(held, .is_lock = op->kind == LOCK, .seconds = op->seconds);
    if (op->kind == CALL)
        return weft_call(sub, .index = index, .number = number, .letter = "",
                         .seconds = op->seconds);
    if (op->kind == SPAWN)
        return weft_spawn(sub, .index = index, .number = number, .letter = "",
                          .seconds = op->seconds);
    if (op->kind == LIMITED_SLEEP)
        return weft_call(limited, .seconds = op->seconds, .sleep = op->x % 4);
    if (op->kind == SCOPE)
        return weft_call(scope, .index = index, .number = number, .op = op);
    if (op->kind == FAIL)
        return weft_future_failed(-EIO, "by lot");
    if (op->kind == CANCEL)
        *ret_text = truth(weft_cancel(world.tasks[op->x % TASKS]));
    else if (op->kind == UNCANCEL)
        *ret_text = digit(weft_uncancel(weft_current_task()));
    else if (op->kind == CANCEL_LATER)
        weft_unref(weft_call_later(WEFT_S(op->seconds), cancel, world.tasks[op->x % TASKS]));
    else if (op->kind == SET_FUTURE)
        weft_future_resolve(future, weft_value_ptr(NULL), NULL);
    else if (op->kind == SET_EVENT)
        weft_event_set(world.event);
    else if (op->kind == CLEAR_EVENT)
        weft_event_clear(world.event);
    else if (index < TASKS - 1)
        return start_for_others(index, op);
    else
        *ret_text = "nobody to wait for";
    return NULL;
}

/* ---- The tasks ---- */

struct actor {
    WEFT_FRAME;
    int index;
    const struct program *program;
    unsigned number;
    const struct op *op;
    weft_future *future;
    int64_t value;
    const char *text;
    int status;
};

#define SAY(text, ...) say("%d.%u " text, self->index, self->number, __VA_ARGS__)

static WEFT_ASYNC(actor)
{
    WEFT_BEGIN;
    for (; self->number < self->program->count[self->index]; self->number++) {
        self->op = &self->program->ops[self->index][self->number];
        SAY("%s", names[self->op->kind]);
        self->future = start(self->index, (int)self->number, self->op, &self->text);
        self->status = 0;
        if (self->future && self->op->kind == WAIT_FOR_SOME)
            WEFT_CATCH_INTO(self->status, self->value, self->future);
        else if (self->future)
            WEFT_CATCH(self->status, self->future);
        if (self->status == 0 && self->op->kind == WAIT_FOR_SOME && self->future) {
            SAY("%d done", (int)self->value);
        } else if (self->status == 0) {
            SAY("%s", self->text);
        } else if (self->status == -ECANCELED) {
            SAY("cancelled, %u asked", weft_cancelling(weft_current_task()));
            if (self->op->answer == 0)
                WEFT_FAIL(self->status);
            if (self->op->answer == 1) {
                WEFT_AWAIT(weft_sleep(WEFT_S(1)));
                SAY("%s", "has cleaned up");
                WEFT_FAIL(-ECANCELED);
            }
        } else if (self->status == -ETIMEDOUT) {
            SAY("%s", "timed out");
        } else {
            SAY("failed: %s", WEFT_CAUGHT_MESSAGE);
            if (self->op->answer == 0)
                WEFT_FAIL(self->status, "%s", WEFT_CAUGHT_MESSAGE);
        }
    }
    say("%d ends", self->index);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    const struct program *program;
    weft_future *all[TASKS];
    int round;
};

static void say_outcomes(void)
{
    printf("[%g] main:", (double)weft_now() / (double)WEFT_S(1));
    for (int i = 0; i < TASKS; i++)
        printf("%s %s", i ? "," : "", outcome(world.tasks[i]));
    puts("");
}

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    for (int i = 0; i < TASKS; i++)
        world.tasks[i] = weft_spawn(actor, .index = i, .program = self->program);
    for (self->round = 0; self->round < OPS + 2; self->round++) {
        for (int i = 0; i < TASKS; i++)
            weft_ref(world.tasks[i]);
        WEFT_AWAIT(weft_wait_array(TASKS, world.tasks, WEFT_ALL, WEFT_S(50)));
        say_outcomes();
        for (int i = 0; i < TASKS; i++)
            weft_cancel(world.tasks[i]);
    }
    WEFT_FINALLY;
    for (int i = 0; i < TASKS; i++)
        weft_unref(world.tasks[i]);
    WEFT_END;
}

static void ignore(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
}

static int run(uint64_t seed)
{
    struct program program;
    draw_program(seed, &program);
    weft_loop_set_error_handler(virtual_loop_new(), ignore, NULL);
    for (int i = 0; i < FUTURES; i++)
        world.futures[i] = weft_future_new();
    world.event = weft_event_new();
    world.semaphore = weft_semaphore_new(1, 0);
    world.lock = weft_lock_new();
    printf("program %d\n", (int)seed);
    int status =
        weft_loop_run_until(weft_loop_current(), weft_spawn(main_task, .program = &program));
    for (int i = 0; i < FUTURES; i++)
        weft_unref(world.futures[i]);
    weft_event_free(world.event);
    weft_semaphore_free(world.semaphore);
    weft_lock_free(world.lock);
    weft_loop_free(weft_loop_current());
    return status;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 2 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
    for (uint64_t seed = first; seed < first + count; seed++)
        if (run(seed) < 0)
            return 1;
    return 0;
}
