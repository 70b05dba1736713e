/* SPDX-License-Identifier: MIT */
/**
 * Errors: 0 or more is success, a negative errno is failure, and where errno has no word for it,
 * one of the codes below.
 */
#ifndef WEFT_ERROR_H
#define WEFT_ERROR_H

#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** weft's own error codes, all below -4096: X(name, number, text). */
#define WEFT_ERRORS(X)                                                        \
    X(WEFT_EOF, -4097, "end of stream")                                       \
    X(WEFT_ECLOSED, -4098, "closed")                                          \
    X(WEFT_ELIMIT, -4099, "a limit was exceeded")                             \
    X(WEFT_EHTTP, -4100, "unexpected HTTP response")                          \
    X(WEFT_EPROTO, -4101, "the peer broke the protocol")                      \
    X(WEFT_ERESOLVE, -4102, "name resolution failed")                         \
    X(WEFT_ENOLOOP, -4103, "this thread has no loop")                         \
    X(WEFT_ESTUCK, -4104, "still running after the deadline of the shutdown") \
    X(WEFT_EAWAIT, -4105, "an await stands where it cannot be resumed")       \
    X(WEFT_EGROUP, -4106, "several operations failed")                        \
    X(WEFT_EBROKEN, -4107, "the barrier is broken")                           \
    X(WEFT_ETHREAD, -4108, "called on a thread other than its loop's")        \
    X(WEFT_EFORK, -4109, "used in a forked child")                            \
    X(WEFT_EEXIT, -4110, "the process ended with a failure")                  \
    X(WEFT_EDROPPED, -4111, "dropped from a full lane, for a newer job")      \
    X(WEFT_ENOJOB, -4112, "this thread runs no job")                          \
    X(WEFT_ESQLITE, -4113, "SQLite failed")                                   \
    X(WEFT_ETLS, -4114, "TLS failed")                                         \
    X(WEFT_ECERT, -4115, "a certificate was refused")                         \
    X(WEFT_ETRUNCATED, -4116, "the stream was cut off")

enum weft_error {
#define WEFT__ERROR_ENUM(name, number, text) name = number,
    WEFT_ERRORS(WEFT__ERROR_ENUM)
#undef WEFT__ERROR_ENUM
};

/**
 * The symbol of an error: "ECONNREFUSED" for -ECONNREFUSED, "WEFT_EOF" for WEFT_EOF.
 *
 * Thread:    any.
 * Ownership: returns a static string, never NULL; "OK" for 0 and more, "EUNKNOWN" for what has no
 *            name.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_error_name(int status);

/**
 * What an error means, in words: "Connection refused".
 *
 * Thread:    any.
 * Ownership: returns a static string, never NULL.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_strerror(int status);

#ifdef __cplusplus
}
#endif

#endif
