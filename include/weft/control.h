/* SPDX-License-Identifier: MIT */
/**
 * The control socket: by it the command `weft` sees what a process is doing, also while its loops are
 * stuck, and can cancel a task.
 *
 * It is off unless it is asked for, by weft_loop_options.control or by WEFT_CONTROL=1 in the environment.
 * There is one for a process, served by a thread of its own ("weft-control"), from the first loop that
 * wants it to the end of the last. Nobody asking, that thread sleeps.
 *
 * It is a Unix socket at $XDG_RUNTIME_DIR/weft/PID.sock, or where that is not set or not the user's, at
 * /tmp/weft-UID/PID.sock; folder and socket are for their owner only. Who connects must be the user of
 * the process, or root; whoever that is could as well use a debugger.
 */
#ifndef WEFT_CONTROL_H
#define WEFT_CONTROL_H

#include <stddef.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Does a loop want the process to have a control socket? */
enum weft_control {
    WEFT_CONTROL_AS_ENVIRONMENT, /* if WEFT_CONTROL is set, and not "" or "0" */
    WEFT_CONTROL_ON,
    WEFT_CONTROL_OFF /* not for this loop, which can be seen if there is one all the same */
};

/**
 * Where the control socket of this process is.
 *
 * Thread:    any.
 * Ownership: the path is written to `buffer`.
 * Errors:    0; -ENOENT: there is none; -ENAMETOOLONG: `size` is too small.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_control_path(char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
