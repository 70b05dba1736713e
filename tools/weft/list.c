/* SPDX-License-Identifier: MIT */
/* weft list: the processes that can be looked into. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/weft/client.h"
#include "tools/weft/commands.h"
#include "tools/weft/text.h"

static int64_t count_tasks(const json_t *hello)
{
    int64_t count = 0;
    size_t i;
    json_t *loop;
    json_array_foreach(json_object_get(hello, "loops"), i, loop) count =
        number_sum(count, number_of(loop, "tasks"));
    return count;
}

static void add_row(struct table *table, const struct weft_client_process *process)
{
    char uptime[32];
    const json_t *hello = process->hello;
    table_addf(table, "%d", process->pid);
    if (!hello) {
        table_add(table, "?");
        for (int i = 0; i < 4; i++)
            table_add(table, "-");
        table_add(table, process->error);
        return;
    }
    text_age(uptime, sizeof(uptime), number_of(hello, "uptime_ns"));
    table_add(table, text_of(hello, "program"));
    table_addf(table, "%zu", json_array_size(json_object_get(hello, "loops")));
    table_addf(table, "%" PRId64, count_tasks(hello));
    table_addf(table, "%" PRId64, number_of(hello, "pools"));
    table_add(table, uptime);
    table_add(table, text_of(hello, "weft"));
}

static void show(const struct weft_client_process *list, size_t count)
{
    static const char *const heads[] = {">PID",   "PROGRAM", ">LOOPS", ">TASKS",
                                        ">POOLS", ">UPTIME", "WEFT",   NULL};
    struct table table = {.heads = heads};
    for (size_t i = 0; i < count; i++)
        add_row(&table, &list[i]);
    if (count)
        table_print(&table, 0);
    else
        puts("no process has a control socket (start one with WEFT_CONTROL=1)");
}

static int show_json(const struct weft_client_process *list, size_t count)
{
    json_t *all = json_object(), *processes = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(processes, list[i].hello ? json_incref(list[i].hello)
                                                       : json_pack("{s:i, s:s}", "pid", list[i].pid,
                                                                   "error", list[i].error));
    int status = EXIT_FAILED;
    if (json_object_set_new(all, "processes", processes) == 0)
        status = print_json(all);
    json_decref(all);
    return status;
}

int run_list(const struct command_line *line)
{
    size_t count;
    struct weft_client_process *list = weft_client_list(&count);
    if (!list)
        return fail("out of memory");
    int status = EXIT_OK;
    if (line->as_json)
        status = show_json(list, count);
    else
        show(list, count);
    weft_client_free_list(list, count);
    return status;
}
