/* SPDX-License-Identifier: MIT */
/* What a thread is doing, as the kernel says it. */
#include "core/inspect/thread_state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/time.h>

#include "tests/support/parked.h"

TestSuite(thread_state, .timeout = 20);

static void read_a_byte(void *fd)
{
    char byte;
    cr_assert_eq(read(*(int *)fd, &byte, 1), 1);
}

Test(thread_state, of_a_thread_that_waits_is_its_system_call_and_where_its_stack_ends)
{
    struct parked parked;
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    parked_start(&parked, read_a_byte, &pipe_fds[0]);
    struct weft__thread_state state = parked_in(&parked, "read");
    cr_assert_eq(state.state, 'S');
    cr_assert_eq(state.syscall_nr, SYS_read);
    cr_assert_eq(state.args[0], (uint64_t)pipe_fds[0]);
    cr_assert_eq(state.args[2], 1);
    cr_assert_neq(state.sp, 0);
    cr_assert_neq(state.pc, 0);
    cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
    parked_join(&parked);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

Test(thread_state, tells_that_a_parked_thread_did_not_run_in_between)
{
    struct parked parked;
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    parked_start(&parked, read_a_byte, &pipe_fds[0]);
    struct weft__thread_state first = parked_in(&parked, "read");
    struct weft__thread_state second = parked_in(&parked, "read");
    cr_assert_neq(first.slices, 0);
    cr_assert_eq(first.slices, second.slices);
    cr_assert_eq(first.ran, second.ran);
    cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
    parked_join(&parked);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void spin(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        ;
}

Test(thread_state, of_a_thread_that_runs_is_the_time_it_had)
{
    struct parked spinner;
    struct weft__thread_state state, later;
    atomic_bool stop = false;
    parked_start(&spinner, spin, &stop);
    do
        cr_assert_eq(weft__thread_state_read(spinner.tid, &state), 0);
    while (state.state != 'R' || state.ran < WEFT_MS(1));
    cr_assert_eq(state.syscall_nr, WEFT__NO_SYSCALL);
    cr_assert_eq(state.sp, 0);
    cr_assert_not(weft__thread_is_parked(&state));
    do
        cr_assert_eq(weft__thread_state_read(spinner.tid, &later), 0);
    while (later.ran <= state.ran); /* it goes on */
    cr_assert_geq(later.waited, 0);
    atomic_store(&stop, true);
    parked_join(&spinner);
}

static void end(void *arg)
{
    (void)arg;
}

Test(thread_state, of_a_thread_that_has_gone_is_an_error)
{
    struct parked parked;
    struct weft__thread_state state = {.state = 'R'};
    uint64_t blocked;
    char name[16] = "something";
    parked_start(&parked, end, NULL);
    pid_t tid = parked.tid;
    parked_join(&parked);
    while (weft__thread_state_read(tid, &state) == 0) /* it leaves /proc a moment later */
        sched_yield();
    cr_assert_eq(weft__thread_state_read(tid, &state), -ESRCH);
    cr_assert_eq(state.state, 0);
    cr_assert_eq(weft__thread_blocked_signals(tid, &blocked), -ESRCH);
    weft__thread_name(tid, name, sizeof(name));
    cr_assert_str_eq(name, "");
}

Test(thread_state, without_descriptors_is_an_error)
{
    struct weft__thread_state state;
    struct rlimit limit, none;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = weft__thread_state_read(gettid(), &state);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(status, -EMFILE);
}

Test(thread_state, tells_which_signals_a_thread_blocks_and_its_name)
{
    sigset_t set;
    uint64_t blocked;
    char name[16];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    pthread_setname_np(pthread_self(), "a) name (S");
    struct weft__thread_state state;
    cr_assert_eq(weft__thread_blocked_signals(gettid(), &blocked), 0);
    cr_assert_eq(blocked, UINT64_C(1) << (SIGUSR2 - 1));
    weft__thread_name(gettid(), name, sizeof(name));
    cr_assert_str_eq(name, "a) name (S");
    cr_assert_eq(weft__thread_state_read(gettid(), &state), 0, "whatever its name is");
    cr_assert_eq(state.state, 'R');
}
