/* SPDX-License-Identifier: MIT */
#ifndef WEFT_VERSION_H
#define WEFT_VERSION_H

#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The one place where the version is written; CMake reads it from here. */
#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

/** The version as one number that grows from release to release, for `#if`. */
#define WEFT_VERSION_NUMBER \
    (WEFT_VERSION_MAJOR * 10000 + WEFT_VERSION_MINOR * 100 + WEFT_VERSION_PATCH)

/**
 * The version of the library that is linked, as "major.minor.patch".
 *
 * May differ from the macros above, which belong to the headers that were compiled against.
 *
 * Thread:    any.
 * Ownership: a static string; never free it.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_version(void);

#ifdef __cplusplus
}
#endif

#endif
