/* SPDX-License-Identifier: MIT */
/*
 * GLib: g_timeout_source_new() and g_source_attach(); g_source_destroy().
 */
#include <glib.h>

#include "../common/timers.h"

static GMainContext *context;
static GSource **sources;

static gboolean fire(gpointer arg)
{
    (void)arg;
    timers_one_fired();
    return G_SOURCE_REMOVE;
}

static void insert(long i, uint32_t ms)
{
    sources[i] = g_timeout_source_new(ms);
    g_source_set_callback(sources[i], fire, NULL, NULL);
    g_source_attach(sources[i], context);
}

int main(int argc, char **argv)
{
    timers_args(argc, argv);
    context = g_main_context_new();
    sources = allocate((size_t)timers.count, sizeof(GSource *));
    timers_begin();
    for (long i = 0; i < timers.count; i++)
        insert(i, timers.ms[i]);
    timers_inserted();
    for (long i = 0; i < timers.count; i++) {
        g_source_destroy(sources[timers.order[i]]);
        g_source_unref(sources[timers.order[i]]);
    }
    timers_cancelled();
    for (long i = 0; i < timers.count; i++) {
        insert(i, timers.soon[i]);
        g_source_unref(sources[i]);
    }
    timers_wait();
    while (timers.fired < timers.count)
        g_main_context_iteration(context, TRUE);
    return 0;
}
