/* SPDX-License-Identifier: MIT */
/* The metrics of a loop. What they are measured by is in core/inspect/load.c. */
#include "core/inspect/load.h"
#include "core/inspect/metrics.h"
#include "core/loop.h"

static const struct weft__family lag = {
    "weft_loop_lag_seconds", WEFT__HISTOGRAM, "seconds",
    "How long a loop went on before it looked for I/O again: what I/O had to wait at most."};
static const struct weft__family steps = {
    "weft_step_seconds", WEFT__HISTOGRAM, "seconds",
    "How long steps of tasks and callbacks took; below 1 ms the mean of some that ran together."};
static const struct weft__family turn = {
    "weft_loop_turn_seconds", WEFT__GAUGE, "seconds",
    "How long the loop has been at work without a look for I/O; 0 while it sleeps."};
static const struct weft__family busy = {"weft_loop_busy_seconds", WEFT__COUNTER, "seconds",
                                         "For how long the loop had something to run."};
static const struct weft__family cpu = {"weft_loop_cpu_seconds", WEFT__COUNTER, "seconds",
                                        "For how long the loop's thread was on a CPU."};
static const struct weft__family cpu_wait = {
    "weft_loop_cpu_wait_seconds", WEFT__COUNTER, "seconds",
    "For how long the loop's thread could have run and had no CPU."};
static const struct weft__family tasks = {"weft_loop_tasks", WEFT__GAUGE, NULL,
                                          "Tasks that have not ended."};
static const struct weft__family jobs = {
    "weft_loop_jobs", WEFT__GAUGE, NULL,
    "What is under way for the loop elsewhere: on other threads, or processes."};
static const struct weft__family callbacks = {"weft_loop_callbacks", WEFT__COUNTER, NULL,
                                              "Steps of tasks, completions and calls."};
static const struct weft__family ticks = {"weft_loop_ticks", WEFT__COUNTER, NULL,
                                          "Runs of what was ready."};
static const struct weft__family polls = {"weft_loop_polls", WEFT__COUNTER, NULL, "Looks for I/O."};
static const struct weft__family spins = {
    "weft_loop_spins", WEFT__COUNTER, NULL,
    "Times that a loop looked for mail of other threads before it slept."};
static const struct weft__family reports = {"weft_loop_reports", WEFT__COUNTER, NULL,
                                            "Reports to the error handler."};
static const struct weft__family blocked = {"weft_loop_blocked", WEFT__COUNTER, NULL,
                                            "Reports of the watchdog: the loop was held up."};

static void measure_spins(const struct weft__load_sum *sum, const struct weft__labels *of,
                          struct weft__metrics *to)
{
    struct weft__labels paid = *of, vain = *of;
    weft__labels_add(&paid, "outcome", "found");
    weft__labels_add(&vain, "outcome", "vain");
    weft__metrics_number(to, &spins, &paid, sum->spins_paid);
    weft__metrics_number(to, &spins, &vain, sum->spins - sum->spins_paid);
}

void weft__load_measure(weft_loop *loop, struct weft__metrics *to)
{
    struct weft__load_sum sum;
    struct weft__labels of = {.len = 0};
    weft__labels_add_number(&of, "loop", loop->id);
    weft__load_read(loop, &sum);
    weft__metrics_times(to, &lag, &of, &sum.lag);
    weft__metrics_times(to, &steps, &of, &sum.steps);
    weft__metrics_time(to, &turn, &of, sum.turn);
    weft__metrics_time(to, &busy, &of, sum.busy);
    if (sum.cpu) {
        weft__metrics_time(to, &cpu, &of, sum.cpu);
        weft__metrics_time(to, &cpu_wait, &of, sum.queued);
    }
    weft__metrics_number(to, &tasks, &of, sum.tasks);
    weft__metrics_number(to, &jobs, &of, sum.jobs);
    weft__metrics_number(to, &callbacks, &of, sum.callbacks);
    weft__metrics_number(to, &ticks, &of, sum.ticks);
    weft__metrics_number(to, &polls, &of, sum.polls);
    measure_spins(&sum, &of, to);
    weft__metrics_number(to, &reports, &of, sum.reports);
    weft__metrics_number(to, &blocked, &of, sum.blocked);
}
