/* SPDX-License-Identifier: MIT */
/* The command `weft top`. See tools/weft/top.c. */
#ifndef WEFT_TOOLS_TOP_H
#define WEFT_TOOLS_TOP_H

#include <stdbool.h>

struct weft_top_options {
    int pid;
    int interval_ms; /* from one look to the next */
    bool as_json;    /* the numbers once, on stdout */
    bool ascii;      /* no other characters */
};

/** Run the command; returns the exit status. */
int weft_top(const struct weft_top_options *options);

#endif
