/* SPDX-License-Identifier: MIT */
/* The last reports of the watchdog, for the page. */
#ifndef MIXED_SERVER_REPORTS_H
#define MIXED_SERVER_REPORTS_H

#include <stdint.h>

/* Keep the reports on this thread's loop from now on; they are printed, too. */
void reports_begin(void);

/* Not any more. */
void reports_end(void);

/* How many there were: it has changed if there is a new one. */
uint64_t reports_count(void);

/* The last ones, newest first, as a list of JSON; to be freed. NULL: out of memory. */
char *reports_list(void);

#endif
