/* SPDX-License-Identifier: MIT */
#include "tests/support/parked.h"

#include <criterion/criterion.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SECONDS = 10 };

static void *run(void *arg)
{
    struct parked *parked = arg;
    atomic_store(&parked->tid, gettid());
    parked->fn(parked->arg);
    return NULL;
}

void parked_start(struct parked *parked, void (*fn)(void *arg), void *arg)
{
    *parked = (struct parked){.fn = fn, .arg = arg};
    cr_assert_eq(pthread_create(&parked->thread, NULL, run, parked), 0);
    while (atomic_load(&parked->tid) == 0)
        sched_yield();
}

struct weft__thread_state parked_in(struct parked *parked, const char *syscall)
{
    struct weft__thread_state state;
    time_t begin = time(NULL);
    for (;;) {
        cr_assert_eq(weft__thread_state_read(atomic_load(&parked->tid), &state), 0);
        const char *name = weft__syscall_name(state.syscall_nr);
        if (weft__thread_is_parked(&state) && name && strcmp(name, syscall) == 0)
            return state;
        cr_assert_leq(time(NULL) - begin, MOST_SECONDS, "not in %s but in %s", syscall,
                      name ? name : "none");
        sched_yield();
    }
}

void parked_describe(struct parked *parked, const char *syscall, char *to, size_t size)
{
    struct weft__thread_state state = parked_in(parked, syscall);
    weft__syscall_describe(&state, to, size);
}

void parked_join(struct parked *parked)
{
    cr_assert_eq(pthread_join(parked->thread, NULL), 0);
}
