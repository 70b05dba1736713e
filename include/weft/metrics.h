/* SPDX-License-Identifier: MIT */
/**
 * Metrics: what the loops, pools and HTTP servers of the process are doing, as text for Prometheus and
 * all that read OpenMetrics.
 *
 *     static WEFT_ASYNC(metrics)
 *     {
 *         WEFT_BEGIN;
 *         …weft_metrics_write(self->text, sizeof(self->text), &self->len)…
 *         WEFT_AWAIT(weft_http_respond(self->request, 200, WEFT_METRICS_TYPE, self->text, self->len));
 *         WEFT_END;
 *     }
 *
 * Nothing need be switched on: all of it is counted always. What to look at is told in
 * docs/guides/what-to-alert-on.md. These are the families; times are in seconds, and what ends in
 * _total counts from the beginning.
 *
 * Of a loop; `loop` is a number, from 1 in the order in which loops were made:
 *
 *     weft_loop_lag_seconds            histogram  how long I/O had to wait for the loop, at most
 *     weft_step_seconds                histogram  how long steps of tasks and callbacks took
 *     weft_loop_turn_seconds                      the same as lag, of what runs now
 *     weft_loop_busy_seconds_total                1 more each second: the loop never sleeps
 *     weft_loop_cpu_seconds_total                 its thread was on a CPU
 *     weft_loop_cpu_wait_seconds_total            its thread could have run, and had no CPU
 *     weft_loop_tasks, weft_loop_jobs             that have not ended
 *     weft_loop_callbacks_total, weft_loop_ticks_total, weft_loop_polls_total
 *     weft_loop_spins_total {outcome}             found, vain
 *     weft_loop_reports_total                     reports to the error handler
 *     weft_loop_blocked_total                     reports of the watchdog
 *
 * Of a pool; `pool` is the name of its threads, with "-2" and so on for more of that name at the same time:
 *
 *     weft_pool_threads, weft_pool_max_threads, weft_pool_idle_threads, weft_pool_spare_threads
 *     weft_pool_blocked_jobs
 *     weft_pool_threads_started_total, weft_pool_threads_ended_total
 *     weft_pool_wakeups_total {outcome}           sent, saved
 *
 * Of a lane, `pool` and `lane`:
 *
 *     weft_lane_queue_wait_seconds     histogram  how long jobs waited for a thread
 *     weft_lane_run_seconds            histogram  how long they ran
 *     weft_lane_queued, weft_lane_max_queued      that wait for a thread, and how many may
 *     weft_lane_running, weft_lane_waiting, weft_lane_abandoned
 *     weft_lane_submitted_total
 *     weft_lane_jobs_total {outcome}              completed, rejected, dropped, expired, unstarted,
 *                                                 cancelled
 *     weft_lane_cancelled_running_total {how}     cooperative, interrupt, abandon
 *
 * Of an HTTP server, `server` (its first address) and `loop`:
 *
 *     weft_http_requests_total, weft_http_refused_total
 *     weft_http_active_requests, weft_http_connections
 *
 * Of the process: process_cpu_seconds_total, process_open_fds, process_max_fds, process_threads,
 * process_virtual_memory_bytes, process_resident_memory_bytes, process_start_time_seconds.
 */
#ifndef WEFT_METRICS_H
#define WEFT_METRICS_H

#include <stddef.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The Content-Type of the text. */
#define WEFT_METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/**
 * Write the metrics of the process, in the text format of OpenMetrics 1.0.
 *
 * It takes some 100 µs, and no loop or job waits for it. A loop that is stuck is told of as well, if it
 * is asked on another thread. `size` 0 asks how long the text is now: some 4 KB for each loop, 5 KB for each
 * lane. It grows with lanes, and with its numbers, so leave some room, or ask again.
 *
 * Thread:    any.
 * Ownership: `buffer` is filled; the text has a NUL behind it.
 * Errors:    0, and `ret_len` is the length of the text. -ENOSPC: it takes more than `size` bytes with its
 *            NUL; `ret_len` is its length, and nothing was written. -ENOMEM. -EINVAL: a pointer is NULL.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_metrics_write(char *buffer, size_t size, size_t *ret_len);

#ifdef __cplusplus
}
#endif

#endif
