/* SPDX-License-Identifier: MIT */
/*
 * Hooks: what the tools that look at a program add to its hot paths.
 *
 * A build with -DWEFT_HOOKS=OFF has none of them. Nobody is meant to use such a build: it is what the
 * tools' cost is measured against (docs/design/metrics.md). So every hook in a hot path is by one of
 * these, and the compiler leaves it out there:
 *
 *     if (WEFT__HOOKED(loop->watched))
 *         weft__item_watched(loop, item);
 *     else
 *         item->run(item);
 *
 *     #if WEFT_HOOKS … #endif where that does not do.
 */
#ifndef WEFT_CORE_INSPECT_HOOKS_H
#define WEFT_CORE_INSPECT_HOOKS_H

#ifndef WEFT_HOOKS
#define WEFT_HOOKS 1
#endif

/** A tool is on, as seldom happens. */
#define WEFT__HOOKED(condition) (WEFT_HOOKS && __builtin_expect(!!(condition), 0))

#endif
