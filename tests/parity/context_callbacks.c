/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static WEFT_CONTEXT_KEY(name, const char *, NULL);

static void tell(void *what)
{
    say("%s: %s", (const char *)what, weft_context_get(name));
    weft_context_set(name, "set by a callback, for itself");
}

static void tell_done(weft_future *future, void *what)
{
    (void)future;
    tell(what);
}

struct job {
    char unused;
};

static WEFT_BLOCKING(job)
{
    return weft_ok(weft_context_get(name));
}

struct main_task {
    WEFT_FRAME;
    weft_future *future, *thread;
    const char *text;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    weft_context_set(name, "soon");
    weft_unref(weft_call_soon(tell, (void *)"call_soon"));
    weft_context_set(name, "later");
    weft_unref(weft_call_later(WEFT_S(1), tell, (void *)"call_later"));
    weft_context_set(name, "when done");
    if (weft_then(weft_ref(self->future), tell_done, (void *)"done") < 0)
        WEFT_FAIL(-ENOMEM);
    weft_context_set(name, "in a thread");
    self->thread = weft_to_thread(job);
    weft_context_set(name, "main's");
    weft_future_resolve(self->future, weft_value_ptr(NULL), NULL);
    WEFT_AWAIT(weft_sleep(WEFT_S(2)));
    WEFT_AWAIT_INTO(self->text, self->thread);
    say("job: %s", self->text);
    say("main: %s", weft_context_get(name));
    weft_unref(self->future);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
