/* SPDX-License-Identifier: MIT */
/*
 * GIO: GTask and g_task_run_in_thread(), GLib's own way to call in a thread. How many threads there
 * are is GIO's choice, not ours.
 */
#include <gio/gio.h>

#include "../common/offload.h"

static GMainLoop *loop;

static void work(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source, (void)data, (void)cancellable;
    offload_job();
    g_task_return_boolean(task, TRUE);
}

static void complete(GObject *source, GAsyncResult *result, gpointer slot)
{
    (void)source, (void)result;
    offload_complete(GPOINTER_TO_INT(slot));
}

static void peer_submit(long slot)
{
    GTask *task = g_task_new(NULL, NULL, complete, GINT_TO_POINTER((int)slot));
    g_task_run_in_thread(task, work);
    g_object_unref(task);
}

static void peer_stop(void)
{
    g_main_loop_quit(loop);
}

static gboolean start(gpointer arg)
{
    (void)arg;
    offload_start();
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    offload_args(argc, argv);
    loop = g_main_loop_new(NULL, FALSE);
    g_idle_add(start, NULL);
    g_main_loop_run(loop);
    return 0;
}
