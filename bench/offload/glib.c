/* SPDX-License-Identifier: MIT */
/*
 * GLib: a GThreadPool, and g_main_context_invoke_full() back to the main context.
 */
#include <glib.h>

#include "../common/offload.h"

static GMainLoop *loop;
static GThreadPool *pool;

/* A pool takes no NULL: slots count from 1. */
static gboolean complete(gpointer slot)
{
    offload_complete(GPOINTER_TO_INT(slot) - 1);
    return G_SOURCE_REMOVE;
}

static void work(gpointer slot, gpointer arg)
{
    (void)arg;
    offload_job();
    g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, complete, slot, NULL);
}

static void peer_submit(long slot)
{
    g_thread_pool_push(pool, GINT_TO_POINTER((int)slot + 1), NULL);
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
    pool = g_thread_pool_new(work, NULL, offload.threads, TRUE, NULL);
    g_idle_add(start, NULL);
    g_main_loop_run(loop); /* owns the default context, so that invoke() on a worker posts */
    return 0;
}
