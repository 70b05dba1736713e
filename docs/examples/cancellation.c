/* SPDX-License-Identifier: MIT */
/* Guide: cancelling and limits of time. */
#include <stdio.h>
#include <weft/weft.h>

/* ---- What is cancelled ---- */

struct download {
    WEFT_FRAME;
    int chunks;
    int status;
};

static WEFT_ASYNC(download)
{
    WEFT_BEGIN;
    for (self->chunks = 0; self->chunks < 100; self->chunks++)
        WEFT_AWAIT(weft_sleep(WEFT_MS(10)));
    WEFT_RETURN(self->chunks);

    WEFT_FINALLY;
    if (WEFT_OUTCOME == -ECANCELED)
        printf("  download: stopped, removing the partial file\n");
    WEFT_END;
}

/* ---- Asking it to stop ---- */

struct ask {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    self->task = weft_spawn(download);
    WEFT_AWAIT(weft_sleep(WEFT_MS(25)));
    weft_cancel_because(self->task, "the user pressed stop");
    WEFT_CATCH(self->status, weft_ref(self->task));
    printf("  it ended with %s: %s\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE);

    WEFT_FINALLY;
    weft_unref(self->task);
    WEFT_END;
}

/* ---- A limit for one operation ---- */

struct limit_one {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(limit_one)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_wait_for(weft_spawn(download), WEFT_MS(30)));
    printf("  %s\n", weft_error_name(self->status));
    WEFT_END;
}

/* ---- A limit for a part of the body ---- */

struct limit_many {
    WEFT_FRAME;
    weft_timeout *limit;
};

static WEFT_ASYNC(limit_many)
{
    WEFT_BEGIN;
    WEFT_TIMEOUT_ENTER(self->limit, WEFT_MS(1500));
    WEFT_AWAIT(weft_call(download));
    printf("  the first one is there\n");
    WEFT_AWAIT(weft_call(download));
    WEFT_TIMEOUT_EXIT(self->limit);
    printf("  both are there\n");

    WEFT_FINALLY;
    WEFT_TIMEOUT_EXIT(self->limit);
    WEFT_END;
}

/* ---- Something that must not be cut in half ---- */

struct save {
    WEFT_FRAME;
};

static WEFT_ASYNC(save)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(20)));
    printf("  saved\n");
    WEFT_END;
}

struct keep {
    WEFT_FRAME;
    weft_future *saving;
};

static WEFT_ASYNC(keep)
{
    WEFT_BEGIN;
    self->saving = weft_spawn(save);
    WEFT_AWAIT(weft_shield(weft_ref(self->saving)));

    WEFT_FINALLY;
    if (WEFT_OUTCOME == -ECANCELED)
        printf("  keep was cancelled, save goes on\n");
    WEFT_AWAIT(self->saving);
    WEFT_END;
}

struct cancel_keep {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(cancel_keep)
{
    WEFT_BEGIN;
    self->task = weft_spawn(keep);
    WEFT_AWAIT(weft_sleep(WEFT_MS(5)));
    weft_cancel(self->task);
    WEFT_CATCH(self->status, self->task);
    printf("  %s\n", weft_error_name(self->status));
    WEFT_END;
}

/* ---- A clean-up that takes a while ---- */

struct session {
    WEFT_FRAME;
    weft_ns goodbye; /* how long the peer takes to say it */
    weft_cleanup *cleanup;
    int status;
};

static WEFT_ASYNC(session)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));

    WEFT_FINALLY;
    self->cleanup = weft_cleanup_enter(WEFT_MS(50));
    WEFT_CATCH(self->status, weft_sleep(self->goodbye));
    self->status = weft_cleanup_exit(self->cleanup, self->status);
    printf("  the goodbye: %s\n", weft_error_name(self->status));
    WEFT_END;
}

struct end_session {
    WEFT_FRAME;
    weft_ns goodbye;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(end_session)
{
    WEFT_BEGIN;
    self->task = weft_spawn(session, .goodbye = self->goodbye);
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    weft_cancel(self->task);
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    weft_cancel(self->task); /* impatient */
    WEFT_CATCH(self->status, self->task);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    printf("asked to stop\n");
    WEFT_AWAIT(weft_call(ask));
    printf("a limit for one operation\n");
    WEFT_AWAIT(weft_call(limit_one));
    printf("a limit for two together\n");
    WEFT_CATCH(self->status, weft_call(limit_many));
    printf("  %s\n", weft_error_name(self->status));
    printf("a shield\n");
    WEFT_AWAIT(weft_call(cancel_keep));
    printf("a clean-up\n");
    WEFT_AWAIT(weft_call(end_session, .goodbye = WEFT_MS(5)));
    WEFT_AWAIT(weft_call(end_session, .goodbye = WEFT_FOREVER));
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
