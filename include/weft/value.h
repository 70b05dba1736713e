/* SPDX-License-Identifier: MIT */
/**
 * Values and results: what a future carries and what a blocking function returns.
 */
#ifndef WEFT_VALUE_H
#define WEFT_VALUE_H

#include <errno.h>
#include <stdint.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A pointer, an integer or a floating-point number. Nothing is recorded of which: both sides agree
 * on it. */
typedef union weft_value {
    void *ptr;
    int64_t i64;
    double f64;
} weft_value;

/** Frees what a value points to; NULL for a value that needs none. `free` is one. */
typedef void weft_destructor(void *ptr);

/** What a blocking function returns: made by weft_ok(), weft_err() and weft_errf(). */
typedef struct weft_result {
    int status;                  /* 0, or a negative error */
    weft_value value;            /* when status is 0 */
    weft_destructor *destructor; /* of value.ptr, or NULL */
    char *message;               /* of a failure: from weft_errf(), or NULL; owned */
} weft_result;

static inline weft_value weft_value_ptr(const void *ptr)
{
    weft_value value;
    value.ptr = (void *)ptr;
    return value;
}

static inline weft_value weft_value_i64(int64_t number)
{
    weft_value value;
    value.i64 = number;
    return value;
}

static inline weft_value weft_value_u64(uint64_t number)
{
    return weft_value_i64((int64_t)number);
}

static inline weft_value weft_value_f64(double number)
{
    weft_value value;
    value.f64 = number;
    return value;
}

static inline weft_result weft__result(weft_value value, weft_destructor *destructor)
{
    weft_result result = {0, value, destructor, 0};
    return result;
}

/** The failure `status`, a negative error; anything else is -EINVAL. */
static inline weft_result weft_err(int status)
{
    weft_result result = {status < 0 ? status : -EINVAL, {0}, 0, 0};
    return result;
}

/**
 * The failure `status` with a message of its own, as printf() makes it.
 *
 * Thread:    any.
 * Ownership: the result owns the message. Out of memory, the message is dropped and the status
 *            kept.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC weft_result weft_errf(int status, const char *format, ...) WEFT_PRINTF(2, 3);

#ifndef __cplusplus

/** The weft_value of an expression: a pointer, an integer or a floating-point number. */
#define weft_value_of(x)                          \
    _Generic((x), float                           \
             : weft_value_f64, double             \
             : weft_value_f64, _Bool              \
             : weft_value_i64, char               \
             : weft_value_i64, signed char        \
             : weft_value_i64, short              \
             : weft_value_i64, int                \
             : weft_value_i64, long               \
             : weft_value_i64, long long          \
             : weft_value_i64, unsigned char      \
             : weft_value_u64, unsigned short     \
             : weft_value_u64, unsigned           \
             : weft_value_u64, unsigned long      \
             : weft_value_u64, unsigned long long \
             : weft_value_u64, default            \
             : weft_value_ptr)(x)

/** Success with a value, and optionally the destructor of what it points to: `weft_ok(text, free)`.
 */
#define weft_ok(...) WEFT__OK(__VA_ARGS__, NULL, ~)
#define WEFT__OK(value, destructor, ...) weft__result(weft_value_of(value), (destructor))

#endif

#ifdef __cplusplus
}
#endif

#endif
