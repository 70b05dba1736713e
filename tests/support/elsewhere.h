/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_ELSEWHERE_H
#define WEFT_TESTS_ELSEWHERE_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>

/*
 * Calls for the loop's thread, made where that is not: on a thread without a loop, and in a forked
 * child. tests/check_threads wants a case for each public one.
 *
 *     #define CALLS(X)                                                  what it has to return:
 *         X(S, weft_future_fail, weft_future_fail(s->future, -1, NULL))  a status: the error
 *         X(F, weft_gather, weft_gather(s->future))                      a future that failed with it
 *         X(Z, weft_cancel, weft_cancel(s->future))                      0, false or NULL
 *         X(V, weft_unref, weft_unref(s->future))                        nothing
 *         X(H, weft_sleep, weft_sleep(1))                                a future; there is no object
 *         X(N, weft_lock_new, weft_lock_new())                           NULL; there is no object
 *         X(M, weft_future_x, …)                                         a status; there is no object
 *     CALLS(WEFT_TEST_CALL)
 *     static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};
 *
 * `s` is the stage, a `struct stage` of the file. Where there is an object, the call must be reported
 * by its name.
 */
struct weft_test_call {
    const char *name;
    bool has_object;
    bool (*is_refused)(const void *stage, int elsewhere, int here);
};

bool weft_test_failed_with(weft_future *future, int status);

#define WEFT_TEST_IS_S(x) ((x) == elsewhere)
#define WEFT_TEST_IS_F(x) weft_test_failed_with((x), elsewhere)
#define WEFT_TEST_IS_Z(x) (!(x))
#define WEFT_TEST_IS_V(x) ((void)(x), true)
#define WEFT_TEST_IS_H(x) weft_test_failed_with((x), here)
#define WEFT_TEST_IS_N(x) (!(x))
#define WEFT_TEST_IS_M(x) ((x) == here)
#define WEFT_TEST_HAS_S true
#define WEFT_TEST_HAS_F true
#define WEFT_TEST_HAS_Z true
#define WEFT_TEST_HAS_V true
#define WEFT_TEST_HAS_H false
#define WEFT_TEST_HAS_N false
#define WEFT_TEST_HAS_M false

#define WEFT_TEST_CALL(kind, name, expression)                             \
    static bool refuses_##name(const void *stage, int elsewhere, int here) \
    {                                                                      \
        const struct stage *s = stage;                                     \
        (void)s;                                                           \
        (void)elsewhere;                                                   \
        (void)here;                                                        \
        return WEFT_TEST_IS_##kind(expression);                            \
    }
#define WEFT_TEST_ENTRY(kind, name, expression) {#name, WEFT_TEST_HAS_##kind, refuses_##name},

/* Make all calls on another thread, and in a child; fails the test unless each is refused and, with
 * an object, reported by name. */
void weft_test_elsewhere(const struct weft_test_call *calls, size_t count, const void *stage);

#endif
