/* SPDX-License-Identifier: MIT */
/* How many CPUs this process may use. See pool/cpus.c. */
#ifndef WEFT_POOL_CPUS_H
#define WEFT_POOL_CPUS_H

/** At least 1. Thread: any. */
unsigned weft__cpus(void);

/** The same for another root of the file system: tests make one. */
unsigned weft__cpus_under(const char *root, unsigned affinity);

#endif
