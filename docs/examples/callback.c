/* SPDX-License-Identifier: MIT */
/* Guide: callbacks in your own memory. Sessions that end when nothing came for a while. */
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

struct session {
    const char *name;
    struct weft_callback idle; /* pending as long as the session lives */
};

static void end_idle(void *arg)
{
    struct session *session = arg;
    printf("%s: nothing came for 30 s\n", session->name);
    free(session); /* the callback is idle when it is called */
}

static int start_idle(struct session *session)
{
    return weft_callback_later(&session->idle, WEFT_S(30));
}

static int something_came(struct session *session)
{
    weft_callback_cancel(&session->idle);
    return start_idle(session);
}

static struct session *new_session(const char *name)
{
    struct session *session = malloc(sizeof(*session));
    if (!session)
        return NULL;
    session->name = name;
    weft_callback_init(&session->idle, end_idle, session);
    if (start_idle(session) == 0)
        return session;
    free(session);
    return NULL;
}

struct main_task {
    WEFT_FRAME;
    struct session *anna, *bert;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->anna = new_session("anna");
    self->bert = new_session("bert");
    if (!self->anna || !self->bert)
        WEFT_FAIL(-1, "no session");
    WEFT_AWAIT(weft_sleep(WEFT_S(20)));
    if (something_came(self->anna) < 0)
        WEFT_FAIL(-1, "no timer");
    WEFT_AWAIT(weft_sleep(WEFT_S(20)));
    printf("20 s later\n");
    WEFT_AWAIT(weft_sleep(WEFT_S(20)));
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
