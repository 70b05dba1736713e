/* SPDX-License-Identifier: MIT */
/*
 * `cancel TASK LOOP REASON…`: a request to a task, made on its loop's thread as by weft_cancel_because().
 *
 * Once or not at all: what the loop did not come to in time it will not do later (core/inspect/ask.c), and the
 * answer says which it was. Only where a task's own code does not come back from being asked, that is what
 * is said.
 *
 * Ids are a loop's own. Without the loop's number all are asked first who has such a task, and nothing is done
 * unless all have answered and one has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/inspect/ask.h"
#include "core/inspect/control.h"
#include "core/loop.h"
#include "core/sleep.h"
#include "core/task.h"

/* ---- On the loop ---- */

static weft__coro *find(const weft_loop *loop, uint32_t id)
{
    weft__coro *task = loop->tasks;
    while (task && task->id != id)
        task = task->next;
    return task;
}

static int has_task(weft_loop *loop, const struct weft__subject *subject, struct weft__text *to)
{
    (void)to;
    return find(loop, subject->task) ? 0 : -ESRCH;
}

static const weft_future *awaited_by(const weft__coro *coro)
{
    return weft__is_asleep(coro) ? NULL : weft__pending_await(coro);
}

/* What it is that the request comes to; NULL: nothing that would be special. */
static const char *note_of(const weft__coro *task)
{
    const weft_future *awaited = awaited_by(task);
    const weft__coro *at = task, *call;
    bool is_shielded = weft__coro_has(task, WEFT__SHIELDED);
    while (awaited && (call = weft__coro_of(awaited)) && weft__is_call(call)) {
        at = call;
        is_shielded |= weft__coro_has(at, WEFT__SHIELDED);
        awaited = awaited_by(at);
    }
    if (is_shielded)
        return "it is in a clean-up block: the request is kept until that ends";
    if (weft_task_get_state(&task->future) == WEFT_TASK_NEW)
        return "it had not begun, and never will";
    if (weft__coro_has(at, WEFT__IN_FINALLY))
        return "it is in its WEFT_FINALLY already";
    if (awaited && strcmp(awaited->ops->name, "shield") == 0)
        return "what it awaits is shielded, and goes on without it";
    return NULL;
}

static int cancel_task(weft_loop *loop, const struct weft__subject *subject, struct weft__text *to)
{
    weft__coro *task = find(loop, subject->task);
    if (!task)
        return -ESRCH;
    weft__json_bool(to, "cancelled", true);
    weft__json_uint(to, "loop", loop->id);
    weft__json_uint(to, "task", task->id);
    weft__json_string(to, "name", weft_task_name(&task->future));
    weft__json_string(to, "note", note_of(task));
    return weft__cancel(&task->future, subject->text, "weft cancel") ? 0 : -ESRCH;
}

/* ---- The asker ---- */

struct search {
    uint32_t found[2]; /* the first loops that have it */
    unsigned count;    /* how many have */
    unsigned silent;   /* have not answered */
    uint32_t last_silent;
};

static void note_found(void *arg, const struct weft__answer *answer)
{
    struct search *search = arg;
    if (answer->seen != WEFT__BY_ITSELF) {
        search->silent++;
        search->last_silent = answer->loop_id;
    } else if (answer->status == 0) {
        if (search->count < 2)
            search->found[search->count] = answer->loop_id;
        search->count++;
    }
}

static void add_error(struct weft__text *to, const char *format, ...) WEFT_PRINTF(2, 3);
static void add_error(struct weft__text *to, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    weft__json_string(to, "error", text);
}

/* The loop that has it; 0: it is said why that is not known. */
static uint32_t find_loop(uint32_t task, struct weft__text *to)
{
    struct weft__question question = {.subject.task = task, .by_itself = has_task};
    struct search search = {0};
    int status = weft__ask(&question, note_found, &search);
    if (status < 0)
        to->status = status;
    else if (search.count == 1 && !search.silent)
        return search.found[0];
    else if (search.silent)
        add_error(to, "nothing was done: loop %u did not answer within 200 ms", search.last_silent);
    else if (search.count > 1)
        add_error(to, "nothing was done: loops %u and %u have a task %u; say which",
                  search.found[0], search.found[1], task);
    else
        add_error(to, "there is no task %u", task);
    return 0;
}

struct request {
    struct weft__text *to;
    uint32_t loop, task;
    bool is_answered;
};

static void show(void *arg, const struct weft__answer *answer)
{
    struct request *request = arg;
    struct weft__text *to = request->to;
    request->is_answered = true;
    if (answer->seen == WEFT__UNDER_WAY)
        add_error(to, "loop %u has begun to cancel task %u, and has not come back from it",
                  request->loop, request->task);
    else if (answer->seen != WEFT__BY_ITSELF)
        add_error(to, "nothing was done: loop %u did not answer within 200 ms", request->loop);
    else if (answer->status < 0)
        add_error(to, "loop %u has no task %u", request->loop, request->task);
    else if (answer->text->status < 0)
        to->status = answer->text->status;
    else
        weft__text_add_bytes(to, answer->text->data, answer->text->len);
}

bool weft__ctl_take_id(char **at, unsigned long least, uint32_t *ret)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(*at, &end, 10);
    if (**at < '0' || **at > '9' || (*end != ' ' && *end != '\0') || errno || value < least ||
        value > UINT32_MAX)
        return false;
    *ret = (uint32_t)value;
    *at = end + (*end == ' ');
    return true;
}

void weft__ctl_cancel(char *arguments, struct weft__text *to)
{
    struct weft__question question = {.by_itself = cancel_task};
    struct request request = {.to = to};
    if (!weft__ctl_take_id(&arguments, 1, &request.task) ||
        !weft__ctl_take_id(&arguments, 0, &request.loop)) {
        add_error(to, "cancel takes a task's id, a loop's or 0, and a reason");
        return;
    }
    if (strlen(arguments) >= sizeof(question.subject.text)) {
        add_error(to, "the reason is too long");
        return;
    }
    if (request.loop == 0 && (request.loop = find_loop(request.task, to)) == 0)
        return;
    question.loop_id = request.loop;
    question.subject.task = request.task;
    snprintf(question.subject.text, sizeof(question.subject.text), "%s",
             *arguments ? arguments : "no reason was given");
    int status = weft__ask(&question, show, &request);
    if (status < 0)
        to->status = status;
    else if (!request.is_answered)
        add_error(to, "there is no loop %u", request.loop);
}
