/* SPDX-License-Identifier: MIT */
/* Asking loops from another thread, within a limit of time. See core/inspect/ask.c. */
#ifndef WEFT_CORE_INSPECT_ASK_H
#define WEFT_CORE_INSPECT_ASK_H

#include <stdint.h>
#include <sys/types.h>
#include <weft/loop.h>

#include "core/inspect/json.h"

enum { WEFT__ASK_TEXT = 512 };

/** What a question is about; each loop gets a copy. */
struct weft__subject {
    uint32_t task;
    char text[WEFT__ASK_TEXT];
};

struct weft__question {
    uint32_t loop_id; /* 0: all loops are asked */
    struct weft__subject subject;
    /* Write the answer; a status. */
    int (*by_itself)(weft_loop *loop, const struct weft__subject *subject, struct weft__text *to);
    /* The same on the thread that asks, of a loop that has not answered, which stays meanwhile. NULL:
     * nothing can be said then. */
    int (*from_outside)(weft_loop *loop, const struct weft__subject *subject,
                        struct weft__text *to);
};

enum weft__seen {
    WEFT__BY_ITSELF,    /* the loop has answered */
    WEFT__FROM_OUTSIDE, /* it has not: it was looked at */
    WEFT__NOT_ASKED,    /* it has not, and will not any more */
    WEFT__UNDER_WAY     /* it began to and has not come back from it; it may still */
};

struct weft__answer {
    uint32_t loop_id;
    pid_t tid;
    enum weft__seen seen;
    int status;
    const struct weft__text *text;
};

/** Ask, and show what each loop has said, oldest loop first. 0 or -ENOMEM, with none shown. Thread: any
 * that is no loop's. */
int weft__ask(const struct weft__question *question,
              void (*show)(void *arg, const struct weft__answer *answer), void *arg);

#endif
