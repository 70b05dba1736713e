/* SPDX-License-Identifier: MIT */
/*
 * A member, from its WebSocket's beginning to its end: two tasks. The handler receives what it says; the
 * sender waits for its connection with what lies in the outbox, so that nobody else has to.
 *
 * What a member says faster than it may is not refused: it is read no faster, and the kernel makes the
 * client wait.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"

/* ---- The sender ---- */

struct send_all {
    WEFT_FRAME;
    struct member *member;
    struct message *message;
    size_t at; /* of the history */
};

static void add_names(struct text *text, const struct room *room)
{
    const char *comma = "";
    for (const struct member *member = room->members; member; member = member->next) {
        text_addf(text, "%s", comma);
        text_add_string(text, member->name, strlen(member->name));
        comma = ",";
    }
}

/* The beginning of the first message: all but what was said before. */
static int start_welcome(struct member *member)
{
    struct text text = {.data = NULL};
    const struct chat *chat = member->chat;
    size_t count = member->history_count;
    uint64_t first = count ? member->history[0]->id : member->room->last + 1;
    text_addf(&text, "{\"type\":\"welcome\",\"epoch\":%" PRId64 ",\"most\":%zu,\"missed\":%" PRIu64,
              member->room->epoch, chat->options->most_bytes,
              member->since ? first - member->since - 1 : 0);
    text_addf(&text, ",\"room\":");
    text_add_string(&text, member->room->name, strlen(member->room->name));
    text_addf(&text, ",\"name\":");
    text_add_string(&text, member->name, strlen(member->name));
    text_addf(&text, ",\"members\":[");
    add_names(&text, member->room);
    text_addf(&text, "],\"history\":[");
    weft_websocket_start(member->socket, WEFT_WEBSOCKET_TEXT);
    int status = text.failed ? -ENOMEM : weft_websocket_write(member->socket, text.data, text.len);
    free(text.data);
    return status;
}

/* A part of it. */
static void write_history(struct send_all *self)
{
    const struct message *message = self->member->history[self->at];
    if (self->at)
        weft_websocket_write(self->member->socket, ",", 1);
    weft_websocket_write(self->member->socket, message->data, message->len);
}

static void send_message(const struct member *member, const struct message *message)
{
    if (message)
        weft_websocket_send(member->socket, WEFT_WEBSOCKET_TEXT, message->data, message->len);
}

/* What was dropped comes before what was not. */
static void send_missed(struct member *member)
{
    struct message *notice = member->missed ? message_missed(member->missed) : NULL;
    send_message(member, notice);
    message_unref(notice);
    member->missed = 0;
}

static WEFT_ASYNC(send_all)
{
    struct member *member = self->member;
    WEFT_BEGIN;
    while (self->at < member->history_count) {
        write_history(self);
        self->at++;
        WEFT_AWAIT(weft_websocket_drain(member->socket));
    }
    weft_websocket_write(member->socket, "]}", 2);
    weft_websocket_end(member->socket);
    for (;;) {
        WEFT_AWAIT(weft_websocket_drain(member->socket));
        member->idle = weft_queue_is_empty(member->outbox);
        WEFT_AWAIT_INTO(self->message, weft_queue_get(member->outbox));
        member->idle = false;
        send_missed(member);
        send_message(member, self->message);
        message_unref(self->message);
        self->message = NULL;
    }
    WEFT_FINALLY;
    message_unref(self->message);
    WEFT_END;
}

bool member_send_now(const struct member *self, const struct message *message)
{
    return self->idle && !weft_websocket_pending(self->socket) &&
           weft_websocket_send(self->socket, WEFT_WEBSOCKET_TEXT, message->data, message->len) == 0;
}

void member_dismiss(struct member *self, int code, const char *reason)
{
    weft_queue_shutdown(self->outbox, WEFT_QUEUE_IMMEDIATE);
    weft_unref(weft_websocket_close(self->socket, code, reason));
}

/* ---- The handler ---- */

/* Why it cannot come in; NULL: it can, into self->room. */
static const char *ask_for_entry(struct member *self, struct room **ret)
{
    char name[NAME_SIZE];
    const char *key = weft_http_request_query(self->request, "key");
    if (!text_name(weft_http_request_query(self->request, "name"), self->name))
        return "a name has 1 to 32 characters";
    if (!text_name(weft_http_request_query(self->request, "room"), name))
        return "a room's name has 1 to 32 characters";
    if (key && strlen(key) >= KEY_SIZE)
        return "a key has at most 64 bytes";
    snprintf(self->key, sizeof(self->key), "%s", key ? key : "");
    *ret = room_find(self->chat, name);
    return *ret ? NULL : errno == ENOSPC ? "there are too many rooms" : "there is no memory";
}

/* What it has seen before its connection was cut; 0: nothing, or of a room that is gone. */
static uint64_t has_seen(const struct member *self, const struct room *room)
{
    const char *epoch = weft_http_request_query(self->request, "epoch");
    const char *since = weft_http_request_query(self->request, "since");
    if (!epoch || !since || strtoll(epoch, NULL, 10) != room->epoch)
        return 0;
    uint64_t id = strtoull(since, NULL, 10);
    return id <= room->last ? id : 0;
}

/* 0, or -ENOMEM: then it is in no room. */
static int come_in(struct member *self, struct room *room)
{
    self->outbox =
        weft_queue_new(&(struct weft_queue_options){.bound = self->chat->options->outbox});
    self->since = has_seen(self, room);
    self->history = room_history(self->chat, room, self->since, &self->history_count);
    if (!self->outbox || !self->history)
        return -ENOMEM;
    room_enter(room, self);
    int status = start_welcome(self);
    if (status < 0)
        return status;
    self->sender = weft_spawn(send_all, .member = self);
    return 0;
}

/* A message takes 1/rate of a second, and `burst` of them may be ahead of time. */
static weft_ns time_to_wait(struct member *self)
{
    const struct options *options = self->chat->options;
    weft_ns each = WEFT_S(1) / (weft_ns)options->rate, now = weft_now();
    self->busy_until = (self->busy_until > now ? self->busy_until : now) + each;
    weft_ns ahead = self->busy_until - now - each * (weft_ns)options->burst;
    return ahead > 0 ? ahead : 0;
}

static void forget_history(struct member *self)
{
    for (size_t i = 0; i < self->history_count; i++)
        message_unref(self->history[i]);
    free(self->history);
}

/* Messages, and the one after the last: NULL. */
static weft_future *next_message(struct member *self)
{
    weft_websocket_message_free(self->message);
    self->message = NULL;
    return weft_websocket_receive(self->socket);
}

WEFT_ASYNC(member)
{
    const char *problem = NULL;
    struct room *room = NULL;
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(
        self->socket,
        weft_websocket_accept(self->request, &(struct weft_websocket_options){
                                                 .origins = self->chat->options->origins,
                                                 .max_message = self->chat->options->most_bytes,
                                                 .close_timeout = WEFT_S(5)}));
    problem = ask_for_entry(self, &room);
    if (problem) {
        WEFT_AWAIT(weft_websocket_close(self->socket, 4000, problem));
        WEFT_RETURN(0);
    }
    self->status = come_in(self, room);
    if (self->status < 0)
        WEFT_FAIL(self->status, "no place in the room");
    for (;;) {
        WEFT_AWAIT_INTO(self->message, next_message(self));
        if (!self->message)
            break;
        if (self->message->kind != WEFT_WEBSOCKET_TEXT) {
            WEFT_AWAIT(weft_websocket_close(self->socket, 1003, "texts only"));
            break;
        }
        self->status = room_say(self, self->message->data, self->message->len);
        if (self->status < 0)
            WEFT_FAIL(self->status, "what was said is lost");
        self->wait = self->room ? time_to_wait(self) : 0;
        if (self->wait)
            WEFT_AWAIT(weft_sleep(self->wait));
        if (self->chat->stopping)
            break;
    }
    WEFT_FINALLY;
    room_leave(self, WEFT_OUTCOME < 0 ? "was cut off" : "left");
    if (self->sender) {
        weft_cancel(self->sender);
        WEFT_CATCH(self->status, self->sender);
    }
    forget_history(self);
    weft_queue_unref(self->outbox);
    weft_websocket_message_free(self->message);
    weft_websocket_free(self->socket);
    WEFT_END;
}
