/* SPDX-License-Identifier: MIT */
/* Is there a terminal? Apart, since <term.h> takes many names for itself. */
#include "tools/weft/top_terminal.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <term.h> /* needs what <curses.h> declares */

bool weft_top_has_terminal(void)
{
    int error = 0;
    const char *term = getenv("TERM");
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
        fputs("weft: top needs a terminal; `weft top --json PID` prints its numbers once\n",
              stderr);
        return false;
    }
    bool is_usable = setupterm(NULL, STDOUT_FILENO, &error) != ERR && cursor_address;
    if (cur_term)
        del_curterm(cur_term); /* initscr() makes one of its own */
    if (!is_usable) {
        fprintf(
            stderr,
            "weft: top cannot use a terminal of the kind '%s'; `weft top --json PID` prints its "
            "numbers once\n",
            term ? term : "");
        return false;
    }
    return true;
}
