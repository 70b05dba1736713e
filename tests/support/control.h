/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_CONTROL_H
#define WEFT_TESTS_CONTROL_H

/*
 * The control socket under test: a loop that wants one by WEFT_CONTROL=1, on the real clock, with an empty
 * folder as XDG_RUNTIME_DIR. At the end nothing may be left in there.
 */

void control_begin(void);
void control_end(void);

/* The path of a name in XDG_RUNTIME_DIR; valid until the next call. */
const char *control_path(const char *name);

/* Connect to this process' socket, by hand: the descriptor, or -errno. */
int control_connect(void);

/* Ask, and read all that is answered, to be freed. Bytes are sent as they are: a request ends with '\n'. */
char *control_ask(const char *request);

/* The same on a thread, while this one runs the loop. */
char *control_ask_running(const char *request);

/* True if the answer to `request` has `part` in it. */
int control_says(const char *request, const char *part);

#endif
