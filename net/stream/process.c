/* SPDX-License-Identifier: MIT */
/*
 * Streams over a process's pipes. The pipe is the process's until there is a stream; a failure
 * leaves it there.
 */
#include <errno.h>
#include <weft/process_stream.h>

#include "core/process.h"
#include "net/net.h"

static int open_stream(weft_process *process, int which, weft_stream **ret)
{
    int status = 0;
    if (!process)
        return -EINVAL;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    int fd = net ? weft_process_take_fd(process, which) : status;
    if (fd < 0)
        return fd;
    status = weft__stream_open_one_way(net, fd, WEFT__STREAM_PIPE, which == 0, ret);
    if (status < 0)
        process->fds[which] = fd;
    return status;
}

static weft_stream *take(weft_process *process, int which, const char *function)
{
    weft_stream *stream = NULL;
    int status = process && weft__is_elsewhere(process->loop_id, function)
                     ? weft__elsewhere()
                     : open_stream(process, which, &stream);
    if (status < 0)
        errno = -status;
    return stream;
}

weft_stream *weft_process_take_stdin(weft_process *process)
{
    return take(process, 0, __func__);
}

weft_stream *weft_process_take_stdout(weft_process *process)
{
    return take(process, 1, __func__);
}

weft_stream *weft_process_take_stderr(weft_process *process)
{
    return take(process, 2, __func__);
}
