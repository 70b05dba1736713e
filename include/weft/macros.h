/* SPDX-License-Identifier: MIT */
#ifndef WEFT_MACROS_H
#define WEFT_MACROS_H

/**
 * What the public headers need from the compiler. Every macro is empty where the compiler
 * does not know the attribute, so a header that uses them stays plain C11 and C++17.
 */

#if defined(__GNUC__) || defined(__clang__)
#define WEFT_ATTRIBUTE(x) __attribute__(x)
#else
#define WEFT_ATTRIBUTE(x)
#endif

/** Part of the library's interface: visible in the shared library. All else is hidden. */
#define WEFT_PUBLIC WEFT_ATTRIBUTE((__visibility__("default")))

/** The compiler warns when the caller ignores what the function returns. */
#define WEFT_MUST_CHECK WEFT_ATTRIBUTE((__warn_unused_result__))

/** Argument `text` is a printf format for the arguments from `first` on; both count from 1. */
#define WEFT_PRINTF(text, first) WEFT_ATTRIBUTE((__format__(__printf__, text, first)))

/* "file:line" of the line on which it stands. */
#define WEFT__STRING_(x) #x
#define WEFT__STRING(x) WEFT__STRING_(x)
#define WEFT__HERE __FILE__ ":" WEFT__STRING(__LINE__)

/** Ends a case that goes on into the next one on purpose. */
#define WEFT_FALLTHROUGH WEFT_ATTRIBUTE((__fallthrough__))

#endif
