/* SPDX-License-Identifier: MIT */
/* Guide: weft inside a program that dispatches libevent itself. */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

struct word {
    char text[32];
};

/* A blocking call, which this program could not make until now: a database driver, say. */
struct count_letters {
    const char *word;
};

static WEFT_BLOCKING(count_letters)
{
    return weft_ok(strlen(self->word));
}

struct answer {
    WEFT_FRAME;
    struct word word;
    int64_t letters;
};

static WEFT_ASYNC(answer)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->letters, weft_to_thread(count_letters, .word = self->word.text));
    printf("%s has %d letters\n", self->word.text, (int)self->letters);
    WEFT_END;
}

static void on_answered(weft_future *future, void *base)
{
    if (weft_future_status(future) < 0)
        fprintf(stderr, "no answer: %s\n", weft_strerror(weft_future_status(future)));
    event_base_loopbreak(base);
}

/* The host's own callback, as it has always been; now it can start a task. */
static void on_input(evutil_socket_t fd, short what, void *base)
{
    (void)what;
    struct word word = {""};
    if (read(fd, word.text, sizeof(word.text) - 1) <= 0)
        return;
    weft_future *answered = weft_spawn(answer, .word = word);
    if (weft_then(answered, on_answered, base) < 0)
        weft_unref(answered);
}

int main(void)
{
    int fds[2];
    if (pipe(fds) < 0)
        return 1;
    struct event_base *base = event_base_new();
    struct event *input = event_new(base, fds[0], EV_READ | EV_PERSIST, on_input, base);
    event_add(input, NULL);

    weft_loop *loop = weft_loop_attach(base); /* the one new line at the start */
    if (!loop)
        return 1;

    if (write(fds[1], "shuttle", strlen("shuttle")) < 0)
        return 1;
    event_base_dispatch(base);

    weft_loop_free(loop); /* and the one at the end: tasks end, jobs come home */
    event_free(input);
    event_base_free(base);
    close(fds[0]);
    close(fds[1]);
    puts("both loops are over");
    return 0;
}
