/* SPDX-License-Identifier: MIT */
/*
 * victim [without-libdw | deleted]: a thread for each place, which waits or spins in a static function, and what another
 * thread sees of it: "== PLACE", the system call, then a line for each function, "FUNCTION FILE:LINE" or
 * "FUNCTION MODULE+0xOFFSET". Then what the watchdog reports (reported.c). tests/inspect/matrix builds it in
 * many ways and checks what it prints; the lines it is to name are marked by "HERE PLACE".
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/inspect/dwarf.h"
#include "core/inspect/stack.h"
#include "core/inspect/symbol.h"
#include "core/inspect/thread_state.h"
#include "tests/inspect/reported.h"

static _Atomic(pid_t) tid;
static atomic_uint turns;
static int fds[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Work after the call, so that it is none in the last place, which would leave no frame. */
static volatile int sink;

APART static void wait_in_nanosleep(void)
{
    struct timespec time = {1000, 0};
    nanosleep(&time, NULL); /* on purpose; HERE nanosleep */
    sink++;
}

APART static void wait_in_read(void)
{
    char byte = 0;
    sink += (int)read(fds[0], &byte, 1); /* HERE read */
    sink++;
}

APART static void wait_for_mutex(void)
{
    pthread_mutex_lock(&mutex); /* HERE mutex */
    sink++;
}

APART static void wait_in_poll(void)
{
    struct pollfd polled = {fds[0], POLLIN, 0};
    sink += poll(&polled, 1, -1); /* HERE poll */
    sink++;
}

APART static void wait_for_lock(void)
{
    int first = open("/proc/self/exe", O_RDONLY), second = open("/proc/self/exe", O_RDONLY);
    flock(first, LOCK_EX);
    flock(second, LOCK_EX); /* HERE flock */
    sink++;
}

APART static void spin(void)
{
    while (sink >= 0)                                               /* HERE spin */
        atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed); /* HERE spin */
}

/* More room than a page, made while it runs. */
APART static void wait_with_alloca(int size)
{
    char *bytes = __builtin_alloca((size_t)size);
    memset(bytes, 1, (size_t)size);
    sink += (int)read(fds[0], bytes, (size_t)size); /* HERE alloca */
    sink++;
}

APART static void wait_with_room(void)
{
    char bytes[20000];
    memset(bytes, 1, sizeof(bytes));
    sink += (int)read(fds[0], bytes, sizeof(bytes)); /* HERE room */
    sink += bytes[sink & 1];
}

APART static int wait_deep(int depth)
{
    if (depth == 0)
        wait_in_read(); /* HERE deep */
    else
        sink += wait_deep(depth - 1); /* HERE deeper */
    return ++sink;
}

/* Called by a pointer, as tasks and callbacks are; with more arguments than registers hold. */
APART static void called_back(int a, int b, int c, int d, int e, int f, int g, int h)
{
    struct timespec time = {1000 + a + b + c + d + e + f, g + h};
    nanosleep(&time, NULL); /* on purpose; HERE callback */
    sink++;
}

APART static void call_back(void (*volatile fn)(int, int, int, int, int, int, int, int))
{
    fn(0, 0, 0, 0, 0, 0, 0, 0); /* HERE calling */
    sink++;
}

static inline __attribute__((always_inline)) void inlined(void)
{
    sink += (int)read(fds[0], (char[1]){0}, 1); /* HERE inlined */
    sink++;
}

APART static void wait_inlined(void)
{
    inlined(); /* HERE inlining */
    sink++;
}

static void *run(void *arg)
{
    const char *where = arg;
    atomic_store(&tid, gettid());
    if (strcmp(where, "nanosleep") == 0)
        wait_in_nanosleep();
    else if (strcmp(where, "read") == 0)
        wait_in_read();
    else if (strcmp(where, "mutex") == 0)
        wait_for_mutex();
    else if (strcmp(where, "poll") == 0)
        wait_in_poll();
    else if (strcmp(where, "flock") == 0)
        wait_for_lock();
    else if (strcmp(where, "spin") == 0)
        spin();
    else if (strcmp(where, "alloca") == 0)
        wait_with_alloca(12345);
    else if (strcmp(where, "room") == 0)
        wait_with_room();
    else if (strcmp(where, "deep") == 0)
        sink += wait_deep(20);
    else if (strcmp(where, "callback") == 0)
        call_back(called_back);
    else if (strcmp(where, "inlined") == 0)
        wait_inlined();
    return NULL;
}

static void show(void *arg, size_t frame, const struct weft__symbol *symbol)
{
    (void)arg;
    (void)frame;
    const char *name = symbol->function[0] ? symbol->function : "?";
    if (symbol->line)
        printf("%s %s:%d\n", name, symbol->file, symbol->line);
    else
        printf("%s %s+%#lx\n", name, symbol->module, (unsigned long)symbol->offset);
}

/* A call that waits: it may open a file before, and wait for memory. */
static void wait_until_parked(struct weft__thread_state *state)
{
    do {
        sched_yield();
        weft__thread_state_read(tid, state);
    } while (state->state != 'S');
}

static bool look_at(const char *where)
{
    pthread_t thread;
    struct weft__thread_state state;
    struct weft__stack stack;
    char text[256];
    atomic_store(&tid, 0);
    if (pthread_create(&thread, NULL, run, (void *)where) != 0)
        return false;
    while (atomic_load(&tid) == 0 || (strcmp(where, "spin") == 0 && atomic_load(&turns) == 0))
        sched_yield();
    if (strcmp(where, "spin") == 0)
        weft__thread_state_read(tid, &state);
    else
        wait_until_parked(&state);
    weft__syscall_describe(&state, text, sizeof(text));
    int status = weft__stack_of(tid, &stack);
    printf("== %s\n%d %s %s\n", where, status, stack.is_guess ? "guess" : "exact", text);
    weft__symbols_resolve(stack.pc, stack.count, show, NULL);
    return true;
}

int main(int argc, char **argv)
{
    static const char *const places[] = {"nanosleep", "read",    "mutex", "poll",
                                         "flock",     "alloca",  "room",  "deep",
                                         "callback",  "inlined", "spin"};
    if (argc > 1 && strcmp(argv[1], "without-libdw") == 0)
        weft__dwarf_library = "there-is-none.so";
    if (argc > 1 && strcmp(argv[1], "deleted") == 0 && unlink(argv[0]) < 0)
        return 1;
    int status = report();
    if (pipe(fds) < 0)
        return 1;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        status |= !look_at(places[i]);
    fflush(stdout);
    _exit(status);
}
