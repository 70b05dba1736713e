/* SPDX-License-Identifier: MIT */
/*
 * Parts: what other layers add to a loop, so that core need not know them.
 *
 * Most are only asked when the loop ends. A part may also be a second way by which other threads meet
 * the loop, beside the mailbox: rings of a pool's own, say. Such a part has mail, and stands in a
 * list of its own, which costs a loop without one a predictable branch:
 *
 *     thread   publishes (seq_cst), then calls weft__mailbox_nudge()
 *     loop     says that it sleeps, asks has_mail() (seq_cst), and polls without blocking if there is
 *              some: weft__loop_may_sleep(). core/mailbox.c argues that no wakeup is lost
 *     tick     collect(), then the mailbox is taken. What came by the mailbox is queued first. So
 *              what a thread put there before it published something here is run before it
 *     its end  flush(): the part publishes what it has kept back for other threads. It asked
 *              weft__loop_flushes() before, so that nothing is asked between most ticks
 */
#include "core/loop.h"

struct weft__part *weft__loop_part(weft_loop *loop, const struct weft__part_ops *ops)
{
    struct weft__part *part = loop->parts;
    while (part && part->ops != ops)
        part = part->next;
    return part;
}

void weft__loop_add_part(weft_loop *loop, struct weft__part *part)
{
    struct weft__part **end = &loop->parts;
    while (*end)
        end = &(*end)->next;
    part->next = NULL;
    *end = part;
    if (!part->ops->has_mail)
        return;
    part->next_mail = loop->mail_parts;
    loop->mail_parts = part;
}

static bool part_has_mail(const weft_loop *loop)
{
    struct weft__part *part = loop->mail_parts;
    while (part && !part->ops->has_mail(part))
        part = part->next_mail;
    return part;
}

bool weft__loop_has_mail(const weft_loop *loop)
{
    return !weft__mailbox_is_empty(loop->mailbox) || part_has_mail(loop);
}

bool weft__loop_may_sleep(weft_loop *loop)
{
    if (!weft__mailbox_may_sleep(loop->mailbox))
        return false;
    if (!part_has_mail(loop))
        return true;
    weft__mailbox_awake(loop->mailbox);
    return false;
}

void weft__loop_take_mail(weft_loop *loop)
{
    weft__item *last;
    weft__ready collected;
    weft__ready_init(&collected);
    for (struct weft__part *part = loop->mail_parts; part; part = part->next_mail)
        part->ops->collect(part, &collected);
    weft__item *first = weft__mailbox_take(loop->mailbox, &last);
    weft__loop_queue_mail(loop, first, last);
    if (collected.head)
        weft__loop_queue_mail(loop, collected.head,
                              WEFT__CONTAINER(collected.tail, weft__item, next));
}

void weft__parts_flush(weft_loop *loop)
{
    for (struct weft__part *part = loop->mail_parts; part; part = part->next_mail)
        part->ops->flush(part);
}
