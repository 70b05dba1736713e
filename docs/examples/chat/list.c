/* SPDX-License-Identifier: MIT */
/*
 * Which rooms there are and how many are in each, as server-sent events: the whole list at first, and
 * after each change. A page that is slow misses lists, and nothing else: the next one has it all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"

enum { MOST_LISTED = 100 };

static int write_list(struct list *self)
{
    size_t count;
    struct room **rooms = room_list(self->chat, &count);
    struct text *text = &self->text;
    if (!rooms)
        return -ENOMEM;
    text->len = 0;
    text_add(text, "[", 1);
    for (size_t i = 0; i < count && i < MOST_LISTED; i++) {
        text_addf(text, "%s{\"name\":", i ? "," : "");
        text_add_string(text, rooms[i]->name, strlen(rooms[i]->name));
        text_addf(text, ",\"members\":%zu}", rooms[i]->count);
    }
    text_add(text, "]", 2);
    free(rooms);
    if (text->failed)
        return -ENOMEM;
    return weft_http_event_send(self->request, &(struct weft_http_event){.data = text->data});
}

WEFT_ASYNC(list)
{
    WEFT_BEGIN;
    self->changes = weft_receiver_new(self->chat->changes);
    if (!self->changes)
        WEFT_FAIL(-errno, "no memory for a list");
    weft_http_events_start_with(self->request,
                                &(struct weft_http_events_options){.retry = WEFT_S(2)});
    while (!weft_http_request_is_stopping(self->request)) {
        self->status = write_list(self);
        if (self->status < 0)
            WEFT_FAIL(self->status, "the list is not sent");
        WEFT_AWAIT(weft_http_drain(self->request));
        WEFT_CATCH_INTO(self->status, self->change,
                        weft_race(weft_receiver_next(self->changes),
                                  weft_http_request_stopping(self->request)));
        if (self->status < 0 && self->status != -EOVERFLOW) /* there were several changes */
            WEFT_FAIL(self->status);
    }
    WEFT_FINALLY;
    weft_receiver_free(self->changes);
    free(self->text.data);
    WEFT_END;
}
