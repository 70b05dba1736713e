/* SPDX-License-Identifier: MIT */
#ifndef WEFT_CORE_ANNOTATIONS_H
#define WEFT_CORE_ANNOTATIONS_H

/*
 * What is said of functions and fields to the compiler.
 *
 * Who may touch what, said so that Clang's -Wthread-safety checks it; empty for other compilers.
 *
 * POSIX mutexes carry no annotations, so a lock that is to be checked is wrapped in a struct
 * marked WEFT_CAPABILITY, whose lock and unlock functions say WEFT_ACQUIRE and WEFT_RELEASE.
 * "The loop's thread" is a capability as well, one that is asserted rather than acquired.
 */
#if defined(__clang__)
#define WEFT_TS_ATTRIBUTE(x) __attribute__((x))
#else
#define WEFT_TS_ATTRIBUTE(x)
#endif

/* On a struct: it is a lock (or another right that a thread may hold), called `name` in reports. */
#define WEFT_CAPABILITY(name) WEFT_TS_ATTRIBUTE(capability(name))

/* On a field: read and written only by who holds the capability. */
#define WEFT_GUARDED_BY(...) WEFT_TS_ATTRIBUTE(guarded_by(__VA_ARGS__))
#define WEFT_PT_GUARDED_BY(...) WEFT_TS_ATTRIBUTE(pt_guarded_by(__VA_ARGS__))

/* On a function: the caller holds it; must not hold it; it is taken; it is given back. */
#define WEFT_REQUIRES(...) WEFT_TS_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define WEFT_EXCLUDES(...) WEFT_TS_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define WEFT_ACQUIRE(...) WEFT_TS_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define WEFT_TRY_ACQUIRE(...) WEFT_TS_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define WEFT_RELEASE(...) WEFT_TS_ATTRIBUTE(release_capability(__VA_ARGS__))

/* On a function that checks at run time that the capability is held. */
#define WEFT_ASSERT_CAPABILITY(...) WEFT_TS_ATTRIBUTE(assert_capability(__VA_ARGS__))

/* On the body of a lock's own functions, which the analysis cannot follow. */
#define WEFT_NO_THREAD_SAFETY_ANALYSIS WEFT_TS_ATTRIBUTE(no_thread_safety_analysis)

/* On a function for the rare case: it is not put into who calls it, who saves no registers for it. */
#define WEFT_APART __attribute__((noinline))

/* On a function whose calls are all put into it, but those of WEFT_APART: where a few instructions count, and
 * what the compiler would choose changes with what stands elsewhere. */
#define WEFT_WHOLE __attribute__((flatten))

#endif
