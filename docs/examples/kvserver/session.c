/* SPDX-License-Identifier: MIT */
/*
 * A client. All commands that have come are run at once, and their answers sent at once, when what they
 * wrote and read is on the disk. So a client that sends many commands without waiting for the answers
 * waits for the disk once.
 */
#include <errno.h>
#include <stdlib.h>

#include "kv.h"

enum { MOST_ANSWERS = 1 << 20 }; /* bytes; then they are sent before more commands are run */

static void enter(struct session *self)
{
    struct server *server = self->server;
    self->task = weft_current_task();
    self->run = (struct command_run){.server = server, .out = &self->out};
    self->next = server->sessions;
    if (self->next)
        self->next->previous = self;
    server->sessions = self;
}

static void leave(struct session *self)
{
    if (self->next)
        self->next->previous = self->previous;
    if (self->previous)
        self->previous->next = self->next;
    else
        self->server->sessions = self->next;
}

/* Run what has come. `have` is what is left then and is no whole command. */
static void run_all(struct session *self)
{
    size_t len, at = 0;
    const char *data = weft_peek(self->stream, &len);
    self->have = 0;
    while (at < len && !self->run.quit && self->out.len < MOST_ANSWERS) {
        const char *error;
        ptrdiff_t used = resp_parse(data + at, len - at, &self->args, &self->have, &error);
        if (used < 0) {
            text_addf(&self->out, "-ERR %s\r\n", error);
            self->run.quit = true;
        }
        if (used <= 0)
            break;
        self->have = 0;
        command_run(&self->run, self->args.list, self->args.count);
        at += (size_t)used;
    }
    weft_consume(self->stream, at);
}

WEFT_ASYNC(session)
{
    WEFT_BEGIN;
    enter(self);
    while (!self->run.quit && !self->server->stopping) {
        self->idle = true;
        WEFT_AWAIT_INTO(self->len, weft_fill(self->stream, self->have));
        self->idle = false;
        if ((size_t)self->len <= self->have)
            break; /* the client is gone; half a command is none */
        run_all(self);
        if (!log_has(self->server->log, self->run.position))
            WEFT_AWAIT(log_wait(self->server->log, self->run.position));
        if (self->out.failed)
            WEFT_FAIL(-ENOMEM, "no memory for the answers");
        weft_write(self->stream, self->out.data, self->out.len);
        text_clear(&self->out);
        WEFT_AWAIT(weft_drain(self->stream));
    }
    if (self->run.stop)
        weft_future_resolve(self->server->stop, weft_value_i64(0), NULL);

    WEFT_FINALLY;
    leave(self);
    text_fini(&self->out);
    free(self->args.list);
    if (WEFT_OUTCOME == -ECONNRESET || WEFT_OUTCOME == -EPIPE)
        WEFT_RETURN(0); /* a client that goes away is no failure of the server */
    WEFT_END;
}
