/* SPDX-License-Identifier: MIT */
/* What `weft top` shows. See tools/weft/top_screen.c. */
#ifndef WEFT_TOOLS_TOP_SCREEN_H
#define WEFT_TOOLS_TOP_SCREEN_H

#include "tools/weft/top_stats.h"
#include "tools/weft/top_text.h"

enum top_view { TOP_ALL, TOP_TASK, TOP_HELP };
enum top_list { TOP_BUSIEST, TOP_OLDEST };

struct top {
    int pid;
    enum top_letters letters;
    enum top_view view;
    enum top_list list;
    enum top_loop_order loop_order;
    enum top_lane_order lane_order;
    enum top_task_order task_order;
    enum top_age_order age_order;
    struct top_stats *stats; /* owned; NULL: nothing has come yet */
    bool has_rates;          /* of two answers */
    bool paused;
    int interval_ms;
    size_t selected;   /* row of the list */
    int64_t loop, id;  /* of the task that is open */
    char *name;        /* of it, owned */
    json_t *task;      /* owned: all that is known of it; NULL: nothing yet */
    bool is_opened;    /* and was not asked for yet */
    bool task_ended;   /* it is not there any more */
    size_t scrolled;   /* lines of it */
    char problem[256]; /* why there are no newer numbers; "" */
};

/** The list that is shown, and how long it is. */
const struct top_task *top_shown(const struct top *top, size_t *ret_count);

/** Draw all of it; the screen is as large as ncurses says. */
void top_draw(const struct top *top);

/** Colours, if the terminal has some and nobody wants none (NO_COLOR). */
void top_begin_colours(void);

#endif
