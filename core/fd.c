/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors: a future on one libevent event that fires once.
 *
 *     WAITING --ready--------------------> done
 *     WAITING --cancel, closing, the end-> failed; the event is taken out of the base
 *
 * The operation keeps a reference and stands in the list of the loop's part until then; the list
 * serves weft_fd_closing() and the end of the loop.
 *
 * libevent logs to stderr when epoll refuses a descriptor, so what epoll would refuse is found out
 * beforehand: by its kind, and for devices, which differ, by asking an epoll made for the purpose.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/fd.h>

#include "core/future.h"
#include "core/inspect/eye.h"
#include "core/link.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"

/* All [loop]. */
struct fd_part {
    struct weft__part part; /* first */
    bool settled;
    weft__link *waits;
};

/* All [loop]. */
struct fd_wait {
    weft_future future; /* first */
    weft__link link;
    struct event event;
};

static struct fd_wait *wait_of(weft__link *link)
{
    return WEFT__CONTAINER(link, struct fd_wait, link);
}

/* The last thing that is done with a wait. */
static void end(struct fd_wait *wait, int status)
{
    event_del(&wait->event);
    weft__link_remove(&wait->link);
    if (status < 0)
        weft__complete_failed(&wait->future, status, NULL);
    else
        weft__complete(&wait->future, weft_value_i64(0), NULL);
    weft_unref(&wait->future);
}

static void on_ready(evutil_socket_t fd, short what, void *wait)
{
    (void)fd;
    (void)what;
    end(wait, 0);
}

static bool cancel(weft_future *future)
{
    end(WEFT__CONTAINER(future, struct fd_wait, future), -ECANCELED);
    return true;
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct fd_wait wait;
    if (!weft__eye_see(eye, &wait, at, sizeof(wait)))
        return;
    bool is_read = wait.event.ev_events & EV_READ;
    weft__explain_fd(eye, ret, event_get_fd(&wait.event), is_read ? "to read" : "to write");
}

WEFT__OPS(readable_ops) = {.name = "wait_readable", .cancel = cancel, .explain = explain};
WEFT__OPS(writable_ops) = {.name = "wait_writable", .cancel = cancel, .explain = explain};

/* ---- The loop's part ---- */

static void settle(struct weft__part *part)
{
    struct fd_part *own = (struct fd_part *)(void *)part;
    own->settled = true;
    while (own->waits)
        end(wait_of(own->waits), -ECANCELED);
}

static void release(struct weft__part *part)
{
    weft__free(part);
}

static const struct weft__part_ops part_ops = {.name = "fd", .settle = settle, .free = release};

static struct fd_part *find_part(weft_loop *loop)
{
    return (struct fd_part *)(void *)weft__loop_part(loop, &part_ops);
}

static struct fd_part *make_part(weft_loop *loop)
{
    struct fd_part *made = weft__calloc(1, sizeof(*made));
    if (!made)
        return NULL;
    made->part.ops = &part_ops;
    weft__loop_add_part(loop, &made->part);
    return made;
}

/* ---- Waiting ---- */

static int probe(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return -errno;
    int status = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
    close(epoll);
    return status;
}

/* 0 if epoll takes it. */
static int check(int fd)
{
    struct stat file;
    if (fstat(fd, &file) < 0)
        return -errno;
    if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))
        return -EPERM;
    return S_ISSOCK(file.st_mode) || S_ISFIFO(file.st_mode) ? 0 : probe(fd);
}

static weft_future *begin(weft_loop *loop, struct fd_part *part, int fd, short what)
{
    const struct weft__future_ops *ops = what == EV_READ ? &readable_ops : &writable_ops;
    struct fd_wait *wait = weft__future_alloc(loop, ops, sizeof(*wait), 2);
    if (!wait)
        return weft__future_enomem(loop);
    weft__link_add(&part->waits, &wait->link);
    event_assign(&wait->event, loop->base, fd, what, on_ready, wait);
    weft_future *future = &wait->future;
    if (weft__sys.event_add(&wait->event, NULL) < 0)
        end(wait, errno == ENOMEM ? -ENOMEM : -EIO);
    return future;
}

static weft_future *wait_for(int fd, short what)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    struct fd_part *part = find_part(loop);
    if (loop->phase == WEFT__CLOSED || (part && part->settled))
        return weft_future_failed(-ESHUTDOWN, NULL);
    int status = check(fd);
    if (status < 0)
        return weft_future_failed(status, "descriptor %d", fd);
    if (!part && !(part = make_part(loop)))
        return weft__future_enomem(loop);
    return begin(loop, part, fd, what);
}

weft_future *weft_wait_readable(int fd)
{
    return wait_for(fd, EV_READ);
}

weft_future *weft_wait_writable(int fd)
{
    return wait_for(fd, EV_WRITE);
}

static struct fd_wait *oldest(struct fd_part *part, int fd)
{
    struct fd_wait *found = NULL;
    for (weft__link *link = part->waits; link; link = link->next)
        if (event_get_fd(&wait_of(link)->event) == fd)
            found = wait_of(link);
    return found;
}

size_t weft_fd_closing(int fd)
{
    weft_loop *loop = weft__here();
    struct fd_part *part = loop ? find_part(loop) : NULL;
    size_t count = 0;
    for (struct fd_wait *wait; part && (wait = oldest(part, fd)); count++)
        end(wait, WEFT_ECLOSED);
    return count;
}
