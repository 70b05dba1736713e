/* SPDX-License-Identifier: MIT */
/*
 * Probes (USDT): places at which bpftrace, perf or gdb may look at a program that runs, without having been
 * built for it. Each is an instruction that does nothing, and a note in the file that says where it is and
 * where its arguments are; `readelf -n` shows them. Without <sys/sdt.h> (Debian: systemtap-sdt-dev) there are
 * none, nor with clang, whose -Wpedantic refuses that header's macros.
 *
 *     weft:task_spawn   task, name, "file:line", its id
 *     weft:step_begin   coroutine, name, line of the await from which it goes on (0: its beginning)
 *     weft:step_end     coroutine, how: 0 or 1 it suspends, 2 it goes on, 3 or 4 it has ended
 *     weft:job_submit   job, name, lane
 *     weft:job_begin    job; on a worker, as the next one
 *     weft:job_end      job
 *     weft:job_done     job, status; on the loop
 *     weft:wakeup       descriptor by which a loop is woken
 *     weft:blocked      thread, for how many ms, who
 *
 * Those of steps have semaphores: a loop passes them once it has polled and found that somebody has attached.
 *
 * Arguments are what is at hand: nothing is computed for them. They are not evaluated where there are no probes.
 */
#ifndef WEFT_CORE_INSPECT_PROBE_H
#define WEFT_CORE_INSPECT_PROBE_H

#include "core/inspect/hooks.h"

#if defined(WEFT_HAVE_SDT) && WEFT_HOOKS
#include <sys/sdt.h>
/* Its macros leave the dots of others empty, which ISO C has since C23 only. */
#ifdef __clang__
#define WEFT__LAX \
    _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wpedantic\"")
#define WEFT__STRICT _Pragma("clang diagnostic pop")
#else
#define WEFT__LAX
#define WEFT__STRICT
#endif
#define WEFT__PROBE1(name, a) WEFT__LAX DTRACE_PROBE1(weft, name, a) WEFT__STRICT
#define WEFT__PROBE2(name, a, b) WEFT__LAX DTRACE_PROBE2(weft, name, a, b) WEFT__STRICT
#define WEFT__PROBE3(name, a, b, c) WEFT__LAX DTRACE_PROBE3(weft, name, a, b, c) WEFT__STRICT
#define WEFT__PROBE4(name, a, b, c, d) WEFT__LAX DTRACE_PROBE4(weft, name, a, b, c, d) WEFT__STRICT
#else
#define WEFT__PROBE1(name, a) ((void)sizeof(a))
#define WEFT__PROBE2(name, a, b) ((void)sizeof(a), (void)sizeof(b))
#define WEFT__PROBE3(name, a, b, c) (WEFT__PROBE2(name, a, b), (void)sizeof(c))
#define WEFT__PROBE4(name, a, b, c, d) (WEFT__PROBE2(name, a, b), WEFT__PROBE2(name, c, d))
#endif

#endif
