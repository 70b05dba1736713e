/* SPDX-License-Identifier: MIT */
/* Folders in which control sockets may be. See tools/weft/places.c. */
#ifndef WEFT_TOOLS_PLACES_H
#define WEFT_TOOLS_PLACES_H

#include <stdbool.h>
#include <stddef.h>

enum { PLACES_PATH = 4096, MOST_PLACES = 4 };

struct places {
    char folders[MOST_PLACES][PLACES_PATH];
    size_t count;
};

/** Where the socket of a process may be, likeliest first. */
void places_of_process(struct places *ret, int pid);

/** Show each socket's file that this user may have a look at, with the number in its name. */
void places_each_socket(void (*fn)(void *arg, const char *folder, int pid), void *arg);

#endif
