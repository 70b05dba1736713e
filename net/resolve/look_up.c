/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo() and getnameinfo() as a job of the pool, in a lane of its own: names that cannot be
 * looked up for minutes keep no other work waiting, nor does other work keep them. The job has a copy
 * of the question and gives back an answer of its own, so that whoever asked may forget about it at
 * any time.
 *
 * That there is no such name is an answer as well as another, and no failure of the job: its memory
 * is what is kept (net/resolve/resolve.c). The job itself fails when there was no memory.
 */
#include "net/resolve/look_up.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/lane.h>
#include <weft/pool.h>

#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"

/* A name may have any number of addresses; who has tried so many in vain may give up. */
enum { MAX_ADDRESSES = 16 };

struct look_up {
    struct weft__question question;
};

static struct weft__answer *new_answer(int status, bool is_firm, size_t room, const char *text)
{
    size_t list = room * sizeof(struct weft__address), len = strlen(text) + 1;
    struct weft__answer *answer = weft__malloc(sizeof(*answer) + list + len);
    if (!answer)
        return NULL;
    *answer = (struct weft__answer){
        .status = status, .is_firm = is_firm, .text = (char *)(answer->list + room)};
    memcpy(answer->text, text, len);
    return answer;
}

static weft_result result_of(struct weft__answer *answer)
{
    return answer ? weft_ok(answer, weft__free) : weft_err(-ENOMEM);
}

/* Is that the name's fault, for as long as it stays as it is? */
static bool is_firm(int code)
{
    return code == EAI_NONAME || code == EAI_NODATA || code == EAI_ADDRFAMILY ||
           code == EAI_SERVICE;
}

static weft_result failure(const struct weft__question *question, int code)
{
    char text[2 * WEFT__HOST_NAME];
    if (code == EAI_MEMORY)
        return weft_err(-ENOMEM);
    const char *why = code == EAI_SYSTEM ? weft_strerror(-errno) : gai_strerror(code);
    bool has_service = question->service[0];
    snprintf(text, sizeof(text), "cannot look up %s%s%s: %s", question->host,
             has_service ? ":" : "", question->service, why);
    return result_of(new_answer(WEFT_ERESOLVE, is_firm(code), 0, text));
}

static void copy_list(struct weft__answer *answer, const struct addrinfo *found)
{
    for (; found && answer->count < MAX_ADDRESSES; found = found->ai_next) {
        struct weft__address *next = &answer->list[answer->count];
        if (weft__address_set(next, found->ai_addr, found->ai_addrlen) == 0)
            answer->count++;
    }
}

static size_t room_for(const struct addrinfo *found)
{
    size_t room = 0;
    for (; found && room < MAX_ADDRESSES; found = found->ai_next)
        room++;
    return room;
}

static weft_result look_up_host(const struct weft__question *question)
{
    struct addrinfo *found;
    struct addrinfo hints = {
        .ai_family = question->family,
        .ai_socktype = question->type,
        .ai_flags = question->is_number ? AI_NUMERICHOST : AI_ADDRCONFIG,
    };
    const char *service = question->service[0] ? question->service : NULL;
    int code = weft__sys.getaddrinfo(question->host, service, &hints, &found);
    if (code)
        return failure(question, code);
    struct weft__answer *answer = new_answer(0, true, room_for(found), "");
    if (answer)
        copy_list(answer, found);
    freeaddrinfo(found);
    if (!answer || answer->count)
        return result_of(answer);
    weft__free(answer);
    return failure(question, EAI_NONAME);
}

static weft_result look_up_name(const struct weft__question *question)
{
    char name[NI_MAXHOST];
    const struct weft__address *address = &question->address;
    int code = weft__sys.getnameinfo(&address->u.any, address->len, name, sizeof(name), NULL, 0,
                                     NI_NAMEREQD);
    return code ? failure(question, code) : result_of(new_answer(0, true, 0, name));
}

static WEFT_BLOCKING(look_up)
{
    const struct weft__question *question = &self->question;
    return question->is_reverse ? look_up_name(question) : look_up_host(question);
}

static weft_future *submit(weft_loop *loop, const struct weft__question *question)
{
    const struct look_up arguments = {.question = *question};
    weft_lane *lane = weft_loop_lane(loop, "dns");
    if (!lane)
        return errno == ENOMEM ? weft__future_enomem(loop)
                               : weft_future_failed(-errno, "the lane \"dns\" is not there");
    struct weft_job_options options = {.lane = lane, .on_cancel = WEFT_CANCEL_ABANDON};
    return weft__offload(&options, weft__blocking_look_up(), &arguments, WEFT__HERE);
}

/* Others may come to wait for it, so it is as if nobody in particular had started it. */
weft_future *weft__look_up(const struct weft__question *question)
{
    weft_loop *loop = weft__loop;
    struct weft__coro *current = loop->current;
    loop->current = NULL;
    weft_future *job = submit(loop, question);
    loop->current = current;
    return job;
}
