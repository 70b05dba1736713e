/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TOOLS_TOP_TERMINAL_H
#define WEFT_TOOLS_TOP_TERMINAL_H

#include <stdbool.h>

/** There is a terminal that can show the screen; else says on stderr what is missing. */
bool weft_top_has_terminal(void);

#endif
