/* SPDX-License-Identifier: MIT */
/* The guide "My program hangs": two transfers lock two accounts in opposite order. `hangs for ever` does. */
#include <errno.h>
#include <stdio.h>
#include <weft/weft.h>

struct account {
    const char *name;
    weft_lock *lock;
    long balance;
};

static struct account ann = {.name = "Ann", .balance = 100}, bob = {.name = "Bob", .balance = 100};

struct ask_bank {
    WEFT_FRAME;
};

static WEFT_ASYNC(ask_bank)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(10)));
    WEFT_END;
}

struct transfer {
    WEFT_FRAME;
    struct account *from, *to;
    long amount;
};

static WEFT_ASYNC(transfer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->from->lock));
    WEFT_AWAIT(weft_call(ask_bank));
    WEFT_AWAIT(weft_lock_acquire(self->to->lock));
    self->from->balance -= self->amount;
    self->to->balance += self->amount;
    weft_lock_release(self->to->lock);
    WEFT_FINALLY;
    weft_lock_release(self->from->lock);
    WEFT_END;
}

struct in_order {
    WEFT_FRAME;
    struct account *from, *to, *first, *second;
    long amount;
};

/* Whoever wants both locks takes Ann's first. */
static WEFT_ASYNC(in_order)
{
    WEFT_BEGIN;
    self->first = self->from == &ann ? self->from : self->to;
    self->second = self->first == self->from ? self->to : self->from;
    WEFT_AWAIT(weft_lock_acquire(self->first->lock));
    WEFT_AWAIT(weft_call(ask_bank));
    WEFT_AWAIT(weft_lock_acquire(self->second->lock));
    self->from->balance -= self->amount;
    self->to->balance += self->amount;
    weft_lock_release(self->second->lock);
    WEFT_FINALLY;
    weft_lock_release(self->first->lock);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    ann.lock = weft_lock_new();
    bob.lock = weft_lock_new();
    WEFT_AWAIT(weft_gather(weft_spawn(transfer, .from = &ann, .to = &bob, .amount = 10),
                           weft_spawn(transfer, .from = &bob, .to = &ann, .amount = 20)));
    WEFT_FINALLY;
    weft_lock_free(ann.lock);
    weft_lock_free(bob.lock);
    WEFT_END;
}

struct better_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(better_task)
{
    WEFT_BEGIN;
    ann.lock = weft_lock_new();
    bob.lock = weft_lock_new();
    WEFT_AWAIT(weft_gather(weft_spawn(in_order, .from = &ann, .to = &bob, .amount = 10),
                           weft_spawn(in_order, .from = &bob, .to = &ann, .amount = 20)));
    printf("Ann has %ld, Bob has %ld\n", ann.balance, bob.balance);
    WEFT_FINALLY;
    weft_lock_free(ann.lock);
    weft_lock_free(bob.lock);
    WEFT_END;
}

/* A server would log the message; here the main task is cancelled, so that the program goes on. */
static void on_report(weft_loop *loop, const struct weft_error_report *report, void *task)
{
    (void)loop;
    if (report->status != -EDEADLK)
        return;
    printf("%s\n", report->what);
    weft_cancel_because(task, "it is in a deadlock");
}

static int find_out(void)
{
    weft_loop *loop = weft_loop_new(&(struct weft_loop_options){.debug = true});
    weft_future *task = weft_spawn(main_task);
    weft_loop_set_error_handler(loop, on_report, task);
    int status = weft_loop_run_until(loop, weft_ref(task));
    printf("the transfers: %s\n", weft_error_name(status));
    weft_unref(task);
    status = weft_loop_run_until(loop, weft_spawn(better_task));
    weft_loop_free(loop);
    return status < 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    return argc > 1 ? weft_run(main_task) : find_out();
}
