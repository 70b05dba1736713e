/* SPDX-License-Identifier: MIT */
/**
 * Coroutines and tasks: functions that wait without blocking the loop.
 *
 * A coroutine `name` is a function over a frame, `struct name`, whose first member is WEFT_FRAME.
 * What must survive an await lives in the frame and is reached through `self`; a local variable
 * does not survive one (keeping one is refused by the compiler where it can see it). Arguments are
 * fields too, filled in by name when the coroutine is started.
 *
 *     struct greet { WEFT_FRAME; const char *name; };
 *
 *     static WEFT_ASYNC(greet)
 *     {
 *         WEFT_BEGIN;
 *         WEFT_AWAIT(weft_sleep(WEFT_S(1)));
 *         printf("hello %s\n", self->name);
 *         WEFT_END;
 *     }
 *
 *     int main(void) { return weft_run(greet, .name = "world"); }
 *
 * Rules of the body: WEFT_BEGIN is its first statement and WEFT_END its last; one await a line; no
 * await inside a `switch` of your own (caught at run time: the coroutine fails with WEFT_EAWAIT,
 * file and line); no `return`.
 */
#ifndef WEFT_TASK_H
#define WEFT_TASK_H

#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- What the macros need; nothing here is for direct use. ---- */

/** The head of every frame. */
struct weft_frame {
    int32_t weft_state; /* where the body goes on: 0, the line of the await it is in, or one of the
                           below */
    uint32_t weft_flags;
};

enum { WEFT__STATE_FINALLY = -1, WEFT__STATE_DONE = -2 };

enum { WEFT__FRAME_IN_FINALLY = 8 }; /* in weft_flags */

/* What weft__await_value() returns if it is not 0: suspend; it is done, for weft__await_end(). */
enum { WEFT__NOT_YET = 1, WEFT__LOOK = 2 };

/**
 * What a body tells its runner: it waits; it waits for its next turn; it is to be entered again; it has
 * ended; it has ended with a value. A struct, so that a plain `return 0;` does not compile.
 */
typedef struct weft_step {
    enum { WEFT__SUSPEND, WEFT__YIELDS, WEFT__AGAIN, WEFT__DONE, WEFT__RETURNS } weft_code;
    weft_value weft_returned; /* with WEFT__RETURNS */
} weft_step;

/** What is known of a coroutine when it is compiled. */
typedef struct weft_coroutine {
    const char *name;
    const char *file;
    size_t frame_size;
    weft_step (*resume)(void *frame);
} weft_coroutine;

/* ---- Writing a coroutine ---- */

/** First member of a coroutine's frame. */
#define WEFT_FRAME struct weft_frame weft_frame

/** Declare the coroutine `name`, defined elsewhere with a WEFT_ASYNC(name) that is not static. */
#define WEFT_ASYNC_DECLARE(name) const weft_coroutine *weft__coroutine_##name(void)

/** Define the coroutine `name` over `struct name`; `static` before it keeps it to this file. The
 * body follows. */
#define WEFT_ASYNC(name)                                                               \
    const weft_coroutine *weft__coroutine_##name(void);                                \
    static weft_step weft__body_##name(struct name *self);                             \
    static weft_step weft__resume_##name(void *frame)                                  \
    {                                                                                  \
        return weft__body_##name((struct name *)frame);                                \
    }                                                                                  \
    const weft_coroutine *weft__coroutine_##name(void)                                 \
    {                                                                                  \
        WEFT__STATIC_ASSERT(offsetof(struct name, weft_frame) == 0,                    \
                            "WEFT_FRAME must be the first member of struct " #name);   \
        static const weft_coroutine coroutine = {#name, __FILE__, sizeof(struct name), \
                                                 weft__resume_##name};                 \
        return &coroutine;                                                             \
    }                                                                                  \
    WEFT__REFUSE_LOST_LOCALS                                                           \
    static weft_step weft__body_##name(struct name *self)

/** First statement of a coroutine's body. */
#define WEFT_BEGIN                                   \
    int32_t weft__at = self->weft_frame.weft_state;  \
    weft_step weft__ending = WEFT__STEP(WEFT__DONE); \
    weft__enter:                                     \
    switch (weft__at) {                              \
    case 0: {

/**
 * What follows runs on return, failure and cancellation alike, and may await; a failure or a
 * WEFT_RETURN in it replaces the outcome. It does not run for a task that was cancelled before its
 * first step: there was no body to clean up after. It is a block of its own: local variables of the
 * body are not seen here.
 */
#define WEFT_FINALLY                                          \
    }                                                         \
    WEFT_FALLTHROUGH;                                         \
    case WEFT__STATE_FINALLY:                                 \
        weft__enter_finally(&self->weft_frame, weft__ending); \
        {

/** In WEFT_FINALLY: how the body ended, 0 or the error. In the body it is 0. */
#define WEFT_OUTCOME weft__outcome(&self->weft_frame)

/** Last statement of a coroutine's body; reached, it returns success without a value. */
#define WEFT_END                                                                           \
    return WEFT__STEP(WEFT__DONE);                                                         \
    }                                                                                      \
    default:                                                                               \
        break;                                                                             \
        }                                                                                  \
        WEFT__REFUSE_LOST_LOCALS_END                                                       \
        if (weft__at == WEFT__STATE_FINALLY) /* the body has no WEFT_FINALLY */            \
            return weft__ending;                                                           \
        if (weft__ending.weft_code != WEFT__RETURNS) /* which leads to the label itself */ \
            return weft__no_such_state(&self->weft_frame);                                 \
        goto weft__leave;                                                                  \
    weft__leave:                                                                           \
        if (self->weft_frame.weft_flags & WEFT__FRAME_IN_FINALLY)                          \
            return weft__return(&self->weft_frame, weft__ending.weft_returned, NULL);      \
        weft__at = WEFT__STATE_FINALLY;                                                    \
        goto weft__enter

/** Wait for a future (consumed); if it failed, this coroutine fails with the same error and
 * message. */
#define WEFT_AWAIT(future)                                   \
    do {                                                     \
        int weft__status;                                    \
        WEFT__TAKE(weft__status, future, NULL);              \
        if (weft__status < 0)                                \
            return weft__fail_as_awaited(&self->weft_frame); \
    } while (0)

/** The same, and take its value into `lvalue`: a pointer, an integer or a floating-point object. */
#define WEFT_AWAIT_INTO(lvalue, future)                      \
    do {                                                     \
        int weft__status;                                    \
        weft_value weft__value;                              \
        WEFT__TAKE(weft__status, future, &weft__value);      \
        if (weft__status < 0)                                \
            return weft__fail_as_awaited(&self->weft_frame); \
        WEFT__STORE(lvalue, weft__value);                    \
    } while (0)

/** Wait for a future (consumed) without failing with it: `status` becomes 0 or the error. */
#define WEFT_CATCH(status, future)              \
    do {                                        \
        int weft__status;                       \
        WEFT__TAKE(weft__status, future, NULL); \
        (status) = weft__status;                \
    } while (0)

/** WEFT_CATCH, and take the value into `lvalue` if there is one; else `lvalue` is untouched. */
#define WEFT_CATCH_INTO(status, lvalue, future)         \
    do {                                                \
        int weft__status;                               \
        weft_value weft__value;                         \
        WEFT__TAKE(weft__status, future, &weft__value); \
        (status) = weft__status;                        \
        if (weft__status >= 0)                          \
            WEFT__STORE(lvalue, weft__value);           \
    } while (0)

/** Message of the failure that the last WEFT_CATCH caught, or NULL; borrowed until the next await.
 */
#define WEFT_CAUGHT_MESSAGE weft__caught_message(&self->weft_frame)

/** Let others run once (await asyncio.sleep(0)); a cancel that was asked for is delivered here. */
#define WEFT_YIELD                              \
    do {                                        \
        self->weft_frame.weft_state = __LINE__; \
        return WEFT__STEP(WEFT__YIELDS);        \
    case __LINE__:;                             \
    } while (0)

/** End with a value, and optionally its destructor, by way of WEFT_FINALLY: `WEFT_RETURN(text,
 * free);`. */
#define WEFT_RETURN(...) WEFT__RETURN(__VA_ARGS__, NULL, ~)

/** End with a failure: `WEFT_FAIL(-EIO);` or with a message, `WEFT_FAIL(-EIO, "%s: short read",
 * path);`. */
#define WEFT_FAIL(...)                                                                 \
    return WEFT__PICK(__VA_ARGS__, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, _bare, \
                      ~)(&self->weft_frame, __VA_ARGS__)

/* ---- Starting one ---- */

/**
 * Start a task: `weft_spawn(fetch, .url = "…")` (create_task). Its first step runs at the next
 * tick.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The arguments are copied; what they point to is
 *            borrowed until it is done.
 * Errors:    by the future: what the coroutine fails with, -ECANCELED, -ENOMEM, WEFT_ENOLOOP,
 *            -ESHUTDOWN (loop freed).
 * Since:     0.1
 */
#define weft_spawn(...) WEFT__START(weft__spawn, __VA_ARGS__, .weft_frame = {0, 0})

/**
 * Start a task at once: `weft_spawn_eager(fetch, .url = "…")` (eager_task_factory).
 *
 * It is a task of its own as by weft_spawn(), but its first step runs inside this call. One that
 * ends in it is done when the call returns, and has cost no tick; who waits for it is called at the
 * next tick as ever. Nested more than 200 deep, it starts at the next tick.
 *
 * Thread:    loop.
 * Ownership: as weft_spawn().
 * Errors:    as weft_spawn().
 * Since:     0.1
 */
#define weft_spawn_eager(...) WEFT__START(weft__spawn_eager, __VA_ARGS__, .weft_frame = {0, 0})

/**
 * Call a coroutine within the caller's task: `weft_call(fetch, .url = "…")` (await fetch(…)). It
 * starts at once, and runs under the caller's identity and cancellation.
 *
 * Thread:    loop; outside of any task it is weft_spawn_eager().
 * Ownership: as weft_spawn().
 * Errors:    as weft_spawn().
 * Since:     0.1
 */
#define weft_call(...) WEFT__START(weft__call, __VA_ARGS__, .weft_frame = {0, 0})

/**
 * Run a program's main coroutine: new loop, run to the end, orderly shutdown (asyncio.run).
 *
 * SIGINT cancels the main task, a second one ends the process as if weft were not there; unless it
 * is ignored or handled by the program already, and while somebody listens to it
 * (weft_signal_open()). A failure is reported to stderr. Where stdin, stdout or stderr is closed,
 * /dev/null is opened, so that nothing else gets its number.
 *
 * Thread:    any that has no loop.
 * Ownership: as weft_spawn().
 * Errors:    the exit status: the lowest 8 bits of the integer that the coroutine returned (0 if it
 *            returned nothing, or a value with a destructor), 1 if it failed or if something was stuck
 *            at shutdown, 130 if it was cancelled by SIGINT.
 * Since:     0.1
 */
#define weft_run(...) WEFT__START(weft__run, __VA_ARGS__, .weft_frame = {0, 0})

/** The task that runs now, borrowed; NULL outside of one. Thread: loop. Since: 0.1 */
WEFT_PUBLIC weft_future *weft_current_task(void);

/**
 * The id of a task: 1 for the first one of its loop, 2 for the next; 0 for what is not a task.
 *
 * After 4,294,967,295 tasks the ids begin anew.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC uint64_t weft_task_id(const weft_future *task);

/** The id of the task that started it; 0: no task did, or it is none. Thread: loop. Since: 0.1 */
WEFT_PUBLIC uint64_t weft_task_parent(const weft_future *task);

enum weft_task_state {
    WEFT_TASK_NONE,    /* not a task */
    WEFT_TASK_NEW,     /* its body has not begun */
    WEFT_TASK_READY,   /* it goes on at the next tick */
    WEFT_TASK_RUNNING, /* a step of it is under way, perhaps one that started another task eagerly */
    WEFT_TASK_WAITING, /* for weft_task_waits_for() */
    WEFT_TASK_DONE     /* see weft_future_status() */
};

/** What a task is doing; what its calls do counts as its own. Thread: loop. Since: 0.1 */
WEFT_PUBLIC enum weft_task_state weft_task_get_state(const weft_future *task);

/**
 * The future that a task or a call awaits: an operation, or another task or call.
 *
 * Thread:    loop.
 * Ownership: borrowed, until the task runs again.
 * Errors:    NULL when it waits for nothing that is not done. A task that sleeps may wait without a
 *            future: NULL, too.
 * Since:     0.1
 */
WEFT_PUBLIC weft_future *weft_task_waits_for(const weft_future *task);

/**
 * Give a task a name of its own, for reports and dumps (Task.set_name).
 *
 * Thread:    loop.
 * Ownership: the name is copied; NULL brings back the coroutine's.
 * Errors:    0; -ENOMEM: the name is as before; -EINVAL for what is not a task.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_task_set_name(weft_future *task, const char *name);

/** Who asked a task to stop. What is not known is NULL or 0. */
struct weft_cancel_info {
    const char *reason; /* as given to weft_cancel_because() */
    const char *by;     /* the name of the task that asked */
    const char *at;     /* "file:line" where it did; NULL: weft did, see the reason */
    uint64_t by_id;     /* the id of the task that asked */
};

/**
 * Who asked a task to stop, why and from where: the latest request, or once it has ended with
 * -ECANCELED, that which it ended by; that may be one to what it awaited.
 *
 * Thread:    loop.
 * Ownership: `ret` is filled; its texts are borrowed until the next request, at most as long as the
 *            task.
 * Errors:    false when nobody asked, or took it back; `ret` is then untouched.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_task_cancel_info(const weft_future *task, struct weft_cancel_info *ret);

/**
 * All tasks of this thread's loop that have not ended, oldest first (all_tasks).
 *
 * Thread:    loop.
 * Ownership: `ret` gets an array with a reference each: weft_tasks_free(). NULL when there are none.
 * Errors:    how many; -ENOMEM, WEFT_ENOLOOP: `ret` is untouched.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_all_tasks(weft_future ***ret);

/** Give up an array of references, and its memory. NULL is nothing. Thread: loop. Since: 0.1 */
WEFT_PUBLIC void weft_tasks_free(weft_future **tasks, int count);

/**
 * The name of a task: its coroutine's, or what weft_task_set_name() gave it; of a job: its function's; of another operation: what it is
 * ("sleep").
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC const char *weft_task_name(const weft_future *task);

/**
 * "file:line" where a task or a job was started; NULL for another operation.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC const char *weft_task_spawned_at(const weft_future *task);

/**
 * The line of the await in which a task is, in its coroutine's file; 0 before its first await.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC int weft_task_await_line(const weft_future *task);

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__spawn(const weft_coroutine *coroutine,
                                                     const void *frame, const char *place);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__spawn_eager(const weft_coroutine *coroutine,
                                                           const void *frame, const char *place);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__call(const weft_coroutine *coroutine,
                                                    const void *frame, const char *place);
WEFT_PUBLIC int weft__run(const weft_coroutine *coroutine, const void *frame, const char *place);

WEFT_PUBLIC bool weft__await(struct weft_frame *frame, weft_future *future, int line);
WEFT_PUBLIC int weft__await_value(struct weft_frame *frame, weft_future *future, int line,
                                  weft_value *ret);
WEFT_PUBLIC int weft__await_end(struct weft_frame *frame, weft_value *ret);
WEFT_PUBLIC weft_step weft__fail_as_awaited(struct weft_frame *frame);
WEFT_PUBLIC const char *weft__caught_message(struct weft_frame *frame);
WEFT_PUBLIC weft_step weft__return(struct weft_frame *frame, weft_value value,
                                   weft_destructor *destructor);
WEFT_PUBLIC weft_step weft__fail_bare(struct weft_frame *frame, int status);
WEFT_PUBLIC weft_step weft__failf(struct weft_frame *frame, int status, const char *format, ...)
    WEFT_PRINTF(3, 4);
WEFT_PUBLIC void weft__enter_finally(struct weft_frame *frame, weft_step ending);
WEFT_PUBLIC bool weft__settle(struct weft_frame *frame);
WEFT_PUBLIC int weft__outcome(struct weft_frame *frame);
WEFT_PUBLIC weft_step weft__no_such_state(struct weft_frame *frame);

#define WEFT__STEP(code) ((weft_step){(code), {0}})

#ifdef __cplusplus
#define WEFT__STATIC_ASSERT static_assert
#else
#define WEFT__STATIC_ASSERT _Static_assert
#endif

/* `start` with the coroutine, its arguments in a frame, and the place. The last argument keeps the
 * list from being empty. */
#define WEFT__START(start, name, ...) \
    start(weft__coroutine_##name(), &(struct name){__VA_ARGS__}, WEFT__HERE)

/* Suspend unless the future is done. The label makes two awaits on one line an error: a duplicate
 * case value. */
#define WEFT__WAIT(future)                                  \
    if (weft__await(&self->weft_frame, (future), __LINE__)) \
        return WEFT__STEP(WEFT__SUSPEND);                   \
    WEFT_FALLTHROUGH;                                       \
    case __LINE__:

/* The same, and take the value, of a future that has one already in one call. */
#define WEFT__TAKE(status, future, ret)                                         \
    (status) = weft__await_value(&self->weft_frame, (future), __LINE__, (ret)); \
    if ((status) == WEFT__NOT_YET)                                              \
        return WEFT__STEP(WEFT__SUSPEND);                                       \
    if ((status) == WEFT__LOOK) {                                               \
        WEFT_FALLTHROUGH;                                                       \
    case __LINE__:                                                              \
        (status) = weft__await_end(&self->weft_frame, (ret));                   \
    }

/* A value that needs no destructor stays in a register; it is for WEFT_FINALLY, if there is one. */
#define WEFT__RETURN(value, destructor, ...)                                                    \
    do {                                                                                        \
        weft__ending.weft_returned = weft_value_of(value);                                      \
        weft_destructor *weft__destroys = (destructor);                                         \
        if (weft__destroys)                                                                     \
            return weft__return(&self->weft_frame, weft__ending.weft_returned, weft__destroys); \
        weft__ending.weft_code = WEFT__RETURNS;                                                 \
        goto weft__leave;                                                                       \
    } while (0)

#define WEFT__PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, which, \
                   ...)                                                                          \
    weft__fail##which

/* The size is that of !lvalue: of no use but to refuse what is no scalar. */
#define WEFT__STORE(lvalue, value) \
    _Generic(&(lvalue), float *                                                                    \
             : weft__store_float, double *                                                         \
             : weft__store_double, _Bool *                                                         \
             : weft__store_bool, char *                                                            \
             : weft__store_char, signed char *                                                     \
             : weft__store_schar, unsigned char *                                                  \
             : weft__store_uchar, short *                                                          \
             : weft__store_short, unsigned short *                                                 \
             : weft__store_ushort, int *                                                           \
             : weft__store_int, unsigned *                                                         \
             : weft__store_uint, long *                                                            \
             : weft__store_long, unsigned long *                                                   \
             : weft__store_ulong, long long *                                                      \
             : weft__store_llong, unsigned long long *                                             \
             : weft__store_ullong, default                                                         \
             : weft__store_ptr)(&(lvalue), (value), sizeof(!(lvalue)))

#define WEFT__DEFINE_STORE(name, type, field)                                          \
    static inline void weft__store_##name(type *slot, weft_value value, size_t scalar) \
    {                                                                                  \
        (void)scalar;                                                                  \
        *slot = (type)value.field;                                                     \
    }
WEFT__DEFINE_STORE(float, float, f64)
WEFT__DEFINE_STORE(double, double, f64)
#ifndef __cplusplus
WEFT__DEFINE_STORE(bool, _Bool, i64)
#endif
WEFT__DEFINE_STORE(char, char, i64)
WEFT__DEFINE_STORE(schar, signed char, i64)
WEFT__DEFINE_STORE(uchar, unsigned char, i64)
WEFT__DEFINE_STORE(short, short, i64)
WEFT__DEFINE_STORE(ushort, unsigned short, i64)
WEFT__DEFINE_STORE(int, int, i64)
WEFT__DEFINE_STORE(uint, unsigned, i64)
WEFT__DEFINE_STORE(long, long, i64)
WEFT__DEFINE_STORE(ulong, unsigned long, i64)
WEFT__DEFINE_STORE(llong, long long, i64)
WEFT__DEFINE_STORE(ullong, unsigned long long, i64)
#undef WEFT__DEFINE_STORE

/* Any object pointer: they share one representation wherever libevent runs. */
static inline void weft__store_ptr(void *slot, weft_value value, size_t scalar)
{
    (void)scalar;
    __builtin_memcpy(slot, &value.ptr, sizeof(value.ptr));
}

/*
 * A local variable with an initializer that an await jumps over is refused: by gcc at the jump, by
 * clang at the use. So is a bare `return;`, of which gcc only warns. The settings are undone at
 * WEFT_END.
 */
#if defined(__clang__)
#define WEFT__REFUSE_LOST_LOCALS                                        \
    _Pragma("clang diagnostic push")                                    \
        _Pragma("clang diagnostic error \"-Wsometimes-uninitialized\"") \
            _Pragma("clang diagnostic error \"-Wconditional-uninitialized\"")
#define WEFT__REFUSE_LOST_LOCALS_END _Pragma("clang diagnostic pop")
#elif defined(__GNUC__)
#define WEFT__REFUSE_LOST_LOCALS                                                          \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic error \"-Wjump-misses-init\"") \
        _Pragma("GCC diagnostic error \"-Wreturn-type\"")
#define WEFT__REFUSE_LOST_LOCALS_END _Pragma("GCC diagnostic pop")
#else
#define WEFT__REFUSE_LOST_LOCALS
#define WEFT__REFUSE_LOST_LOCALS_END
#endif

#ifdef __cplusplus
}
#endif

#endif
