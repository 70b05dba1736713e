/* SPDX-License-Identifier: MIT */
/* Asks a process while the keys are still served. See tools/weft/top_ask.c. */
#ifndef WEFT_TOOLS_TOP_ASK_H
#define WEFT_TOOLS_TOP_ASK_H

#include <jansson.h>
#include <stdbool.h>

struct top_asker;

struct top_answer {
    char request[32];
    json_t *json;    /* a reference; NULL: there is none */
    char error[256]; /* why */
};

/** NULL and errno. */
struct top_asker *top_asker_new(int pid);

/** Ask; one question at a time. False: the one before is not answered yet. */
bool top_asker_ask(struct top_asker *asker, const char *request);

/** Readable when there is an answer. */
int top_asker_fd(const struct top_asker *asker);

/** Take it. */
struct top_answer top_asker_take(struct top_asker *asker);

/** The process is about to end: a question that is under way is left as it is. */
void top_asker_leave(struct top_asker *asker);

#endif
