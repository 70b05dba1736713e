/* SPDX-License-Identifier: MIT */
/*
 * GLib: g_main_context_invoke() for each post, an idle source each.
 */
#include <glib.h>

#include "../common/post.h"

static GMainLoop *loop;

static gboolean ran(gpointer arg)
{
    (void)arg;
    if (post_ran())
        g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static void peer_post(void)
{
    g_main_context_invoke(NULL, ran, NULL);
}

static gboolean start(gpointer arg)
{
    (void)arg;
    post_start();
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    post_args(argc, argv);
    loop = g_main_loop_new(NULL, FALSE);
    g_idle_add(start, NULL);
    g_main_loop_run(loop);
    return 0;
}
