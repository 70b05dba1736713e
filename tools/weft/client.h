/* SPDX-License-Identifier: MIT */
/* Asks a process by its control socket. See tools/weft/client.c. */
#ifndef WEFT_TOOLS_CLIENT_H
#define WEFT_TOOLS_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { WEFT_CLIENT_PROTOCOL = 1 };

/** Ask process `pid`; the answer, a new reference. NULL, and a sentence in `error`: there is none, or it is
 * an error. The request is a line without its end. */
json_t *weft_client_ask(int pid, const char *request, char *error, size_t size);

/** The same as it came, without parsing: a text to be freed, of *ret_len bytes. */
char *weft_client_ask_raw(int pid, const char *request, size_t *ret_len, char *error, size_t size);

/** A process that has, or had, a control socket. */
struct weft_client_process {
    int pid;
    json_t *hello; /* NULL: it does not answer, see `error` */
    char error[256];
};

/** All that this user may ask, by their numbers; what processes that are gone have left is removed. An
 * array to be freed by weft_client_free_list(). NULL: out of memory. */
struct weft_client_process *weft_client_list(size_t *ret_count);
void weft_client_free_list(struct weft_client_process *list, size_t count);

/** The process that is meant by a number or by a program's name, and speaks our protocol. -1: there is none,
 * as `error` says. */
int weft_client_find(const char *who, char *error, size_t size);

#endif
