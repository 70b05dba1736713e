/* SPDX-License-Identifier: MIT */
/*
 * The loop's processes: what happens to them when the loop ends, or goes on in a forked child.
 *
 * At the end those that run are stopped (settle), the loop serves until all have ended, and names
 * those that have not by the deadline. These are killed when the loop is freed (give_up): there the
 * loop ticks no more, so each is waited for here, for a moment.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "core/memory.h"
#include "core/process.h"

enum { LAST_WAIT_MS = 1000 };

static size_t count_running(struct weft__part *part)
{
    struct weft__processes *own = (struct weft__processes *)(void *)part;
    size_t count = 0;
    for (weft__link *link = own->list; link; link = link->next)
        count += weft__process_of(link)->state != WEFT__PROCESS_ENDED;
    return count;
}

static void settle(struct weft__part *part)
{
    struct weft__processes *own = (struct weft__processes *)(void *)part;
    own->settled = true;
    for (weft__link *link = own->list, *next; link; link = next) {
        weft_process *process = weft__process_of(link);
        process->pins++;
        weft__process_begin_stop(process);
        if (process->talk)
            weft__talk_fail(process->talk, -ECANCELED, NULL);
        next = link->next;
        weft__process_unpin(process);
    }
}

static void list(struct weft__part *part, void (*add)(void *to, const struct weft_stuck *stuck),
                 void *to)
{
    struct weft__processes *own = (struct weft__processes *)(void *)part;
    for (weft__link *link = own->list; link; link = link->next) {
        struct weft_stuck stuck = {.kind = "process", .name = weft__process_of(link)->name};
        if (weft__process_of(link)->state != WEFT__PROCESS_ENDED)
            add(to, &stuck);
    }
}

static weft_process *first_running(const struct weft__processes *part)
{
    weft__link *link = part->list;
    while (link && weft__process_of(link)->state == WEFT__PROCESS_ENDED)
        link = link->next;
    return link ? weft__process_of(link) : NULL;
}

/* It was killed: the kernel needs a moment, or for ever. */
static void wait_a_little(weft_process *process)
{
    for (int i = 0; i < LAST_WAIT_MS; i++) {
        if (weft__process_check_end(process))
            return;
        poll(NULL, 0, 1);
    }
    weft__process_become_ended(process, -ECHILD, true);
}

static void give_up(struct weft__part *part)
{
    struct weft__processes *own = (struct weft__processes *)(void *)part;
    for (weft_process *process; (process = first_running(own));) {
        weft__process_kill_now(process);
        wait_a_little(process);
    }
}

static weft_process *first_talking(const struct weft__processes *part)
{
    weft__link *link = part->list;
    while (link && !weft__process_of(link)->talk)
        link = link->next;
    return link ? weft__process_of(link) : NULL;
}

/* They are the parent's: nobody here can wait for them, and they must not be signalled. Telling of
 * that may free any of them. */
static void after_fork(struct weft__part *part)
{
    struct weft__processes *own = (struct weft__processes *)(void *)part;
    for (weft_process *process; (process = first_running(own));)
        weft__process_become_ended(process, -ECHILD, true);
    for (weft_process *process; (process = first_talking(own));)
        weft__talk_fail(process->talk, -ECHILD, NULL);
}

static void free_part(struct weft__part *part)
{
    struct weft__processes *own = (struct weft__processes *)(void *)part;
    while (own->list) {
        weft_process *process = weft__process_of(own->list);
        for (int i = 0; i < 3; i++)
            weft__process_close_fd(process, i);
        weft__process_release(process);
    }
    if (own->hears)
        weft__signal_ignore(&own->children); /* the mailbox is closed: no item is under way */
    weft__free(own);
}

static const struct weft__part_ops part_ops = {.name = "process",
                                               .settle = settle,
                                               .pending = count_running,
                                               .list = list,
                                               .give_up = give_up,
                                               .after_fork = after_fork,
                                               .free = free_part};

int weft__processes_get(weft_loop *loop, struct weft__processes **ret)
{
    struct weft__processes *part =
        (struct weft__processes *)(void *)weft__loop_part(loop, &part_ops);
    if (loop->phase == WEFT__CLOSED || (part && part->settled))
        return -ESHUTDOWN;
    if (!part) {
        part = weft__calloc(1, sizeof(*part));
        if (!part)
            return -ENOMEM;
        part->part.ops = &part_ops;
        part->loop = loop;
        weft__loop_add_part(loop, &part->part);
    }
    *ret = part;
    return 0;
}
