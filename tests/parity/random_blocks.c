/* SPDX-License-Identifier: MIT */
#include "virtual.h"

enum { PROGRAMS = 1000, MAX_BLOCKS = 8 };

static uint32_t state;
static weft_ns begin;

static int draw(uint32_t count)
{
    state = (state * 1103515245u + 12345u) % 0x80000000u;
    return (int)((state >> 16) % count);
}

static int now(void)
{
    return (int)((weft_now() - begin) / WEFT_S(1));
}

static unsigned requests(void)
{
    return weft_cancelling(weft_current_task());
}

struct blocks {
    weft_timeout *open[MAX_BLOCKS];
    int count;
};

struct body {
    WEFT_FRAME;
    int depth;
    struct blocks *blocks;
    int left, status, choice;
};
WEFT_ASYNC_DECLARE(body);

struct sleep_some {
    WEFT_FRAME;
    int status;
};

static weft_ns until_one(void)
{
    int seconds = draw(13) * 10 + 1 - now();
    return WEFT_S(seconds > 0 ? seconds : 0);
}

static WEFT_ASYNC(sleep_some)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(until_one()));
    if (self->status < 0) {
        printf(" cancelled:%d/%u", now(), requests());
        WEFT_FAIL(self->status);
    }
    printf(" slept:%d", now());
    WEFT_END;
}

struct block {
    WEFT_FRAME;
    int depth;
    struct blocks *blocks;
    weft_timeout *limit;
    bool expired;
    int status;
};

static weft_timeout *enter(void)
{
    int when = draw(15) * 10;
    return weft_timeout_enter_at(when < 130 ? begin + WEFT_S(when) : WEFT_FOREVER);
}

static const char *word(int status)
{
    return status == 0 ? "ok" : status == -ETIMEDOUT ? "timed-out" : "cancelled";
}

static WEFT_ASYNC(block)
{
    WEFT_BEGIN;
    self->limit = self->blocks->open[self->blocks->count++] = enter();
    WEFT_CATCH(self->status, weft_call(body, .depth = self->depth, .blocks = self->blocks));
    self->blocks->count--;
    self->expired = weft_timeout_expired(self->limit);
    self->status = weft_timeout_exit(self->limit, self->status);
    printf(" %s-%d/%u", word(self->status), self->expired, requests());
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

struct swallow {
    WEFT_FRAME;
    int depth;
    struct blocks *blocks;
    int status;
};

static WEFT_ASYNC(swallow)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_call(body, .depth = self->depth, .blocks = self->blocks));
    if (self->status < 0)
        printf(" swallowed/%u", requests());
    while (self->status < 0 && requests())
        weft_uncancel(weft_current_task());
    WEFT_END;
}

static void move(struct blocks *blocks)
{
    int outwards = draw(3);
    weft_ns when = begin + WEFT_S(draw(13) * 10);
    if (outwards >= blocks->count)
        return;
    int status = weft_timeout_reschedule(blocks->open[blocks->count - 1 - outwards], when);
    printf(status == 0 ? " moved" : " too-late");
}

WEFT_ASYNC(body)
{
    WEFT_BEGIN;
    for (self->left = 1 + draw(3); self->left; self->left--) {
        self->choice = draw(20);
        if (self->depth == 0 || self->choice < 7)
            WEFT_AWAIT(weft_call(sleep_some));
        else if (self->choice < 14)
            WEFT_AWAIT(weft_call(block, .depth = self->depth - 1, .blocks = self->blocks));
        else if (self->choice < 18)
            WEFT_AWAIT(weft_call(swallow, .depth = self->depth - 1, .blocks = self->blocks));
        else
            move(self->blocks);
    }
    WEFT_END;
}

static void cancel_it(void *task)
{
    weft_cancel(task);
}

struct program {
    WEFT_FRAME;
    int number;
    weft_future *task, *cancels[2];
    int count;
    struct blocks blocks;
};

static WEFT_ASYNC(program)
{
    WEFT_BEGIN;
    state = (uint32_t)self->number;
    begin = weft_now();
    printf("%d:", self->number);
    self->task = weft_spawn(body, .depth = 4, .blocks = &self->blocks);
    for (self->count = draw(3); self->count; self->count--)
        self->cancels[self->count - 1] =
            weft_call_at(begin + WEFT_S(draw(13) * 10), cancel_it, self->task);
    WEFT_AWAIT(weft_wait(WEFT_ALL, WEFT_FOREVER, weft_ref(self->task)));
    for (; self->count < 2 && self->cancels[self->count]; self->count++) {
        weft_cancel(self->cancels[self->count]);
        weft_unref(self->cancels[self->count]);
    }
    printf(" %s\n", outcome(self->task));
    weft_unref(self->task);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    int number;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    for (; self->number < PROGRAMS; self->number++)
        WEFT_AWAIT(weft_call(program, .number = self->number));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
