/* SPDX-License-Identifier: MIT */
/*
 * The eye: copies of what is looked at, and texts that last as long as the picture.
 *
 * On the loop's own thread a copy is a plain one. From outside, the kernel makes it (core/inspect/peek.c),
 * and a future is believed in only if its operations are among those of the library, which are all known:
 * each definition, WEFT__OPS(), leaves a pointer in a section of the program of its own. So a function
 * that explains is never taken from memory that somebody else has got in the meantime.
 *
 * Texts are copied once for each address: names and places are static, and few.
 *
 * Failure modes: no memory for a text (it is NULL, and the whole look fails: eye->no_memory).
 */
#include "core/inspect/eye.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/inspect/peek.h"
#include "core/inspect/thread_state.h"
#include "core/inspect/walk.h"
#include "core/memory.h"

extern const struct weft__future_ops *const __start_weft_ops[]
    __attribute__((visibility("hidden")));
extern const struct weft__future_ops *const __stop_weft_ops[] __attribute__((visibility("hidden")));

enum { MOST_TEXT = 512, CHUNK = 8192 };

/** Texts, one behind the other. */
struct weft__chunk {
    struct weft__chunk *next;
    size_t used;
    char text[CHUNK];
};

/* ---- What there is ---- */

bool weft__is_known_ops(const struct weft__future_ops *ops)
{
    for (const struct weft__future_ops *const *at = __start_weft_ops; at < __stop_weft_ops; at++)
        if (*at == ops)
            return true;
    return false;
}

void weft__each_known_ops(void (*fn)(void *arg, const struct weft__future_ops *ops), void *arg)
{
    for (const struct weft__future_ops *const *at = __start_weft_ops; at < __stop_weft_ops; at++)
        fn(arg, *at);
}

void weft__eye_init(struct weft__eye *eye, weft_loop *loop, bool is_outside)
{
    memset(eye, 0, sizeof(*eye));
    eye->loop = loop;
    eye->is_outside = is_outside;
    eye->loop_id = loop->id;
}

bool weft__eye_future(struct weft__eye *eye, weft_future *to, const weft_future *at)
{
    if (!at || (uintptr_t)at % _Alignof(weft_future) || !weft__eye_see(eye, to, at, sizeof(*to)))
        return false;
    if (to->loop_id && to->loop_id != eye->loop_id)
        return false;
    return !eye->is_outside || weft__is_known_ops(to->ops);
}

/* ---- Copies ---- */

bool weft__eye_see(struct weft__eye *eye, void *to, const void *from, size_t size)
{
    if (eye->is_outside)
        return weft__peek(to, from, size);
    if (from)
        memcpy(to, from, size);
    return from;
}

bool weft__eye_see_shared(struct weft__eye *eye, void *to, const void *from, size_t size)
{
    (void)eye;
    return weft__peek(to, from, size);
}

static const char *keep(struct weft__eye *eye, const char *text)
{
    size_t size = strlen(text) + 1;
    struct weft__chunk **chunks = &eye->tree->text;
    if (!*chunks || CHUNK - (*chunks)->used < size) {
        struct weft__chunk *made = weft__malloc(sizeof(*made));
        if (!made) {
            eye->no_memory = true;
            return NULL;
        }
        made->next = *chunks;
        made->used = 0;
        *chunks = made;
    }
    char *to = (*chunks)->text + (*chunks)->used;
    (*chunks)->used += size;
    return memcpy(to, text, size);
}

const char *weft__eye_text(struct weft__eye *eye, const char *from)
{
    char text[MOST_TEXT];
    size_t slot = ((uintptr_t)from >> 3) % WEFT__EYE_TEXTS;
    if (!from)
        return NULL;
    if (eye->texts[slot].from == from)
        return eye->texts[slot].text;
    if (eye->is_outside)
        weft__peek_text(text, sizeof(text), from);
    else
        snprintf(text, sizeof(text), "%s", from);
    eye->texts[slot].from = from;
    eye->texts[slot].text = keep(eye, text);
    return eye->texts[slot].text;
}

const char *weft__eye_say(struct weft__eye *eye, const char *format, ...)
{
    char text[MOST_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return keep(eye, text);
}

void weft__texts_free(struct weft__chunk *chunks)
{
    for (struct weft__chunk *next; chunks; chunks = next) {
        next = chunks->next;
        weft__free(chunks);
    }
}

/* ---- What an operation says ---- */

/* As a number: where nothing is, a pointer may not be reckoned with. */
static const void *behind(const void *from, size_t offset)
{
    return weft__address((uintptr_t)from + offset);
}

weft_ns weft__eye_deadline(struct weft__eye *eye, const struct weft__timer *copy)
{
    struct weft__timer_block block;
    size_t number = copy->place / WEFT__TIMER_PLACES, cell = copy->place % WEFT__TIMER_PLACES;
    if (!copy->place || number >= eye->timers.used || cell >= WEFT__TIMER_CELLS ||
        !weft__eye_see(eye, &block, behind(eye->timers.blocks, number * sizeof(block)),
                       sizeof(block)))
        return WEFT_FOREVER;
    return weft__timer_deadline(&block, cell);
}

void weft__explain_fd(struct weft__eye *eye, struct weft__waiting *ret, int fd,
                      const char *direction)
{
    char text[256];
    weft__fd_describe(fd, text, sizeof(text));
    ret->needs = WEFT__NEEDS_WORLD;
    ret->fd = fd;
    ret->stage = direction;
    ret->detail = weft__eye_say(eye, "%s", text);
}

void weft__waiting_number(struct weft__waiting *ret, const char *key, uint64_t value)
{
    size_t at = 0;
    while (at < WEFT__WAITING_NUMBERS && ret->numbers[at].key)
        at++;
    if (at == WEFT__WAITING_NUMBERS)
        return;
    ret->numbers[at].key = key;
    ret->numbers[at].value = value;
}
