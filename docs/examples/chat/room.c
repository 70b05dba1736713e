/* SPDX-License-Identifier: MIT */
/*
 * Rooms. Who says something is done when the kernel has it for each member, or it lies in the member's outbox:
 * nobody waits for anybody. An outbox is bounded. When one is full its member does not keep up: it has to go
 * (SLOW_CLOSE), or what has waited longest for it is dropped (SLOW_SKIP).
 *
 * Only what the kernel does not take is put into an outbox. If all was, a burst that is said within one turn of
 * the loop, before any sender gets its own, would fill the outboxes of members that keep up.
 *
 * A room that is empty stays, with what was said, until its place is needed for another.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"

enum { FEW = 10 };

/* Those who look at the list of rooms look again. */
static void tell_change(struct chat *chat)
{
    if (weft_broadcast_send(chat->changes, weft_value_i64(0), NULL) < 0)
        return; /* no memory: they look with the next change */
}

/* ---- Rooms ---- */

static void free_room(const struct chat *chat, struct room *room)
{
    for (size_t i = 0; i < chat->options->history; i++)
        message_unref(room->history[i]);
    free(room->history);
    free(room);
}

/* There are as many as there may be: the one that has been empty for longest goes. */
static bool drop_one(struct chat *chat)
{
    struct room **oldest = NULL;
    for (struct room **at = &chat->rooms; *at; at = &(*at)->next)
        if (!(*at)->count && (!oldest || (*at)->emptied < (*oldest)->emptied))
            oldest = at;
    if (!oldest)
        return false;
    struct room *room = *oldest;
    *oldest = room->next;
    free_room(chat, room);
    chat->room_count--;
    return true;
}

/* No room has that of another, or of one that was there before it. */
static int64_t next_epoch(int64_t last)
{
    int64_t now = text_clock();
    return now > last ? now : last + 1;
}

static struct room *make_room(struct chat *chat, const char *name)
{
    struct room *room = calloc(1, sizeof(*room));
    if (!room)
        return NULL;
    room->history = calloc(chat->options->history, sizeof(struct message *));
    if (!room->history) {
        free(room);
        return NULL;
    }
    snprintf(room->name, sizeof(room->name), "%s", name);
    room->epoch = chat->epoch = next_epoch(chat->epoch);
    room->next = chat->rooms;
    chat->rooms = room;
    chat->room_count++;
    return room;
}

struct room *room_find(struct chat *chat, const char *name)
{
    for (struct room *room = chat->rooms; room; room = room->next)
        if (strcmp(room->name, name) == 0)
            return room;
    if (chat->room_count == chat->options->rooms && !drop_one(chat)) {
        errno = ENOSPC;
        return NULL;
    }
    return make_room(chat, name);
}

static int compare(const void *a, const void *b)
{
    const struct room *one = *(struct room *const *)a, *other = *(struct room *const *)b;
    if (one->count != other->count)
        return one->count < other->count ? 1 : -1;
    return strcmp(one->name, other->name);
}

struct room **room_list(const struct chat *chat, size_t *ret_count)
{
    struct room **list = malloc((chat->room_count + 1) * sizeof(struct room *));
    size_t count = 0;
    if (!list)
        return NULL;
    for (struct room *room = chat->rooms; room; room = room->next)
        if (room->count)
            list[count++] = room;
    qsort(list, count, sizeof(struct room *), compare);
    *ret_count = count;
    return list;
}

struct message **room_history(const struct chat *chat, const struct room *room, uint64_t since,
                              size_t *ret_count)
{
    size_t size = chat->options->history;
    struct message **list = malloc(size * sizeof(struct message *));
    size_t count = 0;
    uint64_t first = room->last > size ? room->last - size + 1 : 1;
    if (!list)
        return NULL;
    for (uint64_t id = since >= first ? since + 1 : first; id <= room->last; id++)
        list[count++] = message_ref(room->history[id % size]);
    *ret_count = count;
    return list;
}

void rooms_free(struct chat *chat)
{
    while (chat->rooms) {
        struct room *next = chat->rooms->next;
        free_room(chat, chat->rooms);
        chat->rooms = next;
    }
}

/* ---- Telling ---- */

/* Its outbox is full. */
static bool make_way(struct member *member)
{
    struct chat *chat = member->chat;
    weft_value oldest;
    weft_destructor *destructor;
    if (chat->options->slow == SLOW_CLOSE ||
        weft_queue_get_nowait(member->outbox, &oldest, &destructor) < 0)
        return false;
    message_unref(oldest.ptr);
    member->missed++;
    chat->skipped++;
    return true;
}

static bool put(struct member *member, struct message *message)
{
    if (member_send_now(member, message))
        return true;
    member->idle = false;
    weft_value value = weft_value_ptr(message);
    int status = weft_queue_put_nowait(member->outbox, value, message_unref);
    if (status == -EAGAIN && make_way(member))
        status = weft_queue_put_nowait(member->outbox, value, message_unref);
    if (status == 0)
        message_ref(message);
    return status == 0;
}

static void unlink_member(struct member *member)
{
    struct room *room = member->room;
    *member->place = member->next;
    if (member->next)
        member->next->place = member->place;
    member->room = NULL;
    if (--room->count == 0)
        room->emptied = weft_now();
}

/* Takes the message over. Who cannot take it has to leave, which the others are told in turn. */
static void tell(struct room *room, struct message *message)
{
    struct member *slow = NULL;
    for (struct member *member = room->members, *next; message && member; member = next) {
        next = member->next;
        if (put(member, message))
            continue;
        unlink_member(member);
        member->next = slow;
        slow = member;
    }
    message_unref(message);
    for (struct member *next; slow; slow = next) {
        next = slow->next;
        slow->chat->too_slow++;
        member_dismiss(slow, 1013, "you did not keep up");
        tell(room, message_left(slow->name, "did not keep up"));
        tell_change(slow->chat);
    }
}

/* ---- Members ---- */

static struct member *find_name(const struct room *room, const char *name)
{
    struct member *member = room->members;
    while (member && strcmp(member->name, name) != 0)
        member = member->next;
    return member;
}

static struct member *find_key(const struct room *room, const char *key)
{
    struct member *member = *key ? room->members : NULL;
    while (member && strcmp(member->key, key) != 0)
        member = member->next;
    return member;
}

/* "ada", "ada 2", "ada 3" …; beyond the first few a number that nobody was given: where thousands have one
 * name, each that comes in looks through the list a few times only. */
static void find_free_name(struct room *room, char name[NAME_SIZE])
{
    size_t len = strlen(name);
    for (unsigned i = 2; find_name(room, name); i++)
        snprintf(name + len, NAME_SIZE - len, " %u", i < FEW ? i : FEW + room->namesakes++);
}

/* One who comes again before the old connection is known to be dead. */
static bool take_place(struct room *room, const struct member *self)
{
    struct member *old = find_key(room, self->key);
    if (!old)
        return false;
    bool same = strcmp(old->name, self->name) == 0;
    unlink_member(old);
    member_dismiss(old, 4001, "you came in elsewhere");
    if (!same)
        tell(room, message_left(old->name, "took another name"));
    return same;
}

void room_enter(struct room *room, struct member *self)
{
    bool known = take_place(room, self);
    find_free_name(room, self->name);
    if (!known)
        tell(room, message_joined(self->name));
    self->room = room;
    self->next = room->members;
    self->place = &room->members;
    if (self->next)
        self->next->place = &self->next;
    room->members = self;
    room->count++;
    tell_change(self->chat);
}

void room_leave(struct member *self, const char *why)
{
    struct room *room = self->room;
    if (!room)
        return;
    unlink_member(self);
    if (self->chat->stopping)
        return;
    tell(room, message_left(self->name, why));
    tell_change(self->chat);
}

int room_say(struct member *self, const char *text, size_t len)
{
    struct room *room = self->room;
    if (!room || text_is_blank(text, len))
        return 0;
    struct message *message = message_said(room->last + 1, self->name, text, len);
    if (!message)
        return -ENOMEM;
    room->last++;
    self->chat->said++;
    struct message **place = &room->history[room->last % self->chat->options->history];
    message_unref(*place);
    *place = message_ref(message);
    tell(room, message);
    return 0;
}
