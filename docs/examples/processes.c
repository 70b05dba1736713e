/* SPDX-License-Identifier: MIT */
/* Guide: processes. It runs others, talks to them, and is a filter itself: `processes --count`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/process_stream.h>
#include <weft/stdio.h>
#include <weft/weft.h>

/* ---- Run, and see what it says ---- */

struct sort_words {
    WEFT_FRAME;
    struct weft_process_output *sorted;
    int status;
};

static WEFT_ASYNC(sort_words)
{
    static const char *const sort[] = {"sort", "-u", NULL};
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->sorted,
                    weft_process_run(&(struct weft_process_options){.argv = sort, .check = true},
                                     "weft\nwarp\nweft\n", 15, 0));
    printf("%s", self->sorted->out);

    WEFT_CATCH(self->status, weft_process_run(
                                 &(struct weft_process_options){
                                     .shell = "echo 'no such table' >&2; exit 3", .check = true},
                                 NULL, 0, 0));
    printf("  %s: %s\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE);

    WEFT_FINALLY;
    weft_process_output_free(self->sorted);
    WEFT_END;
}

/* ---- Talk to it ---- */

struct talk {
    WEFT_FRAME;
    weft_process *process;
    weft_stream *in, *out;
    const weft_bytes *line; /* lent by the stream */
    int64_t status;
    int i;
};

static WEFT_ASYNC(talk)
{
    static const char *const words[] = {"one\n", "two\n"};
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->process,
                    weft_process_start(&(struct weft_process_options){
                        .shell = "while read -r word; do echo \"$word, $word\"; done",
                        .in = WEFT_STDIO_PIPE,
                        .out = WEFT_STDIO_PIPE}));
    self->in = weft_process_take_stdin(self->process);
    self->out = weft_process_take_stdout(self->process);
    if (!self->in || !self->out)
        WEFT_FAIL(-errno);
    for (self->i = 0; self->i < 2; self->i++) {
        weft_write(self->in, words[self->i], strlen(words[self->i]));
        WEFT_AWAIT_INTO(self->line, weft_next_line(self->out, NULL));
        printf("  %s\n", self->line ? self->line->data : "(no answer)");
    }
    weft_write_eof(self->in); /* closes its stdin, so that it ends */
    WEFT_AWAIT_INTO(self->status, weft_process_wait(self->process));
    printf("  ended with %d\n", (int)self->status);

    WEFT_FINALLY;
    weft_stream_free(self->in);
    weft_stream_free(self->out);
    weft_process_free(self->process); /* one that still runs is killed */
    WEFT_END;
}

/* ---- One that takes too long ---- */

struct hurry {
    WEFT_FRAME;
    weft_process *process;
    int64_t exit;
    int status;
};

static WEFT_ASYNC(hurry)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->process,
                    weft_process_start(&(struct weft_process_options){
                        .shell = "sleep 1000", .new_group = true, .grace = WEFT_S(2)}));
    WEFT_CATCH_INTO(self->status, self->exit,
                    weft_wait_for(weft_process_wait(self->process), WEFT_MS(20)));
    printf("  %s\n", weft_error_name(self->status));
    WEFT_AWAIT_INTO(self->exit, weft_process_stop(self->process)); /* SIGTERM, later SIGKILL */
    printf("  ended with %d\n", (int)self->exit);

    WEFT_FINALLY;
    weft_process_free(self->process);
    WEFT_END;
}

/* ---- A filter: stdin to stdout ---- */

struct count {
    WEFT_FRAME;
    weft_stream *in, *out;
    const weft_bytes *line; /* lent by the stream */
    char text[100];
    int number;
};

static WEFT_ASYNC(count)
{
    WEFT_BEGIN;
    self->in = weft_open_stdin();
    self->out = weft_open_stdout();
    if (!self->in || !self->out)
        WEFT_FAIL(-errno, "no stdin, or no stdout");
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_next_line(self->in, NULL));
        if (!self->line)
            break;
        snprintf(self->text, sizeof(self->text), "%d: %.80s\n", ++self->number, self->line->data);
        weft_write(self->out, self->text, strlen(self->text));
        WEFT_AWAIT(weft_drain(self->out)); /* whoever reads us may be slow */
    }

    WEFT_FINALLY;
    weft_stream_free(self->in);
    WEFT_AWAIT(weft_close(self->out)); /* sends the rest */
    WEFT_END;
}

/* ---- All of it ---- */

struct example {
    WEFT_FRAME;
    struct weft_process_output *counted;
};

static WEFT_ASYNC(example)
{
    static const char *const itself[] = {"/proc/self/exe", "--count", NULL};
    WEFT_BEGIN;
    printf("run:\n");
    WEFT_AWAIT(weft_call(sort_words));
    printf("talk:\n");
    WEFT_AWAIT(weft_call(talk));
    printf("stop:\n");
    WEFT_AWAIT(weft_call(hurry));
    printf("a filter:\n");
    WEFT_AWAIT_INTO(self->counted,
                    weft_process_run(&(struct weft_process_options){.argv = itself, .check = true},
                                     "a line\nanother\n", 15, 0));
    printf("%s", self->counted->out);

    WEFT_FINALLY;
    weft_process_output_free(self->counted);
    WEFT_END;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--count") == 0)
        return weft_run(count);
    return weft_run(example);
}
