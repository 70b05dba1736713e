/* SPDX-License-Identifier: MIT */
/*
 * weft pstree: who awaits whom.
 *
 * The answer is a list of tasks that refer to each other by their ids. The roots are those which no other one
 * waits for or has in a scope. Below a task stand the calls within it, and what the innermost of them
 * waits for; a task that is awaited stands there with all that is below it, once. Where it is awaited again, or
 * waits for itself in a circle, its line says so.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/weft/commands.h"
#include "tools/weft/text.h"
#include "tools/weft/wait.h"

enum { DEEPEST = 64, EDGE_ROOM = DEEPEST * 16 };

struct entry {
    int64_t id;
    const json_t *task;
    bool is_below; /* of another one */
    bool is_shown;
};

struct tree {
    struct entry *entries; /* by their ids */
    size_t count;
    char edge[EDGE_ROOM]; /* what stands before each line */
    int depth;
};

/* ---- Who is who ---- */

static int by_id(const void *a, const void *b)
{
    const struct entry *first = a, *second = b;
    return (first->id > second->id) - (first->id < second->id);
}

static struct entry *find(const struct tree *tree, int64_t id)
{
    struct entry key = {.id = id};
    return tree->count ? bsearch(&key, tree->entries, tree->count, sizeof(*tree->entries), by_id)
                       : NULL;
}

/* Each task to which this value refers, however deep, is below another one. */
static void mark_below(const struct tree *tree, const json_t *value)
{
    size_t i;
    const char *key;
    json_t *member;
    struct entry *entry = NULL;
    if (strcmp(text_of(value, "kind"), "task") == 0)
        entry = find(tree, number_of(value, "task"));
    if (entry)
        entry->is_below = true;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) mark_below(tree, member);
    json_array_foreach(value, i, member) mark_below(tree, member);
}

static bool begin(struct tree *tree, const json_t *loop)
{
    const json_t *tasks = json_object_get(loop, "tasks");
    size_t i, count = json_array_size(tasks);
    json_t *task;
    *tree = (struct tree){.entries = calloc(count + 1, sizeof(*tree->entries)), .count = count};
    if (!tree->entries)
        return false;
    json_array_foreach(tasks, i, task) tree->entries[i] =
        (struct entry){.id = number_of(task, "id"), .task = task};
    qsort(tree->entries, count, sizeof(*tree->entries), by_id);
    json_array_foreach(tasks, i, task)
    {
        mark_below(tree, json_object_get(task, "waits_for"));
        mark_below(tree, json_object_get(task, "scopes"));
    }
    return true;
}

/* ---- Lines ---- */

static void print_line(const struct tree *tree, bool is_last, enum text_colour colour,
                       const char *text)
{
    char line[EDGE_ROOM + 3 * TEXT_ROOM];
    const char *branch = text_look.has_utf8 ? (is_last ? "└─ " : "├─ ") : (is_last ? "`- " : "|- ");
    snprintf(line, sizeof(line), "%s%s", tree->edge, branch);
    int before = text_columns(line);
    fputs(line, stdout);
    snprintf(line, sizeof(line), "%s", text);
    if (text_look.width > 0)
        text_cut(line, sizeof(line), text_look.width > before ? text_look.width - before : 1);
    text_paint(colour, line);
    putchar('\n');
}

/* What is printed next is below the line before, which was the last one there or not. */
static size_t go_down(struct tree *tree, bool is_last)
{
    size_t before = strlen(tree->edge);
    const char *edge = is_last ? "   " : text_look.has_utf8 ? "│  " : "|  ";
    snprintf(tree->edge + before, sizeof(tree->edge) - before, "%s", edge);
    tree->depth++;
    return before;
}

static void go_up(struct tree *tree, size_t before)
{
    tree->edge[before] = '\0';
    tree->depth--;
}

static void print_wait(struct tree *tree, const json_t *wait, bool is_last);

/* ---- A task ---- */

static void add(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(char *to, size_t size, const char *format, ...)
{
    size_t len = strlen(to);
    va_list args;
    va_start(args, format);
    vsnprintf(to + len, size - len, format, args);
    va_end(args);
}

static void add_limit(char *to, size_t size, const json_t *coroutine)
{
    char left[32];
    const json_t *limit = json_object_get(coroutine, "limit_ns");
    if (!json_is_integer(limit))
        return;
    text_duration(left, sizeof(left), number_value(limit));
    add(to, size, ", limit in %s", left);
}

static void add_cancel(char *to, size_t size, const json_t *task)
{
    const json_t *cancel = json_object_get(task, "cancel");
    if (number_of(task, "cancel_requested") <= 0)
        return;
    add(to, size, ", asked to stop");
    if (*text_of(cancel, "by"))
        add(to, size, " by %s", text_of(cancel, "by"));
    if (*text_of(cancel, "reason"))
        add(to, size, ": \"%s\"", text_of(cancel, "reason"));
}

/* "3 worker, waiting at main.c:12, shielded" */
static void describe_task(const json_t *task, char *to, size_t size)
{
    const char *place = json_string_value(json_object_get(task, "awaits_at"));
    snprintf(to, size, "%" PRId64 " %s, %s", number_of(task, "id"), text_of(task, "name"),
             text_of(task, "state"));
    if (place) {
        char clean[TEXT_ROOM];
        text_clean(clean, sizeof(clean), text_place(place));
        add(to, size, " at %s", clean);
    }
    if (is_true(task, "in_finally"))
        add(to, size, ", in WEFT_FINALLY");
    if (is_true(task, "shielded"))
        add(to, size, ", shielded");
    add_limit(to, size, task);
    add_cancel(to, size, task);
}

static void describe_call(const json_t *call, char *to, size_t size)
{
    char clean[TEXT_ROOM];
    const char *place = json_string_value(json_object_get(call, "awaits_at"));
    text_clean(clean, sizeof(clean), text_place(place));
    snprintf(to, size, "%s()%s%s", text_of(call, "name"), place ? " at " : "", place ? clean : "");
    add_limit(to, size, call);
}

/* The calls in a coroutine, one below the other, with what the innermost waits for; and scopes. */
static void print_chain(struct tree *tree, const json_t *coroutine)
{
    const json_t *calls = json_object_get(coroutine, "calls"),
                 *scopes = json_object_get(coroutine, "scopes"),
                 *wait = json_object_get(coroutine, "waits_for");
    size_t depths[DEEPEST], i, count = 0, scope_count = json_array_size(scopes);
    json_t *call, *scope;
    char line[2 * TEXT_ROOM];
    json_array_foreach(scopes, i, scope)
    {
        if (!json_equal(scope, wait)) /* else it closes that one */
            print_wait(tree, scope, i + 1 == scope_count && !wait && json_array_size(calls) == 0);
    }
    json_array_foreach(calls, i, call)
    {
        describe_call(call, line, sizeof(line));
        if (tree->depth + 1 >= DEEPEST)
            break;
        print_line(tree, true, PLAIN, line);
        depths[count++] = go_down(tree, true);
    }
    if (wait)
        print_wait(tree, wait, true);
    while (count > 0)
        go_up(tree, depths[--count]);
}

static void print_task(struct tree *tree, struct entry *entry, bool is_last)
{
    char line[2 * TEXT_ROOM];
    bool is_again = entry->is_shown;
    describe_task(entry->task, line, sizeof(line));
    if (is_again)
        snprintf(line, sizeof(line), "%" PRId64 " %s (see above)", entry->id,
                 text_of(entry->task, "name"));
    entry->is_shown = true;
    bool runs = strcmp(text_of(entry->task, "state"), "running") == 0;
    print_line(tree, is_last, is_again ? DIM : runs ? GREEN : PLAIN, line);
    if (is_again || tree->depth + 1 >= DEEPEST)
        return;
    size_t before = go_down(tree, is_last);
    print_chain(tree, entry->task);
    go_up(tree, before);
}

/* ---- What it waits for ---- */

static void print_children(struct tree *tree, const json_t *wait)
{
    const json_t *children = json_object_get(wait, "children");
    bool is_more = is_true(wait, "more");
    size_t i, count = json_array_size(children);
    json_t *child;
    json_array_foreach(children, i, child) print_wait(tree, child, i + 1 == count && !is_more);
    if (is_more)
        print_line(tree, true, DIM, "(more)");
}

static void print_wait(struct tree *tree, const json_t *wait, bool is_last)
{
    char line[2 * TEXT_ROOM];
    const char *kind = text_of(wait, "kind");
    bool is_call = strcmp(kind, "call") == 0;
    struct entry *entry = strcmp(kind, "task") == 0 ? find(tree, number_of(wait, "task")) : NULL;
    if (entry) {
        print_task(tree, entry, is_last);
        return;
    }
    if (is_call)
        describe_call(wait, line, sizeof(line));
    else
        describe_wait(wait, line, sizeof(line));
    print_line(tree, is_last, is_call ? PLAIN : CYAN, line);
    if (tree->depth + 1 >= DEEPEST)
        return;
    size_t before = go_down(tree, is_last);
    if (is_call)
        print_chain(tree, wait);
    else
        print_children(tree, wait);
    go_up(tree, before);
}

/* ---- Circles ---- */

static void print_cycle(const json_t *cycle)
{
    size_t i;
    json_t *task;
    char left[32];
    text_duration(left, sizeof(left), number_of(cycle, "until_ns"));
    if (is_true(cycle, "for_ever"))
        text_line("  a circle", RED, ", for ever:");
    else
        text_line("  a circle", YELLOW, ", for %s:", left);
    json_array_foreach(json_object_get(cycle, "tasks"), i, task)
    {
        const char *wait = text_of(task, "waits_for"), *at = text_of(task, "awaits_at");
        text_line("", PLAIN, "    %" PRId64 " %s waits for %s%s%s", number_of(task, "id"),
                  text_of(task, "name"), *wait ? wait : "the next", *at ? ", at " : "",
                  *at ? text_place(at) : "");
    }
}

/* Tasks that nobody else waits for; then those that are only in circles. */
static void print_roots(struct tree *tree)
{
    size_t left = 0, order = 0;
    for (size_t i = 0; i < tree->count; i++)
        left += !tree->entries[i].is_below;
    for (size_t i = 0; i < tree->count; i++)
        if (!tree->entries[i].is_below)
            print_task(tree, &tree->entries[i], ++order == left);
    for (size_t i = 0; i < tree->count; i++)
        if (!tree->entries[i].is_shown)
            print_task(tree, &tree->entries[i], true);
}

void show_pstree(const json_t *answer)
{
    size_t i, k;
    json_t *loop, *cycle;
    json_array_foreach(json_object_get(answer, "loops"), i, loop)
    {
        struct tree tree;
        print_loop(loop);
        if (!begin(&tree, loop)) {
            fail("out of memory");
            return;
        }
        print_roots(&tree);
        free(tree.entries);
        json_array_foreach(json_object_get(loop, "cycles"), k, cycle) print_cycle(cycle);
    }
    if (i == 0)
        puts("no loops");
}
