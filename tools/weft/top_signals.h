/* SPDX-License-Identifier: MIT */
/* Signals while the screen is shown. See tools/weft/top_signals.c. */
#ifndef WEFT_TOOLS_TOP_SIGNALS_H
#define WEFT_TOOLS_TOP_SIGNALS_H

#include <poll.h>

/** From now on signals are noted. Before initscr(), which then leaves them alone. */
void top_signals_begin(void);

/** poll(), and what was noted meanwhile: stop if somebody wants that, with the terminal as it was before. Returns
 * the signal by which it is to end, or 0. */
int top_signals_wait(struct pollfd *fds, nfds_t count, int ms);

#endif
