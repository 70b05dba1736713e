/* SPDX-License-Identifier: MIT */
/* What members are told. It is put into words once, however many there are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"

struct message *message_ref(struct message *message)
{
    message->refs++;
    return message;
}

void message_unref(void *arg)
{
    struct message *message = arg;
    if (message && --message->refs == 0)
        free(message);
}

/* Takes the text over. */
static struct message *make(struct text *text, uint64_t id)
{
    struct message *message = text->failed ? NULL : malloc(sizeof(*message) + text->len);
    if (message) {
        *message = (struct message){.refs = 1, .id = id, .len = text->len};
        memcpy(message->data, text->data, text->len);
    }
    free(text->data);
    return message;
}

static void add_field(struct text *text, const char *name, const char *value, size_t len)
{
    text_addf(text, ",\"%s\":", name);
    text_add_string(text, value, len);
}

struct message *message_said(uint64_t id, const char *name, const char *said, size_t len)
{
    struct text text = {.data = NULL};
    text_addf(&text, "{\"type\":\"said\",\"id\":%" PRIu64 ",\"at\":%" PRId64, id, text_clock());
    add_field(&text, "name", name, strlen(name));
    add_field(&text, "text", said, len);
    text_add(&text, "}", 1);
    return make(&text, id);
}

static struct message *make_notice(const char *type, const char *name, const char *why)
{
    struct text text = {.data = NULL};
    text_addf(&text, "{\"type\":\"%s\",\"at\":%" PRId64, type, text_clock());
    add_field(&text, "name", name, strlen(name));
    if (why)
        add_field(&text, "why", why, strlen(why));
    text_add(&text, "}", 1);
    return make(&text, 0);
}

struct message *message_joined(const char *name)
{
    return make_notice("joined", name, NULL);
}

struct message *message_left(const char *name, const char *why)
{
    return make_notice("left", name, why);
}

struct message *message_missed(uint64_t count)
{
    struct text text = {.data = NULL};
    text_addf(&text, "{\"type\":\"missed\",\"count\":%" PRIu64 "}", count);
    return make(&text, 0);
}
