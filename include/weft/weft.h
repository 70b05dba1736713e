/* SPDX-License-Identifier: MIT */
/** All of weft's core: the loop, futures, tasks, combinators, the pool and files. Streams and HTTP have
 * headers of their own. */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <weft/barrier.h>
#include <weft/blocking.h>
#include <weft/broadcast.h>
#include <weft/bytes.h>
#include <weft/callback.h>
#include <weft/cleanup.h>
#include <weft/combine.h>
#include <weft/condition.h>
#include <weft/context.h>
#include <weft/control.h>
#include <weft/error.h>
#include <weft/event.h>
#include <weft/fd.h>
#include <weft/file.h>
#include <weft/future.h>
#include <weft/group.h>
#include <weft/inspect.h>
#include <weft/job.h>
#include <weft/lane.h>
#include <weft/lock.h>
#include <weft/loop.h>
#include <weft/macros.h>
#include <weft/map.h>
#include <weft/memory.h>
#include <weft/metrics.h>
#include <weft/pool.h>
#include <weft/process.h>
#include <weft/queue.h>
#include <weft/race.h>
#include <weft/retry.h>
#include <weft/run_loops.h>
#include <weft/scope.h>
#include <weft/semaphore.h>
#include <weft/signal.h>
#include <weft/task.h>
#include <weft/thread_task.h>
#include <weft/time.h>
#include <weft/timeout.h>
#include <weft/trace.h>
#include <weft/value.h>
#include <weft/version.h>
#include <weft/wait.h>
#include <weft/watch.h>
#include <weft/watchdog.h>

#endif
