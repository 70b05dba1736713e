/* SPDX-License-Identifier: MIT */
/* How many CPUs this process may use. See core/cpus.c. */
#ifndef WEFT_CORE_CPUS_H
#define WEFT_CORE_CPUS_H

/** For how many there is work; a part of one counts. At least 1. Thread: any. */
unsigned weft__cpus(void);

/** How many may be kept busy; a part of one does not count, so it may be 0.
 * Thread: any. */
unsigned weft__whole_cpus(void);

/** Those of this thread's affinity mask, at least 1. A system call. Thread: any. */
unsigned weft__cpus_of_thread(void);

/** The same for another root of the file system: tests make one. */
unsigned weft__cpus_under(const char *root, unsigned affinity);
unsigned weft__whole_cpus_under(const char *root, unsigned affinity);

#endif
