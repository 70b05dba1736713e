/* SPDX-License-Identifier: MIT */
/* weft cancel PID [LOOP:]TASK [REASON…]: ask a task to stop. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/weft/client.h"
#include "tools/weft/commands.h"
#include "tools/weft/text.h"

/* "7", or of loop 2 "2:7". */
static bool read_task(const char *text, unsigned long *ret_loop, unsigned long *ret_task)
{
    char *end;
    errno = 0;
    *ret_loop = 0;
    *ret_task = strtoul(text, &end, 10);
    if (*end == ':') {
        *ret_loop = *ret_task;
        text = end + 1;
        *ret_task = strtoul(text, &end, 10);
    }
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* The words with blanks between them; a line's end would end the request. False: they are too long. */
static bool add_reason(char *request, size_t size, char *const *words)
{
    for (; *words; words++) {
        size_t len = strlen(request);
        if (len + strlen(*words) + 2 > size)
            return false;
        snprintf(request + len, size - len, " %s", *words);
    }
    for (char *at = request; *at; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    return true;
}

int run_cancel(const struct command_line *line)
{
    char request[1024], error[512];
    unsigned long loop, task;
    if (!read_task(line->arguments[0], &loop, &task)) {
        fail("not a task: %s (give its ID, or LOOP:ID)", line->arguments[0]);
        return EXIT_MISUSE;
    }
    snprintf(request, sizeof(request), "cancel %lu %lu", task, loop);
    if (!add_reason(request, sizeof(request), line->arguments + 1))
        return fail("the reason is too long");
    json_t *answer = weft_client_ask(line->pid, request, error, sizeof(error));
    if (!answer)
        return fail("%s", error);
    int status = EXIT_OK;
    const char *note = text_of(answer, "note");
    if (line->as_json)
        status = print_json(answer);
    else
        printf("asked task %" PRId64 " (%s) of loop %" PRId64 " to stop%s%s\n",
               number_of(answer, "task"), text_of(answer, "name"), number_of(answer, "loop"),
               *note ? ": " : "", note);
    json_decref(answer);
    return status;
}
