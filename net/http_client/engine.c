/* SPDX-License-Identifier: MIT */
/*
 * The engine: libcurl's multi interface, driven by the loop.
 *
 * libcurl says which sockets it waits for and when it wants to be called at the latest; that
 * becomes events of the loop's base, so that an attached loop works the same. libcurl reads the
 * real monotonic clock and nothing else, so its timer is one of libevent's, not of the loop: with
 * virtual time it neither runs ahead nor holds that up. What promises something to users, each
 * deadline, is a timer of weft's, elsewhere.
 *
 *     libcurl's call: on_socket()  -> an event each       -> on_ready()    -> act(fd)
 *                     on_timer()   -> the timer, or a turn -> run_turn()   -> act(timeout)
 *     weft__client_engine_add()    -> the queue, a turn    -> run_turn()   -> add, act(timeout)
 *
 * act() is the one place that enters libcurl to get something done; it may call back: a transfer's
 * functions, on_socket() and on_timer(). None of them enters libcurl again, or runs anything of a
 * user's: a future that completes is heard of at the next tick. What has ended is found by the turn
 * that follows each event; that it does follow tells virtual time that something was done.
 *
 * Starting: a call of curl_multi_socket_action() works through all handles that have something to
 * do, and one that was just added connects: a thousand at once would be one long call. So each is
 * added and acted for alone, and a turn ends after SLICE of them or BUDGET, to go on at the next
 * tick.
 *
 * The budget is that of a tick, and sockets come first: what is ready when it is used up is still
 * ready at the next poll, behind the others. So what has begun goes on before more is begun, one a
 * turn at least, and other tasks run in between.
 *
 * A socket that cannot be watched, for want of memory, fails the transfer it belongs to. (libcurl
 * could be told, but gives up the whole session then.)
 *
 * After a fork the child has the same sockets. Nothing is done with them there: an event that comes
 * is taken out, and the end forgets the memory.
 */
#include "net/http_client/engine.h"

#include <errno.h>
#include <time.h>
#include <weft/loop.h>

#include "net/http_client/text.h"
#include "net/http_client/transfer.h"

enum { SLICE = 32, BUDGET_NS = 1000000 };

/* A socket that libcurl waits for. [loop] */
struct watch {
    struct event event;
    struct weft__client_engine *engine;
};

static bool is_forked(const struct weft__client_engine *engine)
{
    return engine->generation != weft__companion_generation();
}

static void want_turn(struct weft__client_engine *engine)
{
    if (weft_callback_is_pending(&engine->turn))
        return;
    int status = weft_callback_soon(&engine->turn); /* fails when the loop has ended */
    (void)status;
}

/* ---- Ends ---- */

static void harvest(struct weft__client_engine *engine)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(engine->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct weft__client_transfer *transfer = weft__client_transfer_of(message->easy_handle);
        if (transfer)
            weft__client_transfer_done(transfer, message->data.result);
    }
}

static void act(struct weft__client_engine *engine, curl_socket_t fd, int what)
{
    int running;
    (void)curl_multi_socket_action(engine->multi, fd, what, &running);
}

/* ---- The budget ---- */

static int64_t real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Is libcurl's time in this tick over? It begins with the first question. */
static bool is_over(struct weft__client_engine *engine)
{
    int64_t now = engine->clock();
    if (engine->until == 0)
        engine->until = now + BUDGET_NS;
    return now >= engine->until;
}

/* ---- Sockets ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct watch *watch = arg;
    struct weft__client_engine *engine = watch->engine;
    int flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    if (is_forked(engine)) {
        event_del(&watch->event);
        return;
    }
    want_turn(engine);
    if (is_over(engine)) /* it is still ready at the next poll */
        return;
    engine->ready++;
    act(engine, fd, flags); /* the watch may be gone now */
}

static void unwatch(struct weft__client_engine *engine, curl_socket_t fd, struct watch *watch)
{
    if (!watch)
        return;
    event_del(&watch->event);
    curl_multi_assign(engine->multi, fd, NULL);
    weft__companion_free(watch);
}

static struct watch *new_watch(struct weft__client_engine *engine, curl_socket_t fd)
{
    struct watch *watch = weft__client_alloc(sizeof(*watch));
    if (!watch)
        return NULL;
    watch->engine = engine;
    event_assign(&watch->event, engine->base, fd, EV_READ | EV_PERSIST, on_ready, watch);
    if (curl_multi_assign(engine->multi, fd, watch) == CURLM_OK)
        return watch;
    weft__companion_free(watch);
    return NULL;
}

static int rewatch(struct watch *watch, curl_socket_t fd, int what)
{
    short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
                           (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
    event_del(&watch->event);
    event_assign(&watch->event, watch->engine->base, fd, events, on_ready, watch);
    return event_add(&watch->event, NULL);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct weft__client_engine *engine = arg;
    struct watch *watch = assigned;
    if (what == CURL_POLL_REMOVE) {
        unwatch(engine, fd, watch);
        return 0;
    }
    if (!watch)
        watch = new_watch(engine, fd);
    if (watch && rewatch(watch, fd, what) == 0)
        return 0;
    struct weft__client_transfer *transfer = weft__client_transfer_of(easy);
    if (transfer)
        weft__client_transfer_fail(transfer, -ENOMEM, NULL);
    return 0;
}

/* ---- Time ---- */

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct weft__client_engine *engine = arg;
    engine->is_due = true;
    want_turn(engine);
}

/* libcurl forbids to act from within. */
static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct weft__client_engine *engine = arg;
    struct timeval after = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    event_del(&engine->timer);
    engine->is_due = timeout_ms == 0;
    if (timeout_ms > 0 && event_add(&engine->timer, &after) < 0)
        engine->is_due = true; /* too early is harmless: libcurl asks again */
    if (engine->is_due)
        want_turn(engine);
    return 0;
}

/* ---- Turns ---- */

static struct weft__client_transfer *take_first(struct weft__client_engine *engine)
{
    struct weft__client_transfer *transfer = engine->first;
    engine->first = transfer->next;
    if (!engine->first)
        engine->end = &engine->first;
    transfer->is_queued = false;
    return transfer;
}

static void start(struct weft__client_engine *engine, struct weft__client_transfer *transfer)
{
    engine->attempts++;
    if (curl_multi_add_handle(engine->multi, transfer->easy) != CURLM_OK) {
        weft__client_transfer_fail(transfer, -ENOMEM, NULL);
        return;
    }
    transfer->is_added = true;
    act(engine, CURL_SOCKET_TIMEOUT, 0);
}

static void start_some(struct weft__client_engine *engine)
{
    unsigned started = 0;
    while (engine->first && started < SLICE && (started == 0 || !is_over(engine))) {
        struct weft__client_transfer *transfer = take_first(engine);
        if (weft_is_done(transfer->event)) /* given up, which its owner has not heard of yet */
            continue;
        start(engine, transfer);
        started++;
    }
    engine->turns++;
    if (started > engine->most_started)
        engine->most_started = started;
}

static void begin_tick(struct weft__client_engine *engine)
{
    if (engine->ready > engine->most_ready)
        engine->most_ready = engine->ready;
    engine->ready = 0;
    engine->until = 0;
}

static void run_turn(void *arg)
{
    struct weft__client_engine *engine = arg;
    if (is_forked(engine))
        return;
    if (engine->is_due) {
        engine->is_due = false;
        act(engine, CURL_SOCKET_TIMEOUT, 0);
    }
    if (engine->first)
        start_some(engine);
    begin_tick(engine);
    harvest(engine);
    if (engine->first)
        want_turn(engine);
}

void weft__client_engine_add(struct weft__client_engine *engine,
                             struct weft__client_transfer *transfer)
{
    transfer->next = NULL;
    transfer->is_queued = true;
    *engine->end = transfer;
    engine->end = &transfer->next;
    want_turn(engine);
}

static void unqueue(struct weft__client_engine *engine, struct weft__client_transfer *transfer)
{
    struct weft__client_transfer **at = &engine->first;
    while (*at != transfer)
        at = &(*at)->next;
    *at = transfer->next;
    if (!*at)
        engine->end = at;
    transfer->is_queued = false;
}

/* libcurl 7.88.1 has two faults with a stream of HTTP/2 that has not ended. If it is the last one of
   its connection the server hears of it only when that is used again: so the connection goes, too.
   If it is not, what libcurl holds for a slow reader is leaked: so it is given out, to be refused. */
static void give_up(CURL *easy, bool is_paused)
{
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    if (is_paused)
        (void)curl_easy_pause(easy, CURLPAUSE_CONT);
}

void weft__client_engine_remove(struct weft__client_engine *engine,
                                struct weft__client_transfer *transfer)
{
    if (is_forked(engine))
        return;
    if (transfer->is_queued)
        unqueue(engine, transfer);
    if (transfer->is_added) {
        give_up(transfer->easy, transfer->is_paused);
        curl_multi_remove_handle(engine->multi, transfer->easy);
    }
    transfer->is_added = false;
}

/* ---- The whole ---- */

static int set_options(struct weft__client_engine *engine, size_t idle)
{
    CURLM *multi = engine->multi;
    CURLMcode code = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    if (code == CURLM_OK)
        code = curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, engine);
    if (code == CURLM_OK)
        code = curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    if (code == CURLM_OK)
        code = curl_multi_setopt(multi, CURLMOPT_TIMERDATA, engine);
    if (code == CURLM_OK)
        code = curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)idle);
    return code == CURLM_OK ? 0 : -EIO;
}

int weft__client_engine_init(struct weft__client_engine *engine, size_t idle)
{
    engine->base = weft_loop_base(weft_loop_current());
    engine->end = &engine->first;
    engine->clock = real_now;
    engine->generation = weft__companion_generation();
    weft_callback_init(&engine->turn, run_turn, engine);
    event_assign(&engine->timer, engine->base, -1, 0, on_due, engine);
    engine->multi = curl_multi_init();
    return engine->multi ? set_options(engine, idle) : -ENOMEM;
}

CURLM *weft__client_engine_fini(struct weft__client_engine *engine)
{
    CURLM *multi = engine->multi;
    if (!engine->base)
        return NULL;
    (void)weft_callback_cancel(&engine->turn);
    event_del(&engine->timer);
    engine->multi = NULL;
    if (!multi || is_forked(engine))
        return NULL;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, NULL);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, NULL);
    return multi;
}
