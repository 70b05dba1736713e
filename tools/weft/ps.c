/* SPDX-License-Identifier: MIT */
/* weft ps: the tasks of each loop, one a line. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/weft/commands.h"
#include "tools/weft/text.h"
#include "tools/weft/wait.h"

static const char *state_of(const json_t *task, char *to, size_t size)
{
    snprintf(to, size, "%s%s%s%s", text_of(task, "state"),
             number_of(task, "cancel_requested") > 0 ? ", cancelled" : "",
             is_true(task, "shielded") ? ", shielded" : "",
             is_true(task, "in_finally") ? ", finally" : "");
    return to;
}

/* "http_connection > block": the task, and the innermost call, which is where it is. */
static const char *who(const json_t *task, char *to, size_t size)
{
    const json_t *inner = innermost_call(task);
    snprintf(to, size, "%s%s%s", text_of(task, "name"),
             inner == task        ? ""
             : text_look.has_utf8 ? " › "
                                  : " > ",
             inner == task ? "" : text_of(inner, "name"));
    return to;
}

static void add_task(struct table *table, const json_t *task)
{
    char state[64], wait[TEXT_ROOM], name[TEXT_ROOM];
    const json_t *place = json_object_get(innermost_call(task), "awaits_at");
    const json_t *spawned = json_object_get(task, "spawned_at");
    describe_wait(json_object_get(task, "waits_for"), wait, sizeof(wait));
    table_addf(table, "%" PRId64, number_of(task, "id"));
    table_add(table, who(task, name, sizeof(name)));
    table_add(table, state_of(task, state, sizeof(state)));
    table_add(table, text_place(json_string_value(place)));
    table_add(table, text_place(json_string_value(spawned)));
    table_add(table, *wait ? wait : "-");
}

void show_ps(const json_t *answer)
{
    static const char *const heads[] = {">TASK",      "NAME",      "STATE", "AT",
                                        "STARTED AT", "WAITS FOR", NULL};
    size_t i, k;
    json_t *loop, *task;
    json_array_foreach(json_object_get(answer, "loops"), i, loop)
    {
        struct table table = {.heads = heads};
        print_loop(loop);
        json_array_foreach(json_object_get(loop, "tasks"), k, task) add_task(&table, task);
        if (k)
            table_print(&table, 2);
    }
    if (i == 0)
        puts("no loops");
}
