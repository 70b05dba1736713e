/* SPDX-License-Identifier: MIT */
/*
 * GLib. MODE_=source (default): idle sources that stay; MODE_=add: g_idle_add() for every step.
 */
#include <glib.h>

#include "../common/sched.h"

static GMainLoop *loop;
static long live;
static int adds;

static gboolean step(gpointer arg)
{
    long *left = arg;
    if (--*left > 0) {
        if (!adds)
            return G_SOURCE_CONTINUE;
        g_idle_add(step, left);
    } else if (--live == 0) {
        sched_end();
        g_main_loop_quit(loop);
    }
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    sched_args(argc, argv, "chain STEPS | yield TASKS YIELDS");
    adds = is_set("MODE_", "add");
    loop = g_main_loop_new(NULL, FALSE);
    live = sched.tasks;
    long *left = allocate((size_t)sched.tasks, sizeof(*left));
    sched_begin();
    for (long i = 0; i < sched.tasks; i++) {
        left[i] = sched.of_each;
        g_idle_add(step, &left[i]);
    }
    g_main_loop_run(loop);
    return 0;
}
