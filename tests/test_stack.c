/* SPDX-License-Identifier: MIT */
/* The stack of another thread. */
#include "core/inspect/stack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/inspect/registers.h"
#include "core/inspect/symbol.h"
#include "core/inspect/thread_state.h"
#include "core/thread.h"
#include "tests/support/child.h"
#include "tests/support/fixture.h"
#include "tests/support/heap.h"
#include "tests/support/parked.h"

TestSuite(stack, .timeout = 60);

#define APART __attribute__((noinline))

/* Work after a call, so that it is none in the last place, which would leave no frame. */
static volatile int sink;

static void add_name(void *arg, size_t frame, const struct weft__symbol *symbol)
{
    (void)frame;
    char *names = arg;
    size_t len = strlen(names);
    snprintf(names + len, 4096 - len, "%s ", symbol->function);
}

/* The names of the functions, innermost first: "read innermost outer run ". */
static const char *names_of(const struct weft__stack *stack)
{
    static char names[4096];
    names[0] = '\0';
    weft__symbols_resolve(stack->pc, stack->count, add_name, names);
    return names;
}

APART static void innermost(int fd)
{
    char byte;
    sink += (int)read(fd, &byte, 1);
    sink++;
}

APART static void outer(void *fd)
{
    innermost(*(int *)fd);
    sink++;
}

static void open_pipe(int fds[2])
{
    cr_assert_eq(pipe(fds), 0);
}

static void close_pipe(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void let_go(struct parked *parked, int fds[2])
{
    cr_assert_eq(write(fds[1], "x", 1), 1);
    parked_join(parked);
    close_pipe(fds);
}

static void see(pid_t tid, struct weft__stack *ret)
{
    int status = weft__stack_of(tid, ret);
    cr_assert_eq(status, 0, "%s", strerror(-status));
}

Test(stack, of_a_parked_thread_is_read_without_disturbing_it)
{
    struct parked parked;
    struct weft__stack stack;
    int fds[2];
    open_pipe(fds);
    parked_start(&parked, outer, &fds[0]);
    struct weft__thread_state before = parked_in(&parked, "read"), after;
    see(parked.tid, &stack);
    cr_assert_eq(weft__thread_state_read(parked.tid, &after), 0);
    cr_assert_eq(before.slices, after.slices);
    cr_assert_not(stack.is_guess);
    cr_assert(strstr(names_of(&stack), "innermost outer run "), "%s", names_of(&stack));
    let_go(&parked, fds);
}

/* ---- Threads that run ---- */

struct spinner {
    struct parked parked;
    atomic_bool stop;
    atomic_uint turns;
    sigset_t blocked;
    bool is_wefts;     /* it blocks what weft's threads do */
    void *other_stack; /* for signals; NULL: none */
};

APART static void spin(struct spinner *spinner)
{
    while (!atomic_load_explicit(&spinner->stop, memory_order_relaxed))
        atomic_fetch_add_explicit(&spinner->turns, 1, memory_order_relaxed);
    sink++;
}

APART static void begin_to_spin(void *arg)
{
    struct spinner *spinner = arg;
    stack_t other = {.ss_sp = spinner->other_stack, .ss_size = 65536}, before;
    pthread_sigmask(SIG_BLOCK, &spinner->blocked, NULL);
    if (spinner->is_wefts)
        weft__block_signals(NULL);
    if (spinner->other_stack)
        cr_assert_eq(sigaltstack(&other, &before), 0);
    spin(spinner);
    if (spinner->other_stack)
        cr_assert_eq(sigaltstack(&before, NULL), 0); /* it is AddressSanitizer's */
    sink++;
}

static void start_spinning(struct spinner *spinner)
{
    parked_start(&spinner->parked, begin_to_spin, spinner);
    while (atomic_load(&spinner->turns) == 0)
        sched_yield();
}

static void stop_spinning(struct spinner *spinner)
{
    atomic_store(&spinner->stop, true);
    parked_join(&spinner->parked);
}

Test(stack, of_a_thread_that_spins_is_asked_by_a_signal_and_it_goes_on)
{
    struct spinner spinner = {.stop = false};
    struct weft__stack stack;
    start_spinning(&spinner);
    for (int i = 0; i < 20; i++) {
        unsigned turns = atomic_load(&spinner.turns);
        see(spinner.parked.tid, &stack);
        cr_assert_not(stack.is_guess);
        cr_assert(strstr(names_of(&stack), "spin begin_to_spin run "), "%s", names_of(&stack));
        while (atomic_load(&spinner.turns) == turns)
            sched_yield();
    }
    stop_spinning(&spinner);
}

Test(stack, of_a_thread_with_a_stack_for_signals_is_that_of_the_program)
{
    struct spinner spinner = {.other_stack = malloc(65536)};
    struct weft__stack stack;
    start_spinning(&spinner);
    see(spinner.parked.tid, &stack);
    cr_assert(strstr(names_of(&stack), "spin begin_to_spin run "), "%s", names_of(&stack));
    stop_spinning(&spinner);
    free(spinner.other_stack);
}

#if defined(__x86_64__)

/*
 * As a function is left: the frame pointer is restored, its place on the stack was given up, and compilers say still
 * that it is there. Here it is there for a while, and then not, over and over; the function that calls this one
 * can be left by its frame pointer only.
 */
void spin_while_leaving(void *spinner);
__asm__(".pushsection .text\n"
        ".type spin_while_leaving, @function\n"
        "spin_while_leaving:\n"
        "    .cfi_startproc\n"
        "    push %rbp\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset %rbp, -16\n"
        "    mov %rsp, %rbp\n"
        "    .cfi_def_cfa_register %rbp\n"
        "    call leave\n"
        "    pop %rbp\n"
        "    .cfi_def_cfa %rsp, 8\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size spin_while_leaving, . - spin_while_leaving\n"
        ".type leave, @function\n"
        "leave:\n"
        "    .cfi_startproc\n"
        "1:  mov %rbp, -8(%rsp)\n"
        "    .cfi_offset %rbp, -16\n"
        "    pause\n"
        "    pause\n"
        "    .cfi_same_value %rbp\n"
        "    movq $0, -8(%rsp)\n"
        "    pause\n"
        "    lock incl 4(%rdi)\n"
        "    cmpb $0, (%rdi)\n"
        "    je 1b\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size leave, . - leave\n"
        ".popsection\n");

static struct {
    atomic_bool stop;
    atomic_uint turns;
} leaving;

Test(stack, of_a_thread_that_leaves_a_function_is_whole)
{
    struct parked parked;
    struct weft__stack stack;
    parked_start(&parked, spin_while_leaving, &leaving);
    while (atomic_load(&leaving.turns) == 0)
        sched_yield();
    for (int i = 0; i < 50; i++) {
        see(parked.tid, &stack);
        cr_assert(strstr(names_of(&stack), "leave spin_while_leaving run "), "%s",
                  names_of(&stack));
    }
    atomic_store(&leaving.stop, true);
    parked_join(&parked);
}

#endif

static void count_signal(int signum)
{
    sink += signum;
}

static bool is_ignored(int signum)
{
    struct sigaction action;
    cr_assert_eq(sigaction(signum, NULL, &action), 0);
    return action.sa_handler == SIG_DFL;
}

Test(stack, takes_no_signal_that_the_program_uses)
{
    struct spinner spinner = {.stop = false};
    struct weft__stack stack;
    struct sigaction after, used = {.sa_handler = count_signal};
    cr_assert_eq(sigaction(SIGURG, &used, NULL), 0);
    start_spinning(&spinner);
    cr_assert(is_ignored(SIGRTMAX - 2), "nothing is installed before somebody asks");
    see(spinner.parked.tid, &stack);
    cr_assert(strstr(names_of(&stack), "spin begin_to_spin run "), "%s", names_of(&stack));
    cr_assert_eq(sigaction(SIGURG, NULL, &after), 0);
    cr_assert_eq(after.sa_handler, count_signal);
    cr_assert_not(is_ignored(SIGRTMAX - 2));
    cr_assert_not(weft__registers_may_use(SIGURG), "a worker would block it");
    cr_assert_eq(sigaction(SIGRTMAX - 2, &used, NULL), 0, "used later");
    see(spinner.parked.tid, &stack);
    cr_assert_eq(sigaction(SIGRTMAX - 3, &used, NULL), 0);
    cr_assert_eq(weft__stack_of(spinner.parked.tid, &stack), -EBUSY);
    stop_spinning(&spinner);
}

Test(stack, of_a_thread_that_spins_with_all_signals_blocked_is_an_error)
{
    struct spinner spinner = {.stop = false};
    struct weft__stack stack;
    sigfillset(&spinner.blocked);
    start_spinning(&spinner);
    cr_assert_eq(weft__stack_of(spinner.parked.tid, &stack), -EACCES);
    cr_assert_eq(stack.count, 0);
    stop_spinning(&spinner);
}

Test(stack, of_a_worker_that_spins_is_asked_as_well)
{
    struct spinner spinner = {.is_wefts = true};
    struct weft__stack stack;
    start_spinning(&spinner);
    see(spinner.parked.tid, &stack);
    cr_assert(strstr(names_of(&stack), "spin begin_to_spin run "), "%s", names_of(&stack));
    stop_spinning(&spinner);
}

Test(stack, of_a_thread_that_blocks_one_signal_is_asked_by_another)
{
    struct spinner spinner = {.stop = false};
    struct weft__stack stack;
    sigemptyset(&spinner.blocked);
    sigaddset(&spinner.blocked, SIGURG);
    start_spinning(&spinner);
    see(spinner.parked.tid, &stack);
    cr_assert(strstr(names_of(&stack), "spin begin_to_spin run "), "%s", names_of(&stack));
    stop_spinning(&spinner);
}

static void end(void *arg)
{
    (void)arg;
}

Test(stack, of_a_thread_that_has_gone_is_an_error)
{
    struct parked parked;
    struct weft__stack stack = {.count = 7};
    struct weft__thread_state state;
    parked_start(&parked, end, NULL);
    parked_join(&parked);
    while (weft__thread_state_read(parked.tid, &state) == 0)
        sched_yield();
    cr_assert_eq(weft__stack_of(parked.tid, &stack), -ESRCH);
    cr_assert_eq(stack.count, 0);
    cr_assert_eq(weft__stack_of(-5, &stack), -ESRCH);
}

APART static void deep(int fd, int depth)
{
    if (depth == 0)
        innermost(fd);
    else
        deep(fd, depth - 1);
    sink++;
}

static void go_deep(void *fd)
{
    deep(*(int *)fd, 1000);
    sink++;
}

Test(stack, of_more_frames_than_it_holds_is_the_inner_ones)
{
    struct parked parked;
    struct weft__stack stack;
    int fds[2];
    open_pipe(fds);
    parked_start(&parked, go_deep, &fds[0]);
    parked_in(&parked, "read");
    see(parked.tid, &stack);
    cr_assert_eq(stack.count, WEFT__STACK_FRAMES);
    cr_assert(strstr(names_of(&stack), "innermost deep deep deep "), "%s", names_of(&stack));
    let_go(&parked, fds);
}

APART static void with_room(void *fd)
{
    char bytes[400000]; /* more than is copied */
    memset(bytes, 1, sizeof(bytes));
    innermost(*(int *)fd);
    sink += bytes[sink & 1];
}

Test(stack, with_large_frames_is_read_beyond_what_is_copied)
{
    struct parked parked;
    struct weft__stack stack;
    int fds[2];
    open_pipe(fds);
    parked_start(&parked, with_room, &fds[0]);
    parked_in(&parked, "read");
    see(parked.tid, &stack);
    cr_assert(strstr(names_of(&stack), "innermost with_room run "), "%s", names_of(&stack));
    let_go(&parked, fds);
}

static atomic_int entered;

/* Waits within a handler: the kernel made the frame below it. */
static void wait_in_handler(int signum)
{
    (void)signum;
    innermost(atomic_exchange(&entered, 0));
    sink++;
}

APART static void raise_it(void *arg)
{
    (void)arg;
    raise(SIGUSR1);
    sink++;
}

Test(stack, goes_through_the_frame_of_a_signal)
{
    struct parked parked;
    struct weft__stack stack;
    struct sigaction action = {.sa_handler = wait_in_handler};
    int fds[2];
    open_pipe(fds);
    atomic_store(&entered, fds[0]);
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    parked_start(&parked, raise_it, NULL);
    parked_in(&parked, "read");
    see(parked.tid, &stack);
    const char *in = strstr(names_of(&stack), "innermost wait_in_handler ");
    cr_assert(in && strstr(in, "raise_it run "), "%s", names_of(&stack));
    let_go(&parked, fds);
}

Test(stack, of_code_that_nobody_knows_is_its_innermost_address)
{
    struct spinner spinner = {.stop = false};
    struct weft__stack stack;
    /* jmp to itself: what a compiler at run time might have made */
    unsigned char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *code = page + 64; /* a sanitizer looks at what is in front of a function */
#if defined(__x86_64__)
    static const unsigned char loop[] = {0xf3, 0x90, 0x80, 0x3f, 0x00, 0x74, 0xf9, 0xc3};
    memcpy(code, loop, sizeof(loop));
    cr_assert_eq(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
    void (*run)(void *);
    *(void **)&run = code;
    parked_start(&spinner.parked, run, &spinner.stop);
    do
        see(spinner.parked.tid, &stack);
    while (stack.pc[0] < (uintptr_t)code || stack.pc[0] >= (uintptr_t)code + sizeof(loop));
    cr_assert_geq(stack.count, 1);
    cr_assert(stack.is_guess);
    stop_spinning(&spinner);
#else
    (void)spinner, (void)stack, (void)code;
#endif
    munmap(page, 4096);
}

/* Asked once all are there: who starts a thread blocks all signals meanwhile. */
struct asker {
    pid_t asked;
    pthread_barrier_t *start;
    int status; /* the first that is no success */
    pthread_t thread;
};

static void *ask_often(void *arg)
{
    struct asker *asker = arg;
    struct weft__stack stack;
    pthread_barrier_wait(asker->start);
    for (int i = 0; i < 50 && asker->status == 0; i++)
        asker->status = weft__stack_of(asker->asked, &stack);
    return NULL;
}

Test(stack, may_be_asked_for_by_several_threads_at_once)
{
    struct spinner spinner = {.stop = false};
    pthread_barrier_t start;
    start_spinning(&spinner);
    pthread_barrier_init(&start, NULL, 4);
    struct asker askers[] = {
        {.asked = spinner.parked.tid}, {.asked = spinner.parked.tid}, {.asked = gettid()}};
    for (int i = 0; i < 3; i++) {
        askers[i].start = &start;
        cr_assert_eq(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]), 0);
    }
    pthread_barrier_wait(&start);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(pthread_join(askers[i].thread, NULL), 0);
        cr_assert_eq(askers[i].status, 0, "%s", strerror(-askers[i].status));
    }
    pthread_barrier_destroy(&start);
    stop_spinning(&spinner);
}

Test(stack, of_the_thread_that_asks_is_its_own)
{
    struct weft__stack stack;
    see(gettid(), &stack);
    cr_assert(strstr(names_of(&stack), "weft__stack_of "), "%s", names_of(&stack));
}

static void look_in_child(void *arg)
{
    struct weft__stack stack;
    (void)arg;
    CHILD_EXPECT(weft__stack_of(gettid(), &stack) == 0 && stack.count > 2);
}

static void *ask_until(void *stop)
{
    struct weft__stack stack;
    int status = 0;
    while (!atomic_load((atomic_bool *)stop) && status == 0)
        status = weft__stack_of(gettid(), &stack);
    return status ? stop : NULL; /* not NULL: it failed */
}

/* What a thread of the parent held is held by nobody in the child. */
Test(stack, can_be_asked_for_in_a_forked_child)
{
    pthread_t asker;
    atomic_bool stop = false;
    struct weft__stack stack;
    void *failed;
    /* The first question sets something up once; a fork in that moment is nothing that ThreadSanitizer knows. */
    see(gettid(), &stack);
    cr_assert_eq(pthread_create(&asker, NULL, ask_until, &stop), 0);
    for (int i = 0; i < 20; i++)
        weft_test_in_child(look_in_child, NULL);
    atomic_store(&stop, true);
    cr_assert_eq(pthread_join(asker, &failed), 0);
    cr_assert_null(failed);
}

Test(stack, out_of_memory_is_an_error)
{
    struct parked parked;
    struct weft__stack stack;
    int fds[2], status;
    size_t n = 0;
    weft_test_heap_install();
    open_pipe(fds);
    parked_start(&parked, outer, &fds[0]);
    parked_in(&parked, "read");
    do {
        weft_test_heap_fail_at(++n);
        status = weft__stack_of(parked.tid, &stack);
        cr_assert_eq(status, weft_test_heap_failed() ? -ENOMEM : 0);
    } while (weft_test_heap_failed());
    cr_assert_gt(n, 1);
    cr_assert_eq(weft_test_heap_live(), 0);
    let_go(&parked, fds);
}

Test(stack, leaves_nothing_open)
{
    struct parked parked;
    struct weft__stack stack;
    int fds[2];
    struct weft_test_census before = weft_test_take_census();
    open_pipe(fds);
    parked_start(&parked, outer, &fds[0]);
    parked_in(&parked, "read");
    see(parked.tid, &stack);
    names_of(&stack);
    let_go(&parked, fds);
    weft_test_assert_nothing_left(before);
}
