/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <weft/process_stream.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/process.h"
#include "tests/support/trace.h"

TestSuite(process_stream, .init = test_process_begin, .timeout = 60);

static weft_process *process;
static weft_stream *in, *out, *err;

static void start(const char *command)
{
    process = test_start_shell(command);
    in = weft_process_take_stdin(process);
    out = weft_process_take_stdout(process);
    err = weft_process_take_stderr(process);
    cr_assert(in && out && err);
}

static void end(void)
{
    weft_stream_free(in);
    weft_stream_free(out);
    weft_stream_free(err);
    weft_process_free(process);
    test_process_end();
}

/* ---- Success ---- */

Test(process_stream, line_that_is_written_comes_back)
{
    start("cat; echo bye >&2; exit 3");
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(weft_write(in, "hello\n", 6), 0);
        cr_assert(weft_test_gives(weft_read_line(out, 0), "hello\n"));
    }
    cr_assert_eq(weft_write_eof(in), 0);
    cr_assert_eq(weft_write_eof(in), 0);
    cr_assert(weft_test_gives(weft_read_line(out, 0), ""));
    cr_assert(weft_at_eof(out));
    cr_assert(weft_test_gives(weft_read_line(err, 0), "bye\n"));
    cr_assert_eq(test_wait(process), 3);
    end();
}

Test(process_stream, close_of_stdin_sends_everything_and_is_its_end)
{
    start("wc -c");
    static char data[300000];
    cr_assert_eq(weft_write(in, data, sizeof(data)), 0);
    cr_assert_gt(weft_write_pending(in), 0, "more than a pipe holds");
    cr_assert_eq(weft_test_run(weft_close(in)), 0);
    in = NULL;
    cr_assert(weft_test_gives(weft_read_line(out, 0), "300000\n"));
    end();
}

Test(process_stream, write_eof_waits_for_what_was_written)
{
    start("wc -c");
    static char data[300000];
    cr_assert_eq(weft_write(in, data, sizeof(data)), 0);
    cr_assert_eq(weft_write_eof(in), 0);
    cr_assert_eq(weft_write(in, "x", 1), -EPIPE);
    cr_assert(weft_test_gives(weft_read_line(out, 0), "300000\n"));
    end();
}

struct pours {
    WEFT_FRAME;
    int i;
};

enum { BLOCKS = 64, BLOCK = 16384 };

static WEFT_ASYNC(pours)
{
    static char block[BLOCK];
    WEFT_BEGIN;
    for (self->i = 0; self->i < BLOCKS; self->i++) {
        if (weft_write(in, block, sizeof(block)) < 0)
            WEFT_FAIL(-EIO);
        WEFT_AWAIT(weft_drain(in));
    }
    weft_write_eof(in);
    WEFT_END;
}

struct reads {
    WEFT_FRAME;
    int64_t got, total;
    char buffer[4096];
};

static WEFT_ASYNC(reads)
{
    WEFT_BEGIN;
    do {
        WEFT_AWAIT_INTO(self->got, weft_read(out, self->buffer, sizeof(self->buffer)));
        self->total += self->got;
    } while (self->got);
    if (self->total != BLOCKS * BLOCK)
        WEFT_FAIL(-EIO);
    WEFT_END;
}

Test(process_stream, megabyte_goes_through_cat_under_backpressure)
{
    start("cat");
    cr_assert_eq(weft_test_run(weft_gather(weft_spawn(pours), weft_spawn(reads))), 0);
    cr_assert_eq(test_wait(process), 0);
    end();
}

Test(process_stream, outlives_the_process_object)
{
    start("echo last; exit 0");
    cr_assert_eq(test_wait(process), 0);
    weft_process_free(process);
    process = NULL;
    cr_assert(weft_test_gives(weft_read_line(out, 0), "last\n"));
    end();
}

Test(process_stream, communicate_leaves_out_what_was_taken)
{
    int status;
    process = test_start_shell("echo out; echo err >&2");
    out = weft_process_take_stdout(process);
    struct weft_process_output *output =
        test_output(weft_process_communicate(process, NULL, 0, 0), &status);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(output->out, "");
    cr_assert_str_eq(output->err, "err\n");
    weft_process_output_free(output);
    cr_assert(weft_test_gives(weft_read_line(out, 0), "out\n"));
    end();
}

/* ---- Failure ---- */

Test(process_stream, writing_to_a_process_that_is_gone_is_epipe_and_no_signal)
{
    start("exit 0");
    cr_assert_eq(signal(SIGPIPE, SIG_DFL), SIG_DFL);
    cr_assert_eq(test_wait(process), 0);
    cr_assert_eq(weft_write(in, "x", 1), -EPIPE);
    cr_assert_eq(weft_write(in, "x", 1), -EPIPE);
    cr_assert_eq(weft_test_run(weft_close(in)), -EPIPE);
    in = NULL;
    end();
}

Test(process_stream, drain_fails_when_the_reader_goes)
{
    start("read line; exec <&-; exec sleep 1000");
    static char data[1 << 20];
    cr_assert_eq(weft_write(in, data, sizeof(data)), 0);
    weft_future *drain = weft_drain(in);
    cr_assert_not(weft_is_done(drain));
    cr_assert_eq(weft_process_terminate(process), 0);
    cr_assert_eq(weft_test_run(drain), -EPIPE);
    end();
}

Test(process_stream, each_has_one_direction)
{
    char byte;
    start("cat");
    cr_assert_eq(weft_write(out, "x", 1), -EPIPE);
    cr_assert_eq(weft_test_count(weft_read(in, &byte, 1)), 0);
    cr_assert_eq(weft_test_run(weft_close(out)), 0);
    out = NULL;
    end();
}

Test(process_stream, take_of_what_is_not_there_fails)
{
    struct weft_process_options options = {.shell = "exit 0"};
    process = test_start(&options);
    cr_assert_null(weft_process_take_stdin(process));
    cr_assert_eq(errno, EBADF);
    cr_assert_null(weft_process_take_stdout(NULL));
    cr_assert_eq(errno, EINVAL);
    end();
}

/* ---- Cancelling, the end, memory ---- */

Test(process_stream, cancelled_read_takes_nothing)
{
    start("read line; echo $line");
    weft_future *read = weft_read_line(out, 0);
    cr_assert(weft_cancel(read));
    cr_assert_eq(weft_test_run(read), -ECANCELED);
    cr_assert_eq(weft_write(in, "go\n", 3), 0);
    cr_assert(weft_test_gives(weft_read_line(out, 0), "go\n"));
    end();
}

Test(process_stream, shutdown_ends_streams_and_process)
{
    start("cat");
    weft_future *read = weft_read_line(out, 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(read), -ECANCELED);
    weft_unref(read);
    end();
}

static int scene(void)
{
    int status = -ENOMEM;
    weft_process *cat = test_start(&(struct weft_process_options){
        .shell = "cat", .in = WEFT_STDIO_PIPE, .out = WEFT_STDIO_PIPE});
    weft_stream *to = weft_process_take_stdin(cat);
    weft_stream *from = to ? weft_process_take_stdout(cat) : NULL;
    if (from)
        status = weft_write(to, "x\n", 2);
    if (from && status == 0)
        status = weft_test_run(weft_read_line(from, 0));
    weft_stream_free(to);
    weft_stream_free(from);
    weft_process_free(cat);
    return status;
}

static weft_process *spare;

/* Of the streams: a process that cannot be started is another test. */
static int scene_of_streams(void)
{
    int status = -ENOMEM;
    weft_stream *to = weft_process_take_stdin(spare);
    if (to)
        status = weft_test_run(weft_close(to));
    else
        cr_assert_eq(errno, ENOMEM);
    return status;
}

Test(process_stream, lack_of_memory_leaves_the_pipe_with_the_process)
{
    cr_assert_eq(scene(), 0);
    spare = test_start_shell("cat");
    weft_test_every_lack_of_memory(scene_of_streams);
    weft_process_free(spare);
    end();
}
