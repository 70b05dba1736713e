/* SPDX-License-Identifier: MIT */
/*
 * Communicate: write the input and read both outputs at the same time, then wait for the end.
 *
 *     TALKS --all pipes closed, the process ended--> done
 *     TALKS --cancel, limit, no memory, an error--> FAILS: pipes closed, process stopped
 *     FAILS --the process ended--> failed
 *
 * Of each pipe that is open there is one event; a pipe is closed at its end, or when the process
 * does not read on. The process owns the talk while it lasts; weft_process_run() makes a talk that
 * owns its process in turn, and frees it at the end.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/inspect/eye.h"
#include "core/memory.h"
#include "core/pipe.h"
#include "core/process.h"
#include "core/sys.h"
#include "core/text.h"

#define DEFAULT_LIMIT ((size_t)16 * 1024 * 1024)
enum { FIRST_CAPACITY = 4096, MOST_AT_ONCE = 256 * 1024, LAST_LINE = 200 };

struct pipe_event {
    struct event event;
    struct weft__talk *talk;
    int which;
};

struct said {
    char *data; /* owned */
    size_t len, capacity;
};

/* All [loop]. */
struct weft__talk {
    weft_future future;    /* first */
    weft_process *process; /* NULL: it is over */
    struct pipe_event pipes[3];
    const char *input; /* borrowed */
    size_t left;       /* of the input */
    struct said said[2];
    size_t limit;
    int failure;                        /* how it will fail; 0: it talks */
    char *message;                      /* of that; owned */
    bool owns;                          /* the process */
    struct weft_process_output *output; /* made in advance; owned */
};

/* ---- The outcome ---- */

static char *empty_text(struct weft_process_output *output)
{
    return (char *)(output + 1);
}

void weft_process_output_free(struct weft_process_output *output)
{
    if (!output)
        return;
    if (output->out != empty_text(output))
        weft__free(output->out);
    if (output->err != empty_text(output))
        weft__free(output->err);
    weft__free(output);
}

static void destroy_output(void *output)
{
    weft_process_output_free(output);
}

static char *take_text(struct weft__talk *talk, int which, size_t *ret_len)
{
    struct said *said = &talk->said[which];
    char *text = said->data;
    *ret_len = said->len;
    if (!text)
        return empty_text(talk->output);
    text[said->len] = 0;
    said->data = NULL;
    return text;
}

static struct weft_process_output *take_output(struct weft__talk *talk)
{
    struct weft_process_output *output = talk->output;
    output->status = talk->process->status;
    output->out = take_text(talk, 0, &output->out_len);
    output->err = take_text(talk, 1, &output->err_len);
    talk->output = NULL;
    return output;
}

/* "sort: status 2: sort: cannot read: x" */
static char *explain_status(const weft_process *process, const struct said *err)
{
    size_t end = err->len;
    while (end && err->data[end - 1] == '\n')
        end--;
    size_t begin = end;
    while (begin && err->data[begin - 1] != '\n' && end - begin < LAST_LINE)
        begin--;
    return weft__format("%s: %s %d%s%.*s", process->name, process->status < 0 ? "signal" : "status",
                        process->status < 0 ? -process->status : process->status, end ? ": " : "",
                        (int)(end - begin), end ? err->data + begin : "");
}

static void set_failure(struct weft__talk *talk, int status, char *message)
{
    if (talk->failure) {
        weft__free(message);
        return;
    }
    talk->failure = status;
    talk->message = message;
}

static void judge(struct weft__talk *talk)
{
    const weft_process *process = talk->process;
    if (talk->failure)
        return;
    if (process->lost)
        set_failure(talk, -ECHILD, weft__format("%s: somebody else waited for it", process->name));
    else if (talk->owns && process->check && process->status != 0)
        set_failure(talk, WEFT_EEXIT, explain_status(process, &talk->said[1]));
}

static void close_pipe(struct weft__talk *talk, int which)
{
    if (talk->process->fds[which] < 0)
        return;
    event_del(&talk->pipes[which].event);
    weft__process_close_fd(talk->process, which);
}

/* The last thing that is done with a talk. */
static void finish(struct weft__talk *talk)
{
    weft_process *process = talk->process;
    for (int i = 0; i < 3; i++)
        close_pipe(talk, i);
    judge(talk);
    if (talk->failure) {
        weft__complete_failed(&talk->future, talk->failure, talk->message);
        talk->message = NULL;
    } else {
        weft__complete(&talk->future, weft_value_ptr(take_output(talk)), destroy_output);
    }
    process->talk = NULL;
    talk->process = NULL;
    weft__process_recount(process);
    if (talk->owns)
        weft_process_free(process);
    weft_unref(&talk->future);
}

static void finish_if_over(struct weft__talk *talk)
{
    const int *fds = talk->process->fds;
    bool open = fds[0] >= 0 || fds[1] >= 0 || fds[2] >= 0;
    if (weft_process_has_ended(talk->process) && (talk->failure || !open))
        finish(talk);
}

void weft__talk_process_ended(struct weft__talk *talk)
{
    finish_if_over(talk);
}

void weft__talk_fail(struct weft__talk *talk, int status, char *message)
{
    set_failure(talk, status, message);
    for (int i = 0; i < 3; i++)
        close_pipe(talk, i);
    weft__process_begin_stop(talk->process);
    finish_if_over(talk);
}

void weft__talk_abort(struct weft__talk *talk, int status)
{
    talk->owns = false;
    set_failure(talk, status, NULL);
    finish(talk);
}

/* ---- The pipes ---- */

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct pipe_event *pipe = arg;
    struct weft__talk *talk = pipe->talk;
    (void)what;
    struct iovec rest = {(void *)talk->input, talk->left};
    ssize_t written = weft__pipe_writev(fd, &rest, 1);
    if (written < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (written < 0 && errno != EPIPE) {
        weft__talk_fail(talk, -errno, NULL);
        return;
    }
    size_t taken = written < 0 ? talk->left : (size_t)written; /* it does not want the rest */
    talk->input += taken;
    talk->left -= taken;
    if (talk->left)
        return;
    close_pipe(talk, 0);
    finish_if_over(talk);
}

/* Room for a byte and a NUL at least. */
static int make_room(struct said *said)
{
    if (said->capacity - said->len >= 2)
        return 0;
    size_t capacity = said->capacity ? said->capacity * 2 : FIRST_CAPACITY;
    char *data = weft__realloc(said->data, capacity);
    if (!data)
        return -ENOMEM;
    said->data = data;
    said->capacity = capacity;
    return 0;
}

/* One byte more than the limit shows that there is more. */
static size_t how_much(const struct said *said, size_t limit)
{
    size_t room = said->capacity - said->len - 1;
    size_t missing = limit - said->len;
    if (room > MOST_AT_ONCE)
        room = MOST_AT_ONCE;
    return missing < room ? missing + 1 : room;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pipe_event *pipe = arg;
    struct weft__talk *talk = pipe->talk;
    struct said *said = &talk->said[pipe->which - 1];
    (void)what;
    if (make_room(said) < 0) {
        weft__talk_fail(talk, -ENOMEM, NULL);
        return;
    }
    ssize_t got = read(fd, said->data + said->len, how_much(said, talk->limit));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0) {
        weft__talk_fail(talk, -errno, NULL);
        return;
    }
    said->len += (size_t)got;
    if (said->len > talk->limit) {
        weft__talk_fail(
            talk, WEFT_ELIMIT,
            weft__format("%s: more than %zu bytes of output", talk->process->name, talk->limit));
        return;
    }
    if (got == 0) {
        close_pipe(talk, pipe->which);
        finish_if_over(talk);
    }
}

/* ---- Beginning ---- */

static bool cancel(weft_future *future)
{
    struct weft__talk *talk = WEFT__CONTAINER(future, struct weft__talk, future);
    if (talk->failure)
        return talk->failure == -ECANCELED;
    weft__talk_fail(talk, -ECANCELED, NULL);
    return true;
}

static void dispose(weft_future *future)
{
    struct weft__talk *talk = WEFT__CONTAINER(future, struct weft__talk, future);
    weft__free(talk->said[0].data);
    weft__free(talk->said[1].data);
    weft__free(talk->message);
    weft__free(talk->output);
}

static void describe(const weft_future *future, const char **ret_name, const char **ret_place)
{
    const struct weft__talk *talk = WEFT__CONTAINER(future, struct weft__talk, future);
    (void)ret_place;
    if (talk->process)
        *ret_name = talk->process->name;
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__talk talk;
    if (!weft__eye_see(eye, &talk, at, sizeof(talk)))
        return;
    weft__explain_process(eye, talk.process, ret);
    ret->detail = talk.failure ? "failed, is being stopped" : "communicates";
}

WEFT__OPS(talk_ops) = {.name = "process",
                       .cancel = cancel,
                       .dispose = dispose,
                       .describe = describe,
                       .explain = explain};

static struct weft__talk *make(weft_loop *loop, const void *input, size_t len, size_t limit)
{
    struct weft_process_output *output = weft__calloc(1, sizeof(*output) + 1);
    struct weft__talk *talk = output ? weft__future_alloc(loop, &talk_ops, sizeof(*talk), 2) : NULL;
    if (!talk) {
        weft__free(output);
        return NULL;
    }
    talk->output = output;
    talk->input = input;
    talk->left = len;
    talk->limit = limit ? limit : DEFAULT_LIMIT;
    return talk;
}

static int watch(struct weft__talk *talk)
{
    weft_process *process = talk->process;
    struct event_base *base = process->part->loop->base;
    for (int i = 0; i < 3; i++) {
        struct pipe_event *pipe = &talk->pipes[i];
        pipe->talk = talk;
        pipe->which = i;
        event_assign(&pipe->event, base, process->fds[i], (i ? EV_READ : EV_WRITE) | EV_PERSIST,
                     i ? on_readable : on_writable, pipe);
    }
    if (!talk->left)
        close_pipe(talk, 0);
    for (int i = 0; i < 3; i++)
        if (process->fds[i] >= 0 && weft__sys.event_add(&talk->pipes[i].event, NULL) < 0)
            return -ENOMEM;
    return 0;
}

static weft_future *begin(struct weft__talk *talk, weft_process *process)
{
    talk->process = process;
    process->talk = talk;
    weft__process_recount(process);
    if (watch(talk) < 0)
        weft__talk_fail(talk, -ENOMEM, NULL);
    else
        finish_if_over(talk);
    return &talk->future;
}

/* Input that nobody would get is not dropped in silence. */
static weft_future *without_pipe(void)
{
    return weft_future_failed(-EINVAL, "input, but `in` is no open pipe");
}

weft_future *weft_process_communicate(weft_process *process, const void *input, size_t len,
                                      size_t limit)
{
    weft_loop *loop = weft__here();
    if (process && WEFT__ELSEWHERE(process->loop_id))
        return weft__future_elsewhere();
    if (!loop)
        return weft__future_enoloop();
    if (!process || (len && !input))
        return weft_future_failed(-EINVAL, process ? "no input" : "no process");
    if (process->talk)
        return weft_future_failed(-EBUSY, "another one communicates with this process");
    if (len && process->fds[0] < 0)
        return without_pipe();
    struct weft__talk *talk = make(loop, input, len, limit);
    return talk ? begin(talk, process) : weft__future_enomem(loop);
}

/* ---- Running ---- */

static struct weft_process_options for_run(const struct weft_process_options *options, size_t len)
{
    struct weft_process_options full = *options;
    if (full.in.kind == WEFT__STDIO_INHERIT)
        full.in = len ? WEFT_STDIO_PIPE : WEFT_STDIO_NULL;
    if (full.out.kind == WEFT__STDIO_INHERIT)
        full.out = WEFT_STDIO_PIPE;
    if (full.err.kind == WEFT__STDIO_INHERIT)
        full.err = WEFT_STDIO_PIPE;
    return full;
}

weft_future *weft_process_run(const struct weft_process_options *options, const void *input,
                              size_t len, size_t limit)
{
    weft_loop *loop = weft__here();
    weft_process *process;
    char *message;
    if (!loop)
        return weft__future_enoloop();
    if (!options || (len && !input))
        return weft_future_failed(-EINVAL, options ? "no input" : "no options");
    struct weft_process_options full = for_run(options, len);
    if (len && full.in.kind != WEFT__STDIO_PIPE)
        return without_pipe();
    struct weft__talk *talk = make(loop, input, len, limit);
    if (!talk)
        return weft__future_enomem(loop);
    int status = weft__process_new(loop, &full, &process, &message);
    if (status < 0) {
        weft__complete_failed(&talk->future, status, message);
        weft_unref(&talk->future);
        return &talk->future;
    }
    talk->owns = true;
    return begin(talk, process);
}
