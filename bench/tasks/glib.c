/* SPDX-License-Identifier: MIT */
/*
 * GLib has no tasks: a g_timeout_add() for each.
 */
#include <glib.h>

#include "../common/tasks.h"

static GMainLoop *loop;

static gboolean fire(gpointer arg)
{
    (void)arg;
    if (tasks_one_done())
        g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    tasks_args(argc, argv);
    loop = g_main_loop_new(NULL, FALSE);
    for (long i = 0; i < tasks.count; i++)
        g_timeout_add((guint)tasks.sleep_ms, fire, NULL);
    g_main_loop_run(loop);
    return 0;
}
