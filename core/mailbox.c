/* SPDX-License-Identifier: MIT */
/*
 * Mailbox: the only place where other threads meet the loop.
 *
 * Two atomics. `head` is a stack of items: any thread pushes with a compare-and-swap, the loop
 * takes the whole stack with one exchange and reverses it, so that the items of one thread keep
 * their order. (Pushing links to whatever the head is and taking empties it, so a head that went
 * away and came back harms nobody.) `wake` says who owes whom a byte in the wakeup pipe:
 *
 *     state      meaning                                   left by
 *     AWAKE      the loop runs; puts write nothing         loop, to ASLEEP, before it polls
 *     ASLEEP     the loop polls, or is about to            loop, to AWAKE, after it polled or saw
 *                                                          an item; putter, to NOTIFIED: the
 *                                                          winner writes one byte
 *     NOTIFIED   a byte is in the pipe or will be soon     loop, to AWAKE, having been told of it
 *
 * Only the putter that moves ASLEEP to NOTIFIED writes, and ASLEEP comes only from AWAKE: there is
 * one wakeup per batch, and none while the loop is awake. How the loop is told of a byte:
 *
 *   by level   The descriptor is readable until the byte was read; NOTIFIED becomes AWAKE only then.
 *              So there is at most one byte in flight.
 *   by edges   Each write is reported once, whatever is in the pipe already, and nothing is read: a
 *              system call less for each wakeup. Bytes add up, so they are read all at once each
 *              MOST_UNREAD times. See below.
 *
 * No wakeup is lost. All accesses to both atomics that matter are sequentially consistent, so they
 * have one total order. A putter (P) and the loop (L) do
 *
 *     P1  head: push item                    L1  wake: AWAKE -> ASLEEP
 *     P2  wake: read                         L2  head: read; if it is empty, poll
 *
 * Were the item left in the box with the loop asleep and no byte owed, L2 would have read an empty
 * head, hence L2 < P1, so L1 < L2 < P1 < P2, and P2 read ASLEEP or what came after it:
 *   - ASLEEP: P moves it to NOTIFIED and writes; or another was faster, which is the next case.
 *   - NOTIFIED: its putter's byte is in the pipe or will be, and the loop has not been told of it,
 *     since NOTIFIED lasts until it is: the loop wakes.
 *   - AWAKE: the loop has left this sleep before P2. It takes the box after it said so, and if that
 *     take came before P1, the next sleep begins after P2 (its L1 overwrites what P2 read), so its
 *     L2 sees the item.
 * The loop that finds NOTIFIED before it polls may block: the byte comes, however long its putter
 * is held up between the compare-and-swap and the write.
 *
 * The same holds for what comes another way (core/part.c): P1 is then the store that publishes it, P2
 * weft__mailbox_nudge(), and L2 the part's has_mail(), which is asked, too, before the loop polls; to
 * take the box includes to collect from the parts. P1 and L2 must be sequentially consistent there.
 * A thread that puts an item and then publishes something finds them run in this order: the loop
 * collects first and takes the box then, but queues the box first.
 *
 * The fields of an item are published by the push and acquired by the exchange. Pushes are
 * read-modify-writes, so the exchange synchronizes with every push below the head it reads.
 *
 * By edges a report need not belong to the byte of the putter that said NOTIFIED last: of two bytes that
 * are written late, one report may tell. So the loop that is told says AWAKE whatever the state is. It
 * runs then, and takes the box afterwards; a byte that still comes wakes it once more, in vain. What
 * must not happen is that NOTIFIED stands while its byte has been read without having been
 * reported: an empty pipe is not reported, whatever was written. So the loop reads only behind its AWAKE
 * and before its next ASLEEP, when no state waits for a byte; a putter that finds the pipe full reads
 * before it writes its own.
 *
 * Not every kernel reports a write to a pipe that is not empty (Linux 5.5 to 5.13 did not always): it is
 * tried out, once in a process. Nor has every base of a host edges. Then it is by level.
 *
 * Closing exchanges the head for a mark that no put can link to: an item is either among those
 * which the close returns, or refused. A putter may still be about to write its byte then, hence
 * the references: the descriptors are closed with the last one, and no late byte can hit a foreign
 * descriptor.
 *
 * When the write fails: EINTR, again. EAGAIN, somebody has filled the pipe: by level it is readable,
 * all is well. ENOMEM, the kernel has no page for the pipe's buffer just now: again, after a millisecond,
 * as giving up would lose the wakeup. (The page is kept by the kernel after a first byte went
 * through, which weft__mailbox_new() sends; MOST_UNREAD bytes fit into it.) Anything else means that the host closed our
 * descriptor: the claim is handed back, so that each later put tries again.
 *
 * tests/model/mailbox.pml is this protocol for Spin; each of its mutants drops one of the lines.
 */
#include "core/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/annotations.h"
#include "core/inspect/probe.h"
#include "core/inspect/trace.h"
#include "core/spin.h"
#include "core/sys.h"
#include "core/thread.h"

#ifdef WEFT_WAKEUP_EVENTFD
#include <sys/eventfd.h>
typedef uint64_t wakeup_byte;
#else
typedef char wakeup_byte;
#endif

enum wake_state { AWAKE, ASLEEP, NOTIFIED };

enum { MOST_UNREAD = 1000, ROOM_TO_READ = 4096 };

struct weft__mailbox {
    _Atomic(weft__item *) head; /* [atomic] newest first; see above */
    atomic_int wake;            /* [atomic] enum wake_state; see above */
    struct weft__spin_wake latest;
    atomic_uint refs;         /* [atomic] the last decrement acquires what the others released */
    bool by_edges;            /* [const] but in a new child: how the loop is told; see above */
    unsigned unread;          /* [loop] reports since bytes were read */
    int read_fd, write_fd;    /* [const] the same one for an eventfd */
    unsigned generation;      /* [const] but in a new child: in which process it may be used */
    struct weft__blocks kept; /* [loop]; freed with the last reference, by whoever drops it */
};

static weft__item closed; /* its address stands in `head` once the mailbox is closed */

static int open_wakeup(weft__mailbox *mailbox)
{
#ifdef WEFT_WAKEUP_EVENTFD
    mailbox->read_fd = weft__sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    mailbox->write_fd = mailbox->read_fd;
    return mailbox->read_fd < 0 ? -1 : 0;
#else
    int fds[2];
    if (weft__sys.pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
        return -1;
    mailbox->read_fd = fds[0];
    mailbox->write_fd = fds[1];
    return 0;
#endif
}

static void close_wakeup(weft__mailbox *mailbox)
{
    close(mailbox->read_fd);
    if (mailbox->write_fd != mailbox->read_fd)
        close(mailbox->write_fd);
}

/** True if a byte was there. */
static bool read_byte(weft__mailbox *mailbox)
{
    wakeup_byte byte;
    ssize_t got;
    do
        got = weft__sys.read(mailbox->read_fd, &byte, sizeof(byte));
    while (got < 0 && errno == EINTR);
    return got > 0;
}

/** Read all there is, or most of it. */
static void read_bytes(weft__mailbox *mailbox)
{
    char bytes[ROOM_TO_READ];
    while (weft__sys.read(mailbox->read_fd, bytes, sizeof(bytes)) < 0 && errno == EINTR)
        ;
}

/** For the putter that moved the state to NOTIFIED. */
static void write_byte(weft__mailbox *mailbox)
{
    static const wakeup_byte byte = 1;
    while (weft__sys.write(mailbox->write_fd, &byte, sizeof(byte)) < 0) {
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN && !mailbox->by_edges)
            return;
        if (errno == EAGAIN) {
            read_bytes(mailbox);
            continue;
        }
        if (errno != ENOMEM && errno != ENOBUFS) {
            int notified = NOTIFIED;
            atomic_compare_exchange_strong(&mailbox->wake, &notified, ASLEEP);
            return;
        }
        poll(NULL, 0, 1);
    }
}

/* Is a write to what holds a byte already reported? */
static bool reports_each_write(weft__mailbox *probe, int epoll)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, probe->read_fd, &event) < 0)
        return false;
    for (int i = 0; i < 3; i++) {
        write_byte(probe);
        if (epoll_wait(epoll, &event, 1, 0) != 1)
            return false;
    }
    return epoll_wait(epoll, &event, 1, 0) == 0;
}

/* Without descriptors for it: not now, and it is tried again for the next one. */
bool weft__mailbox_can_use_edges(void)
{
    enum { UNKNOWN, YES, NO };
    static atomic_int known; /* [atomic] all who find out find the same: relaxed */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    weft__mailbox probe = {.generation = weft__generation};
    if (answer != UNKNOWN)
        return answer == YES;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll >= 0 && open_wakeup(&probe) == 0) {
        answer = reports_each_write(&probe, epoll) ? YES : NO;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
        close_wakeup(&probe);
    }
    if (epoll >= 0)
        close(epoll);
    return answer == YES;
}

void weft__mailbox_use_edges(weft__mailbox *mailbox, bool use)
{
    mailbox->by_edges = use;
    mailbox->unread = 0;
}

weft__mailbox *weft__mailbox_new(void)
{
    weft__mailbox *mailbox = weft__calloc(1, sizeof(*mailbox));
    if (!mailbox) {
        errno = ENOMEM;
        return NULL;
    }
    if (open_wakeup(mailbox) < 0) {
        weft__free(mailbox);
        return NULL;
    }
    mailbox->generation = weft__generation;
    atomic_init(&mailbox->head, NULL);
    atomic_init(&mailbox->wake, NOTIFIED);
    atomic_init(&mailbox->refs, 1);
    write_byte(mailbox);
    weft__mailbox_woken(mailbox);
    return mailbox;
}

weft__mailbox *weft__mailbox_ref(weft__mailbox *mailbox)
{
    atomic_fetch_add_explicit(&mailbox->refs, 1, memory_order_relaxed);
    return mailbox;
}

void weft__mailbox_unref(weft__mailbox *mailbox)
{
    if (!mailbox || atomic_fetch_sub_explicit(&mailbox->refs, 1, memory_order_acq_rel) > 1)
        return;
    close_wakeup(mailbox);
    weft__blocks_free(&mailbox->kept);
    weft__free(mailbox);
}

struct weft__blocks *weft__mailbox_kept(weft__mailbox *mailbox)
{
    return &mailbox->kept;
}

/* Out of line, so that a put that wakes nobody stays small. errno stays, for signal handlers. */
static WEFT_APART void wake_up(weft__mailbox *mailbox)
{
    int saved = errno;
    WEFT__PROBE1(wakeup, mailbox->write_fd);
    if (weft__trace_is_on())
        weft__trace_record_here(WEFT__TRACE_WAKE, 0, 0, (uintptr_t)mailbox, "loop");
    weft__spin_wakes(&mailbox->latest);
    write_byte(mailbox);
    errno = saved;
}

void weft__mailbox_nudge(weft__mailbox *mailbox)
{
    int state = atomic_load(&mailbox->wake); /* P2 */
    if (state != ASLEEP || !atomic_compare_exchange_strong(&mailbox->wake, &state, NOTIFIED))
        return;
    wake_up(mailbox);
}

bool weft__mailbox_is_inherited(const weft__mailbox *mailbox)
{
    return mailbox->generation != weft__generation;
}

/* The pages of a process are copied one by one, but whoever writes to one that was copied waits for
 * the end of the fork. So the child has what each thread did up to some moment: a whole stack. */
int weft__mailbox_reopen(weft__mailbox *mailbox)
{
    weft__mailbox inherited = {.read_fd = mailbox->read_fd, .write_fd = mailbox->write_fd};
    if (open_wakeup(mailbox) < 0)
        return -errno;
    close_wakeup(&inherited);
    atomic_store(&mailbox->wake, AWAKE);
    mailbox->generation = weft__generation;
    return 0;
}

bool weft__mailbox_put(weft__mailbox *mailbox, weft__item *item)
{
    if (weft__mailbox_is_inherited(mailbox))
        return false;
    weft__item *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do {
        if (head == &closed)
            return false;
        item->next = head;
    } while (!atomic_compare_exchange_weak(&mailbox->head, &head, item)); /* P1 */
    weft__mailbox_nudge(mailbox);
    return true;
}

int weft__mailbox_fd(const weft__mailbox *mailbox)
{
    return mailbox->read_fd;
}

/* By level, with no byte there yet, NOTIFIED stays: its putter still owes it. */
void weft__mailbox_woken(weft__mailbox *mailbox)
{
    weft__spin_woken(&mailbox->latest);
    if (weft__trace_is_on())
        weft__trace_record_here(WEFT__TRACE_WOKEN, 0, 0, (uintptr_t)mailbox, "loop");
    if (mailbox->by_edges || read_byte(mailbox))
        atomic_store(&mailbox->wake, AWAKE);
    if (!mailbox->by_edges || ++mailbox->unread < MOST_UNREAD)
        return;
    mailbox->unread = 0;
    read_bytes(mailbox);
}

bool weft__mailbox_is_empty(weft__mailbox *mailbox)
{
    weft__item *head = atomic_load(&mailbox->head);
    return !head || head == &closed;
}

bool weft__mailbox_may_sleep(weft__mailbox *mailbox)
{
    if (!weft__mailbox_is_empty(mailbox))
        return false;
    int state = AWAKE;
    if (!atomic_compare_exchange_strong(&mailbox->wake, &state, ASLEEP) &&
        state == NOTIFIED) /* L1 */
        return true;
    if (weft__mailbox_is_empty(mailbox)) /* L2 */
        return true;
    weft__mailbox_awake(mailbox);
    return false;
}

/* A putter may have been faster: then NOTIFIED stays, as its byte must be read before another is
 * written. */
void weft__mailbox_awake(weft__mailbox *mailbox)
{
    int state = ASLEEP;
    atomic_compare_exchange_strong(&mailbox->wake, &state, AWAKE);
}

/** Oldest first, of a stack that is newest first. */
static weft__item *reverse(weft__item *head, weft__item **ret_last)
{
    weft__item *reversed = NULL;
    *ret_last = head;
    while (head) {
        weft__item *next = head->next;
        head->next = reversed;
        reversed = head;
        head = next;
    }
    return reversed;
}

weft__item *weft__mailbox_take(weft__mailbox *mailbox, weft__item **ret_last)
{
    if (weft__mailbox_is_empty(mailbox)) {
        *ret_last = NULL;
        return NULL;
    }
    return reverse(atomic_exchange(&mailbox->head, NULL), ret_last);
}

weft__item *weft__mailbox_close(weft__mailbox *mailbox, weft__item **ret_last)
{
    weft__item *head = atomic_exchange(&mailbox->head, &closed);
    assert(head != &closed);
    return reverse(head, ret_last);
}

bool weft__mailbox_is_closed(const weft__mailbox *mailbox)
{
    return atomic_load(&mailbox->head) == &closed;
}
