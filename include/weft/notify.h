/* SPDX-License-Identifier: MIT */
/**
 * Service managers: the sockets that they pass (socket activation), and what they want to be told.
 * This is systemd's protocol, which others speak as well, by environment variables; nothing of
 * systemd is needed.
 *
 *     weft_listener *listener = weft_listen("fd:web", serve);    every socket named "web"
 *     …
 *     weft_notify("READY=1");
 *
 * weft_serve() (<weft/serve.h>) tells when it is ready and when it stops by itself.
 *
 * The environment is read at each call, and not changed. So a process that sets variables in one
 * thread, while another is in one of these functions, has a race, as ever with getenv().
 */
#ifndef WEFT_NOTIFY_H
#define WEFT_NOTIFY_H

#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The descriptor of a socket that was passed: of those with this name (FileDescriptorName= of the
 * socket's unit) the one at `index`, counting from 0; NULL is any name.
 *
 *     for (int i = 0; (fd = weft_listen_fd(NULL, i)) >= 0; i++)
 *
 * What was passed to another process, from which this one was forked, does not count (LISTEN_PID).
 *
 * Thread:    any.
 * Ownership: the descriptor is the process's as before, and closed by a later execve() from now on.
 * Errors:    -ENOENT: there are not so many, or none; -EINVAL: a negative index, or the environment
 *            is none of this protocol; -EBADF: it names what is not open.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_listen_fd(const char *name, int index);

/**
 * Tell the service manager: "READY=1", "STOPPING=1", "RELOADING=1", "WATCHDOG=1", "STATUS=…"; several
 * are separated by line feeds.
 *
 * It is one datagram to the socket that NOTIFY_SOCKET names, a path or an abstract name, and never
 * waits.
 *
 * Thread:    any.
 * Ownership: nothing changes hands.
 * Errors:    1: it was sent; 0: nobody asked to be told (no NOTIFY_SOCKET); -EINVAL (an empty text,
 *            or NULL); -EAFNOSUPPORT (a name of another kind); -ENAMETOOLONG; what socket() and
 *            sendmsg() have to say: -ECONNREFUSED (nobody is there), -ENOENT, -EAGAIN (its queue is
 *            full), -EMSGSIZE, -EMFILE, -ENFILE.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_notify(const char *state);

#ifdef __cplusplus
}
#endif

#endif
