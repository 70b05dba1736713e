/* SPDX-License-Identifier: MIT */
/*
 * What a task waits for, in words: "lock 0x55d0, held by task 7 (sell)", "sleep, 990 ms left".
 *
 * The members that each operation has are known here only where their words are special. All others are
 * said as they are called: {"bound": 10} is "bound 10". So an operation that is new is shown, too.
 */
#include "tools/weft/wait.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/weft/text.h"

struct words {
    char *to;
    size_t size, len;
    const char *between;
};

static void add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct words *words, const char *format, ...)
{
    va_list args;
    if (words->len < words->size)
        words->len += (size_t)snprintf(words->to + words->len, words->size - words->len, "%s",
                                       words->len ? words->between : "");
    va_start(args, format);
    if (words->len < words->size)
        words->len +=
            (size_t)vsnprintf(words->to + words->len, words->size - words->len, format, args);
    va_end(args);
}

void describe_thread(const json_t *thread, char *to, size_t size)
{
    const char *call = text_of(thread, "syscall");
    *to = '\0';
    if (json_is_object(thread))
        snprintf(to, size, "%s%s%s", text_of(thread, "state"), *call ? " in " : "", call);
}

static void add_time(struct words *words, int64_t left)
{
    char text[32];
    text_duration(text, sizeof(text), left < 0 ? -left : left);
    add(words, left < 0 ? "due for %s" : "%s left", text);
}

static void add_deadline(struct words *words, const json_t *value)
{
    if (json_is_integer(value))
        add_time(words, number_value(value));
}

/* Members that are said elsewhere. */
static bool is_known(const char *key)
{
    static const char *const known[] = {"kind",   "name",  "made_at", "resource",    "owner",
                                        "owners", "task",  "detail",  "deadline_ns", "fd",
                                        "pid",    "stage", "thread",  "tid"};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(known[i], key) == 0)
            return true;
    return false;
}

static bool is_duration(const char *key)
{
    size_t len = strlen(key);
    return len > 3 && strcmp(key + len - 3, "_ns") == 0;
}

/* The name ends in " ns". */
static void add_duration(struct words *words, const char *name, int64_t ns)
{
    char text[32];
    text_duration(text, sizeof(text), ns);
    add(words, "%.*s %s", (int)strlen(name) - 3, name, text);
}

static void add_others(struct words *words, const json_t *wait)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wait, key, value)
    {
        char name[64];
        snprintf(name, sizeof(name), "%s", key);
        for (char *at = name; *at; at++)
            if (*at == '_')
                *at = ' ';
        if (is_known(key))
            continue;
        if (is_duration(key) && json_is_integer(value))
            add_duration(words, name, number_value(value));
        else if (json_is_integer(value))
            add(words, "%s %" PRId64, name, (int64_t)json_integer_value(value));
        else if (json_is_string(value))
            add(words, "%s %s", name, text_of(wait, key));
    }
}

/* By a descriptor, a thread or a name it is known well enough; by an address alone only by comparing. */
static bool needs_address(const json_t *wait)
{
    return !json_object_get(wait, "fd") && !json_object_get(wait, "tid") &&
           !json_object_get(wait, "pid") && strcmp(text_of(wait, "kind"), "job") != 0;
}

static void add_what(struct words *words, const json_t *wait)
{
    const char *kind = text_of(wait, "kind"), *name = text_of(wait, "name"),
               *resource = needs_address(wait) ? text_of(wait, "resource") : "";
    if (strcmp(kind, "task") == 0)
        add(words, "task %" PRId64 " (%s)", number_of(wait, "task"), name);
    else
        add(words, "%s%s%s%s%s", *kind ? kind : "something", *name ? " " : "", name,
            *resource ? " " : "", resource);
}

/* "read, to read"; "wait_writable, to write" */
static bool is_said_by_kind(const json_t *wait)
{
    const char *kind = text_of(wait, "kind"), *stage = text_of(wait, "stage");
    return (strcmp(stage, "to read") == 0 && strstr(kind, "read")) ||
           (strcmp(stage, "to write") == 0 && strstr(kind, "writ"));
}

/* "held by task 3 (sell)"; of a semaphore there may be several. */
static void add_owners(struct words *words, const json_t *wait)
{
    const json_t *owners = json_object_get(wait, "owners");
    for (size_t i = 0; i < json_array_size(owners); i++) {
        const json_t *owner = json_array_get(owners, i);
        add(words, "held by task %" PRId64 " (%s)", number_of(owner, "task"),
            text_of(owner, "name"));
    }
    if (json_array_size(owners) == 0 && number_of(wait, "owner") > 0)
        add(words, "held by task %" PRId64, number_of(wait, "owner"));
}

void describe_wait(const json_t *wait, char *to, size_t size)
{
    struct words words = {.to = to, .size = size, .between = ", "};
    char thread[TEXT_ROOM];
    *to = '\0';
    if (!json_is_object(wait))
        return;
    add_what(&words, wait);
    add_owners(&words, wait);
    if (json_object_get(wait, "fd") && strncmp(text_of(wait, "detail"), "fd ", 3) != 0)
        add(&words, "fd %" PRId64, number_of(wait, "fd"));
    if (number_of(wait, "pid") > 0)
        add(&words, "process %" PRId64, number_of(wait, "pid"));
    if (number_of(wait, "tid") > 0)
        add(&words, "thread %" PRId64, number_of(wait, "tid"));
    if (*text_of(wait, "stage") && !is_said_by_kind(wait))
        add(&words, "%s", text_of(wait, "stage"));
    if (*text_of(wait, "detail"))
        add(&words, "%s", text_of(wait, "detail"));
    describe_thread(json_object_get(wait, "thread"), thread, sizeof(thread));
    if (*thread)
        add(&words, "thread %s", thread);
    add_others(&words, wait);
    add_deadline(&words, json_object_get(wait, "deadline_ns"));
}

void print_loop(const json_t *loop)
{
    char head[64], less[64] = "", thread[TEXT_ROOM];
    const char *error = text_of(loop, "error"), *state = text_of(loop, "state");
    int64_t tid = number_of(loop, "tid"), tasks = number_of(loop, "task_count");
    size_t listed = json_array_size(json_object_get(loop, "tasks"));
    bool from_outside = strcmp(text_of(loop, "seen"), "from outside") == 0;
    snprintf(head, sizeof(head), "loop %" PRId64, number_of(loop, "id"));
    if (tasks > (int64_t)listed)
        snprintf(less, sizeof(less), ", of which the newest %zu are shown", listed);
    describe_thread(json_object_get(loop, "thread"), thread, sizeof(thread));
    if (*error)
        text_line(head, YELLOW, ", thread %" PRId64 ": %s", tid, error);
    else if (from_outside)
        text_line(head, YELLOW,
                  ", thread %" PRId64 ": %s, %" PRId64 " task%s%s; seen from outside%s", tid, state,
                  tasks, tasks == 1 ? "" : "s", less,
                  is_true(loop, "moved") ? ", and it moved meanwhile" : ", as it did not answer");
    else
        text_line(head, PLAIN, ", thread %" PRId64 ": %" PRId64 " task%s%s", tid, tasks,
                  tasks == 1 ? "" : "s", less);
    if ((from_outside || *error) && *thread)
        text_line("", PLAIN, "  its thread: %s", thread);
}

const json_t *innermost_call(const json_t *task)
{
    const json_t *calls = json_object_get(task, "calls");
    size_t count = json_array_size(calls);
    return count ? json_array_get(calls, count - 1) : task;
}
