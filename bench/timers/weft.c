/* SPDX-License-Identifier: MIT */
/*
 * weft: callbacks in the caller's memory, by weft_callback_later(), which looks at the clock each time.
 * With MODE_=at the clock is read once and all are set by weft_callback_at(): as with libuv, which takes
 * the time of the tick. With MODE_=future weft_call_later(), whose handle is a future.
 * With CLOCK_=virtual each timer expires in a tick of its millisecond: so what is done does not depend on how
 * fast it is done.
 */
#include <weft/weft.h>

#include "../common/timers.h"

static weft_loop *loop;
static struct weft_callback *callbacks;
static weft_future **futures;
static bool is_at;
static weft_ns now; /* is_at: once for all that are inserted in a row */

static void fire(void *arg)
{
    (void)arg;
    if (timers_one_fired())
        weft_loop_stop(loop);
}

static void insert(long i, uint32_t ms)
{
    if (futures)
        futures[i] = weft_call_later(WEFT_MS(ms), fire, NULL);
    else if (is_at && weft_callback_at(&callbacks[i], now + WEFT_MS(ms)) < 0)
        die("weft_callback_at");
    else if (!is_at && weft_callback_later(&callbacks[i], WEFT_MS(ms)) < 0)
        die("weft_callback_later");
}

static void cancel(long i)
{
    if (futures) {
        weft_cancel(futures[i]);
        weft_unref(futures[i]);
    } else {
        weft_callback_cancel(&callbacks[i]);
    }
}

static void insert_and_cancel(void)
{
    timers_begin();
    now = weft_now();
    for (long i = 0; i < timers.count; i++)
        insert(i, timers.ms[i]);
    timers_inserted();
    for (long i = 0; i < timers.count; i++)
        cancel(timers.order[i]);
    timers_cancelled();
}

static int let_expire(void)
{
    now = weft_now();
    for (long i = 0; i < timers.count; i++) {
        insert(i, timers.soon[i]);
        if (futures)
            weft_unref(futures[i]);
    }
    timers_wait();
    return weft_loop_run(loop);
}

int main(int argc, char **argv)
{
    struct weft_loop_options options = {.clock = WEFT_CLOCK_MONOTONIC};
    timers_args(argc, argv);
    if (is_set("CLOCK_", "virtual"))
        options.clock = WEFT_CLOCK_VIRTUAL;
    loop = weft_loop_new(&options);
    if (!loop)
        die("weft_loop_new");
    is_at = is_set("MODE_", "at");
    if (is_set("MODE_", "future"))
        futures = allocate((size_t)timers.count, sizeof(weft_future *));
    callbacks = allocate((size_t)timers.count, sizeof(*callbacks));
    for (long i = 0; i < timers.count; i++)
        weft_callback_init(&callbacks[i], fire, NULL);
    insert_and_cancel();
    int status = let_expire();
    weft_loop_free(loop);
    free(callbacks);
    free(futures);
    return status < 0;
}
