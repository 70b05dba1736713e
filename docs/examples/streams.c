/* SPDX-License-Identifier: MIT */
/* Guide: streams. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/sendfile.h>
#include <weft/stdio.h>
#include <weft/stream.h>
#include <weft/weft.h>

/* ---- Lines ---- */

struct read_lines {
    WEFT_FRAME;
    weft_stream *stream;
    const weft_bytes *line; /* lent by the stream */
};

static WEFT_ASYNC(read_lines)
{
    static const struct weft_lines_options options = {.limit = 100, .ends = WEFT_LINES_CRLF};
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_next_line(self->stream, &options));
        if (!self->line)
            break;
        printf("  a line: %s\n", self->line->data);
    }
    WEFT_END;
}

/* ---- Whatever ends first ---- */

struct read_words {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *word; /* owned */
    int status;
};

static WEFT_ASYNC(read_words)
{
    static const struct weft_separator ends[] = {{", ", 2}, {"; ", 2}};
    WEFT_BEGIN;
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->word, weft_read_until_any(self->stream, ends, 2, 100));
        if (self->status < 0)
            break;
        printf("  a word: '%s'\n", self->word->data);
        weft_bytes_free(self->word);
        self->word = NULL;
    }
    printf("  %s, and the rest is there:\n", weft_error_name(self->status));
    WEFT_AWAIT_INTO(self->word, weft_read_line(self->stream, 0));
    printf("  '%s'\n", self->word->data);

    WEFT_FINALLY;
    weft_bytes_free(self->word);
    WEFT_END;
}

/* ---- Writing ---- */

struct write_much {
    WEFT_FRAME;
    weft_stream *stream;
    int i;
};

static WEFT_ASYNC(write_much)
{
    static char block[64 * 1024];
    WEFT_BEGIN;
    for (self->i = 0; self->i < 100; self->i++) {
        weft_write(self->stream, block, sizeof(block));
        WEFT_AWAIT(weft_drain(self->stream)); /* while the peer is slow, this waits */
    }
    weft_write_eof(self->stream);
    WEFT_END;
}

struct count {
    WEFT_FRAME;
    weft_stream *stream;
    int64_t len;
    size_t total;
};

static WEFT_ASYNC(count)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->len, weft_fill(self->stream, 0));
        if (!self->len)
            break;
        self->total += (size_t)self->len;
        weft_consume(self->stream, (size_t)self->len);
    }
    printf("  %zu KiB came\n", self->total / 1024);
    WEFT_END;
}

/* ---- Files ---- */

struct send_file {
    WEFT_FRAME;
    weft_stream *stream;
    int fd;
    int64_t sent;
};

static WEFT_ASYNC(send_file)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->sent, weft_sendfile(self->stream, self->fd, 0, 0));
    printf("  %d bytes were sent\n", (int)self->sent);
    weft_write_eof(self->stream);
    WEFT_END;
}

/* ---- All of it ---- */

struct main_task {
    WEFT_FRAME;
    weft_stream *pair[2]; /* owned */
    weft_stream *out;     /* owned */
    char path[32];
    int fd;
};

static int open_pair(struct main_task *self)
{
    weft_stream_free(self->pair[0]);
    weft_stream_free(self->pair[1]);
    self->pair[0] = self->pair[1] = NULL;
    return weft_stream_pair(self->pair);
}

static void say(weft_stream *stream, const char *text)
{
    weft_write(stream, text, strlen(text));
    weft_write_eof(stream);
}

static int make_file(struct main_task *self)
{
    snprintf(self->path, sizeof(self->path), "/tmp/weft-streams-XXXXXX");
    self->fd = mkstemp(self->path);
    return self->fd < 0 || write(self->fd, "of a file\n", 10) != 10 ? -EIO : 0;
}

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->fd = -1;
    if (open_pair(self) < 0)
        WEFT_FAIL(-ENOMEM, "no pair");
    puts("lines:");
    say(self->pair[0], "one\r\ntwo\nthree");
    WEFT_AWAIT(weft_call(read_lines, .stream = self->pair[1]));

    puts("separators:");
    if (open_pair(self) < 0)
        WEFT_FAIL(-ENOMEM, "no pair");
    say(self->pair[0], "red, green; blue");
    WEFT_AWAIT(weft_call(read_words, .stream = self->pair[1]));

    puts("backpressure:");
    if (open_pair(self) < 0)
        WEFT_FAIL(-ENOMEM, "no pair");
    WEFT_AWAIT(weft_gather(weft_spawn(write_much, .stream = self->pair[0]),
                           weft_spawn(count, .stream = self->pair[1])));

    puts("a file:");
    if (open_pair(self) < 0 || make_file(self) < 0)
        WEFT_FAIL(-EIO, "no file");
    WEFT_AWAIT(weft_call(send_file, .stream = self->pair[0], .fd = self->fd));
    WEFT_AWAIT(weft_call(read_lines, .stream = self->pair[1]));

    fflush(stdout);
    self->out = weft_open_stdout();
    if (!self->out)
        WEFT_FAIL(-errno, "no stdout");
    weft_write(self->out, "and stdout is a stream, too\n", 28);
    WEFT_AWAIT(weft_close(self->out));
    self->out = NULL;

    WEFT_FINALLY;
    weft_stream_free(self->out);
    weft_stream_free(self->pair[0]);
    weft_stream_free(self->pair[1]);
    if (self->fd >= 0) {
        unlink(self->path);
        close(self->fd);
    }
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
