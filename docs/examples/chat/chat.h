/* SPDX-License-Identifier: MIT */
/*
 * A chat: rooms, those who are in them, and the page by which they talk.
 *
 *     page ──a text──► member (a task) ──► room: numbered, kept, sent to each member
 *                                            │                    │ what the kernel does not take
 *     page ◄──JSON── WebSocket ◄─────────────┘                    ▼
 *                        ◄── sender (a task of each member) ◄── outbox
 *
 *     main.c      options, start and end
 *     member.c    a WebSocket: come in, read, write, leave
 *     room.c      who is there, what was said, and what becomes of who is too slow
 *     list.c      which rooms there are, as server-sent events
 *     message.c   what is said, as JSON that all members share
 *     text.c      texts that grow; what may be a name
 *     page.html   the page, all of it
 */
#ifndef CHAT_H
#define CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/broadcast.h>
#include <weft/http_events.h>
#include <weft/http_server.h>
#include <weft/queue.h>
#include <weft/websocket.h>
#include <weft/weft.h>

/* ---- text.c ---- */

/** Zeroed: empty. Out of memory is kept in `failed` and drops what follows. */
struct text {
    char *data;
    size_t len, room;
    bool failed;
};

void text_add(struct text *text, const void *data, size_t len);
void text_addf(struct text *text, const char *format, ...) WEFT_PRINTF(2, 3);
/** As a string of JSON, with its quotes. */
void text_add_string(struct text *text, const char *string, size_t len);

enum {
    MOST_CHARACTERS = 32,                 /* of a name */
    NAME_SIZE = 4 * MOST_CHARACTERS + 16, /* bytes, with room for a number and a NUL */
    KEY_SIZE = 65
};

/** A name without the spaces around it; false: it is none, being empty, too long or not plain UTF-8. */
bool text_name(const char *from, char ret[NAME_SIZE]);
bool text_is_blank(const char *data, size_t len);
/** Milliseconds since 1970. */
int64_t text_clock(void);

/* ---- message.c ---- */

/** What members are told, made once and shared by all outboxes and the history. */
struct message {
    size_t refs;
    uint64_t id; /* what was said has one; 0: a notice */
    size_t len;
    char data[]; /* JSON */
};

struct message *message_ref(struct message *message);
void message_unref(void *message);

/* Each returns one reference; NULL: out of memory. */
struct message *message_said(uint64_t id, const char *name, const char *text, size_t len);
struct message *message_joined(const char *name);
struct message *message_left(const char *name, const char *why);
struct message *message_missed(uint64_t count);

/* ---- What is the same for all ---- */

enum slow {
    SLOW_CLOSE, /* who does not keep up has to go */
    SLOW_SKIP   /* … misses what is oldest, and is told how much */
};

struct options {
    const char *address, *origins, *certificate, *key;
    size_t history;     /* messages that are kept of a room */
    size_t outbox;      /* messages that may wait for a member */
    size_t rate, burst; /* messages of a member: a second, and at once */
    size_t most_bytes;  /* of a message */
    size_t rooms, connections;
    enum slow slow;
};

struct chat {
    const struct options *options;
    int64_t epoch; /* of the room that was made last */
    struct room *rooms;
    size_t room_count;
    weft_broadcast *changes; /* of who is where */
    bool stopping;
    uint64_t said, skipped, too_slow; /* so far */
};

/* ---- room.c ---- */

struct room {
    struct room *next;
    char name[NAME_SIZE];
    int64_t epoch;          /* numbers of messages are of this one: it is when the room was made */
    struct member *members; /* a list, who came last at first */
    size_t count;
    uint64_t last;            /* what was said last */
    struct message **history; /* a ring: `id` is at `id % options->history`; a reference each */
    weft_ns emptied;          /* when the last one left */
    unsigned namesakes;       /* numbers beyond the first few that names were given */
};

/** The room of that name, made if need be; NULL and errno: ENOSPC (too many), ENOMEM. */
struct room *room_find(struct chat *chat, const char *name);
/** Those that are not empty, most members first; to be freed. NULL: out of memory. */
struct room **room_list(const struct chat *chat, size_t *ret_count);
/** What was said after `since`, the oldest first, a reference each; to be freed. NULL: out of memory. */
struct message **room_history(const struct chat *chat, const struct room *room, uint64_t since,
                              size_t *ret_count);
void rooms_free(struct chat *chat);

/** `self->name` becomes one that nobody else has; the others are told. With the key of somebody who is
 * there, it takes that one's place. */
void room_enter(struct room *room, struct member *self);
/** The others are told. Nothing if it has left before. */
void room_leave(struct member *self, const char *why);
/** 0, -ENOMEM. */
int room_say(struct member *self, const char *text, size_t len);

/* ---- member.c ---- */

/** A member: the handler of a WebSocket. */
struct member {
    WEFT_FRAME;
    weft_http_request *request;
    struct chat *chat;
    weft_websocket *socket;
    struct room *room;            /* NULL: in none (any more) */
    struct member *next, **place; /* in the room's list */
    char name[NAME_SIZE], key[KEY_SIZE];
    weft_queue *outbox; /* of messages, a reference each */
    bool idle;          /* all that it was told is sent, or about to be, and the sender waits */
    uint64_t missed;    /* that were dropped, and that it was not told of */
    struct message **history;
    size_t history_count;
    uint64_t since;
    weft_future *sender;
    struct weft_websocket_message *message;
    weft_ns busy_until; /* when all that it has said was said at its rate */
    weft_ns wait;
    int status;
};

WEFT_ASYNC_DECLARE(member);

/** Send it if nothing else waits to be sent; false: the outbox is the place for it. */
bool member_send_now(const struct member *self, const struct message *message);

/** It is in no room any more: what waits for it is dropped, and it is told why. */
void member_dismiss(struct member *self, int code, const char *reason);

/* ---- list.c ---- */

struct list {
    WEFT_FRAME;
    weft_http_request *request;
    struct chat *chat;
    weft_receiver *changes;
    void *change;
    struct text text;
    int status;
};

WEFT_ASYNC_DECLARE(list);

#endif
