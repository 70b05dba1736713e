/* SPDX-License-Identifier: MIT */
/*
 * The screen of `weft top`: loops, lanes, and a list of tasks, or all that is known of one task.
 *
 * Each part is a table. A column has a rank; a window that is too narrow for all of them does without those
 * of the highest rank. Rows that have no room are counted in the table's heading.
 */
#include "tools/weft/top_screen.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum {
    MAX_COLUMNS = 12,
    CELL = 256,
    LEAST_ROWS = 8,
    LEAST_COLUMNS = 30,
    FLEXIBLE = 12,
    WIDEST = 40
};
enum { PLAIN, GOOD, WARM, BAD, DIM, PAIRS };

/* ---- Text ---- */

static int pair_of(int colour)
{
    if (colour == DIM)
        return A_DIM;
    int attributes = colour == BAD ? A_BOLD : A_NORMAL;
    return attributes | (has_colors() ? (int)COLOR_PAIR(colour) : 0);
}

void top_begin_colours(void)
{
    if (getenv("NO_COLOR") || !has_colors() || start_color() == ERR)
        return;
    use_default_colors();
    init_pair(GOOD, COLOR_GREEN, -1);
    init_pair(WARM, COLOR_YELLOW, -1);
    init_pair(BAD, COLOR_RED, -1);
}

/* How many columns a text takes; what cannot be shown takes one. */
static int columns_of(const wchar_t *text)
{
    int columns = 0;
    for (; *text; text++)
        columns += wcwidth(*text) > 0 ? wcwidth(*text) : 0;
    return columns;
}

/* From the terminal's coding; what is no text in it is shown as "?", as are controls. */
static void widen(wchar_t *to, size_t size, const char *text)
{
    mbstate_t state = {0};
    size_t len = 0, left = strlen(text);
    while (left && len + 1 < size) {
        wchar_t c;
        size_t used = mbrtowc(&c, text, left, &state);
        if (used == (size_t)-1 || used == (size_t)-2 || used == 0 || wcwidth(c) < 1) {
            c = L'?';
            used = used == (size_t)-1 || used == (size_t)-2 || used == 0 ? 1 : used;
            memset(&state, 0, sizeof(state));
        }
        to[len++] = c;
        text += used;
        left -= used;
    }
    to[len] = L'\0';
}

/* At most `width` columns of it; what is too long ends with a "~". Returns how many. */
static int clip(wchar_t *text, int width)
{
    if (columns_of(text) <= width)
        return columns_of(text);
    int columns = 0;
    size_t i = 0;
    while (text[i] && columns + wcwidth(text[i]) < width)
        columns += wcwidth(text[i++]);
    if (width > 0)
        text[i++] = L'~';
    text[i] = L'\0';
    return columns + 1;
}

enum side { LEFT, RIGHT };

static void put(int y, int x, int width, enum side side, int attributes, const char *text)
{
    wchar_t wide[CELL];
    widen(wide, CELL, text);
    int columns = clip(wide, width);
    attrset(attributes);
    mvaddwstr(y, side == RIGHT ? x + width - columns : x, wide);
    attrset(A_NORMAL);
}

static void put_line(int y, int attributes, const char *text)
{
    attrset(attributes);
    mvhline(y, 0, ' ', COLS);
    put(y, 0, COLS, LEFT, attributes, text);
}

/* ---- Tables ---- */

struct column {
    const char *title;
    int width; /* 0: what is left over */
    enum side side;
    int rank; /* the highest goes first; 0: it stays */
};

struct cell {
    char text[CELL];
    int colour;
};

struct table {
    const struct column *columns;
    size_t count;
    int width[MAX_COLUMNS]; /* 0: it is left out */
};

static int width_of(const struct column *column)
{
    return column->width ? column->width : FLEXIBLE;
}

static int needed(const struct table *table, int rank)
{
    int sum = 0;
    for (size_t i = 0; i < table->count; i++)
        if (table->columns[i].rank <= rank)
            sum += width_of(&table->columns[i]) + 1;
    return sum - 1;
}

static struct table make_table(const struct column *columns, size_t count)
{
    struct table table = {.columns = columns, .count = count};
    int rank = 9;
    while (rank > 0 && needed(&table, rank) > COLS)
        rank--;
    int spare = COLS - needed(&table, rank);
    for (size_t i = 0; i < count; i++) {
        if (columns[i].rank > rank)
            continue;
        int more = columns[i].width || spare < 0 ? 0 : spare;
        table.width[i] = width_of(&columns[i]) + more;
        if (!columns[i].width && table.width[i] > WIDEST)
            table.width[i] = WIDEST;
    }
    return table;
}

static void put_row(const struct table *table, int y, const struct cell *cells, int attributes)
{
    int x = 0;
    if (attributes)
        put_line(y, attributes, "");
    for (size_t i = 0; i < table->count; i++) {
        if (!table->width[i])
            continue;
        int width = x + table->width[i] > COLS ? COLS - x : table->width[i];
        put(y, x, width, table->columns[i].side, attributes ? attributes : pair_of(cells[i].colour),
            cells[i].text);
        x += table->width[i] + 1;
    }
}

/* `first` in place of the first title. */
static void put_titles(const struct table *table, int y, const char *first)
{
    struct cell cells[MAX_COLUMNS] = {0};
    for (size_t i = 0; i < table->count; i++)
        snprintf(cells[i].text, CELL, "%s", i ? table->columns[i].title : first);
    put_line(y, A_BOLD | A_UNDERLINE, "");
    bool is_wide = (int)strlen(first) > table->width[0] && table->count > 1;
    if (is_wide) /* it takes the next one's place, too */
        cells[0].text[0] = cells[1].text[0] = '\0';
    put_row(table, y, cells, A_BOLD | A_UNDERLINE);
    if (is_wide)
        put(y, 0, table->width[0] + 1 + table->width[1], LEFT, A_BOLD | A_UNDERLINE, first);
}

static void set_cell(struct cell *cell, int colour, const char *text)
{
    snprintf(cell->text, CELL, "%s", text);
    cell->colour = colour;
}

static void set_time(struct cell *cell, int64_t ns, int64_t warm, const struct top *top)
{
    char text[TOP_NUMBER];
    set_cell(cell,
             ns >= 10 * warm ? BAD
             : ns >= warm    ? WARM
                             : PLAIN,
             top_time(text, ns, top->letters));
}

static void set_count(struct cell *cell, double count, int colour)
{
    char text[TOP_NUMBER];
    set_cell(cell, count > 0 ? colour : PLAIN, top_count(text, count));
}

static int heat(double share)
{
    return share >= 0.9 ? BAD : share >= 0.6 ? WARM : PLAIN;
}

/* ---- Loops ---- */

static const struct column loop_columns[] = {
    {"LOOP", 5, LEFT, 0},  {"STATE", 12, LEFT, 1},   {"USED", 5, RIGHT, 0},
    {"", 0, LEFT, 8},      {"LAG p50", 7, RIGHT, 7}, {"p99", 6, RIGHT, 3},
    {"max", 6, RIGHT, 2},  {"STEPS/s", 7, RIGHT, 4}, {"TASKS", 6, RIGHT, 5},
    {"JOBS", 5, RIGHT, 6},
};

enum { LOOP_COLUMNS = sizeof(loop_columns) / sizeof(*loop_columns) };

/* A turn of 200 ms and more holds all others up. */
static void set_state(struct cell *cell, const struct top_loop *loop, const struct top *top)
{
    char time[TOP_NUMBER], text[32];
    if (loop->turn >= 200000000) {
        snprintf(text, sizeof(text), "blocked %s", top_time(time, loop->turn, top->letters));
        set_cell(cell, BAD, text);
    } else {
        set_cell(cell, PLAIN, loop->turn > 0 ? "runs" : "waits");
    }
}

static void put_loop(const struct table *table, int y, const struct top_loop *loop,
                     const struct top *top)
{
    struct cell cells[LOOP_COLUMNS] = {0};
    char text[CELL];
    snprintf(cells[0].text, CELL, "%lld", (long long)loop->id);
    set_state(&cells[1], loop, top);
    set_cell(&cells[2], heat(loop->used), top_share(text, loop->used));
    set_cell(&cells[3], loop->used >= 0.6 ? heat(loop->used) : GOOD,
             top_bar(text, CELL, loop->used, table->width[3], top->letters));
    set_time(&cells[4], loop->lag.p50, 10000000, top);
    set_time(&cells[5], loop->lag.p99, 10000000, top);
    set_time(&cells[6], loop->lag.max, 10000000, top);
    set_count(&cells[7], loop->steps, PLAIN);
    set_count(&cells[8], (double)loop->tasks, PLAIN);
    set_count(&cells[9], (double)loop->jobs, PLAIN);
    put_row(table, y, cells, A_NORMAL);
}

/* The number of rows is in the heading if not all of them have room. */
static void name_part(char *to, const char *name, size_t shown, size_t count)
{
    if (shown < count)
        snprintf(to, CELL, "%s %zu/%zu", name, shown, count);
    else
        snprintf(to, CELL, "%s", name);
}

static int put_loops(int y, int rows, const struct top *top)
{
    struct table table = make_table(loop_columns, LOOP_COLUMNS);
    char title[CELL];
    size_t count = top->stats->loop_count, most = (size_t)rows, shown = count < most ? count : most;
    name_part(title, "LOOP", shown, count);
    put_titles(&table, y++, title);
    for (size_t i = 0; i < shown; i++)
        put_loop(&table, y++, &top->stats->loops[i], top);
    return y;
}

/* ---- Lanes ---- */

static const struct column lane_columns[] = {
    {"LANE", 0, LEFT, 0},    {"RUN", 4, RIGHT, 1},      {"QUEUED", 6, RIGHT, 0},
    {"DONE/s", 6, RIGHT, 4}, {"WAIT p50", 8, RIGHT, 6}, {"p99", 6, RIGHT, 2},
    {"max", 6, RIGHT, 8},    {"RUN p50", 7, RIGHT, 7},  {"p99", 6, RIGHT, 3},
    {"max", 6, RIGHT, 9},    {"REFUSED", 7, RIGHT, 5},
};

enum { LANE_COLUMNS = sizeof(lane_columns) / sizeof(*lane_columns) };

static void put_lane(const struct table *table, int y, const struct top_lane *lane,
                     const struct top *top)
{
    struct cell cells[LANE_COLUMNS] = {0};
    if (top->stats->pool_count > 1)
        snprintf(cells[0].text, CELL, "%s/%s", lane->pool, lane->name);
    else
        set_cell(&cells[0], PLAIN, lane->name);
    set_count(&cells[1], (double)lane->running, GOOD);
    set_count(&cells[2], (double)lane->queued, WARM);
    set_count(&cells[3], lane->done, PLAIN);
    set_time(&cells[4], lane->wait.p50, 100000000, top);
    set_time(&cells[5], lane->wait.p99, 100000000, top);
    set_time(&cells[6], lane->wait.max, 100000000, top);
    set_time(&cells[7], lane->run.p50, INT64_MAX / 10, top);
    set_time(&cells[8], lane->run.p99, INT64_MAX / 10, top);
    set_time(&cells[9], lane->run.max, INT64_MAX / 10, top);
    set_count(&cells[10], (double)lane->refused, BAD);
    put_row(table, y, cells, A_NORMAL);
}

static int put_lanes(int y, int rows, const struct top *top)
{
    struct table table = make_table(lane_columns, LANE_COLUMNS);
    char title[CELL];
    size_t count = top->stats->lane_count, most = (size_t)rows, shown = count < most ? count : most;
    name_part(title, "LANE", shown, count);
    put_titles(&table, y++, title);
    for (size_t i = 0; i < shown; i++)
        put_lane(&table, y++, &top->stats->lanes[i], top);
    return y;
}

/* ---- Tasks ---- */

static const struct column busy_columns[] = {
    {"", 0, LEFT, 0},  {"RUNS", 20, LEFT, 3},  {"SHARE", 6, RIGHT, 0},
    {"", 12, LEFT, 4}, {"TASKS", 6, RIGHT, 2}, {"LAST", 8, RIGHT, 1},
};

static const struct column old_columns[] = {
    {"", 0, LEFT, 0},          {"TASK", 8, RIGHT, 0},       {"AGE", 7, RIGHT, 1},
    {"WAITS AT", 22, LEFT, 2}, {"SPAWNED AT", 22, LEFT, 3},
};

enum {
    BUSY_COLUMNS = sizeof(busy_columns) / sizeof(*busy_columns),
    OLD_COLUMNS = sizeof(old_columns) / sizeof(*old_columns)
};

const struct top_task *top_shown(const struct top *top, size_t *ret_count)
{
    bool is_busiest = top->list == TOP_BUSIEST;
    *ret_count = !top->stats  ? 0
                 : is_busiest ? top->stats->busiest_count
                              : top->stats->oldest_count;
    if (!top->stats)
        return NULL;
    return is_busiest ? top->stats->busiest : top->stats->oldest;
}

/* "/a/long/way/file.c:12" without its folders. */
static const char *last_part(const char *place)
{
    const char *slash = place ? strrchr(place, '/') : NULL;
    return slash ? slash + 1 : place ? place : "";
}

/* "#17", or of loop 2 "2:17", as `weft cancel` takes it. */
static void set_id(struct cell *cell, const struct top_task *task, const struct top *top)
{
    if (top->stats->loop_count > 1)
        snprintf(cell->text, CELL, "%lld:%lld", (long long)task->loop, (long long)task->id);
    else
        snprintf(cell->text, CELL, "#%lld", (long long)task->id);
}

static void put_busy(const struct table *table, int y, const struct top_task *task,
                     const struct top *top, int attributes)
{
    struct cell cells[BUSY_COLUMNS] = {0};
    char text[CELL];
    set_cell(&cells[0], PLAIN, task->name);
    set_cell(&cells[1], DIM, strcmp(task->in, task->name) == 0 ? "itself" : task->in);
    set_cell(&cells[2], heat(task->share), top_share(text, task->share));
    set_cell(&cells[3], heat(task->share) ? heat(task->share) : GOOD,
             top_bar(text, CELL, task->share, 12, top->letters));
    set_count(&cells[4], (double)task->tasks, PLAIN);
    set_id(&cells[5], task, top);
    put_row(table, y, cells, attributes);
}

static void put_old(const struct table *table, int y, const struct top_task *task,
                    const struct top *top, int attributes)
{
    struct cell cells[OLD_COLUMNS] = {0};
    char text[TOP_NUMBER];
    set_cell(&cells[0], PLAIN, task->name);
    set_id(&cells[1], task, top);
    if (task->age > 0)
        snprintf(cells[2].text, CELL, ">%s", top_time(text, task->age, top->letters));
    else
        set_cell(&cells[2], DIM, "new");
    set_cell(&cells[3], PLAIN, task->awaits_at ? last_part(task->awaits_at) : "-");
    set_cell(&cells[4], DIM, last_part(task->spawned_at));
    put_row(table, y, cells, attributes);
}

static void put_tasks(int y, int last, const struct top *top)
{
    bool is_busiest = top->list == TOP_BUSIEST;
    struct table table =
        is_busiest ? make_table(busy_columns, BUSY_COLUMNS) : make_table(old_columns, OLD_COLUMNS);
    size_t count, rows = last > y ? (size_t)(last - y) : 0;
    const struct top_task *tasks = top_shown(top, &count);
    size_t first = top->selected >= rows ? top->selected - rows + 1 : 0;
    put_titles(&table, y++,
               is_busiest                    ? "BUSIEST TASKS"
               : top->stats->oldest_is_exact ? "OLDEST TASKS"
                                             : "OLDEST FOUND");
    if (count == 0 && y <= last)
        put(y, 0, COLS, LEFT, A_DIM, is_busiest ? "no task had the thread" : "there are no tasks");
    for (size_t i = first; i < count && y <= last; i++)
        (is_busiest ? put_busy : put_old)(&table, y++, &tasks[i], top,
                                          i == top->selected ? A_REVERSE : A_NORMAL);
}

/* ---- One task ---- */

struct lines {
    int y, last;
    size_t skip;
    const struct top *top;
};

static void put_pair(struct lines *lines, int depth, const char *key, const char *value)
{
    char text[2 * CELL];
    if (lines->skip) {
        lines->skip--;
        return;
    }
    if (lines->y > lines->last)
        return;
    snprintf(text, sizeof(text), "%*s%s", 2 * depth, "", key);
    put(lines->y, 0, 22, LEFT, A_BOLD, text);
    put(lines->y++, 23, COLS - 23, LEFT, A_NORMAL, value);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void put_value(struct lines *lines, int depth, const char *key, const json_t *value);

static void put_members(struct lines *lines, int depth, const json_t *value)
{
    size_t i;
    const char *key;
    json_t *member;
    char number[24];
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
        put_value(lines, depth, key, member);
    json_array_foreach(value, i, member)
    {
        snprintf(number, sizeof(number), "%zu", i + 1);
        put_value(lines, depth, number, member);
    }
}

/* Whatever the process tells of a task is shown, by the names that it has there. */
static void put_value(struct lines *lines, int depth, const char *key, const json_t *value)
{
    char number[TOP_NUMBER], plain[CELL];
    if (json_is_object(value) || json_is_array(value)) {
        bool is_empty = json_is_object(value) ? !json_object_size(value) : !json_array_size(value);
        put_pair(lines, depth, key, is_empty ? "none" : "");
        if (depth < 6)
            put_members(lines, depth + 1, value);
    } else if (json_is_integer(value) && ends_with(key, "_ns")) {
        snprintf(plain, CELL, "%.*s", (int)strlen(key) - 3, key);
        put_pair(lines, depth, plain,
                 top_time(number, json_integer_value(value), lines->top->letters));
    } else if (json_is_integer(value)) {
        snprintf(plain, CELL, "%lld", (long long)json_integer_value(value));
        put_pair(lines, depth, key, plain);
    } else if (json_is_real(value)) {
        snprintf(plain, CELL, "%g", json_real_value(value));
        put_pair(lines, depth, key, plain);
    } else {
        const char *text = json_string_value(value);
        put_pair(lines, depth, key,
                 text                   ? text
                 : json_is_true(value)  ? "yes"
                 : json_is_false(value) ? "no"
                                        : "-");
    }
}

static void put_task(int y, int last, const struct top *top)
{
    char text[CELL];
    struct lines lines = {y + 2, last, top->scrolled, top};
    snprintf(text, CELL, "task #%lld of loop %lld: %s", (long long)top->id, (long long)top->loop,
             top->name ? top->name : "");
    put_line(y, A_BOLD, text);
    if (top->task_ended)
        put(y + 1, 0, COLS, LEFT, pair_of(WARM), "it has ended; what was seen last:");
    if (top->task)
        put_members(&lines, 0, top->task);
    else
        put(y + 2, 0, COLS, LEFT, A_DIM, top->task_ended ? "nothing" : "asking...");
}

/* ---- Help ---- */

static void put_help(int y, int last)
{
    static const char *const lines[] = {
        "USED     part of the time in which the loop was not waiting",
        "LAG      how long what became ready had to wait for the loop, at most",
        "STATE    blocked: for so long nobody else had the loop",
        "WAIT     how long jobs were queued; RUN: how long they ran, of those that",
        "         began, or ended, since the last look",
        "REFUSED  jobs that were rejected, dropped or expired since the beginning",
        "BUSIEST  who had the thread, by samples: the task, and the coroutine in it",
        "OLDEST   tasks, and since when they are there at least; FOUND: there are so",
        "         many that some may be older",
        "",
        "Tab      busiest or oldest tasks       s    sort the tasks by another column",
        "Up Down  select (also k, j)            l    sort the lanes by another column",
        "Enter    open the task                 o    sort the loops by another column",
        "Esc      back                          p    pause",
        "?        this help                     + -  look more or less often",
        "q        quit",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines) && y <= last; i++)
        put(y++, 0, COLS, LEFT, A_NORMAL, lines[i]);
}

/* ---- All of it ---- */

static void put_head(const struct top *top)
{
    char text[2 * CELL], pause[32], cpu[TOP_NUMBER], rss[TOP_NUMBER];
    const struct top_stats *stats = top->stats;
    snprintf(pause, sizeof(pause), "every %g s", top->interval_ms / 1000.0);
    if (stats)
        snprintf(text, sizeof(text), " %s  pid %d  %s  CPU %s  memory %sB  threads %lld/%lld",
                 stats->program, top->pid, top->paused ? "PAUSED" : pause,
                 top_share(cpu, stats->cpu), top_count(rss, (double)stats->rss),
                 (long long)stats->threads, (long long)stats->max_threads);
    else
        snprintf(text, CELL, " pid %d", top->pid);
    put_line(0, A_REVERSE, text);
}

static void put_foot(const struct top *top)
{
    static const char *const lanes[] = {"name", "queued", "done", "wait", "run"};
    static const char *const loops[] = {"loop", "used", "lag", "tasks"};
    static const char *const busiest[] = {"share", "name", "tasks"};
    static const char *const oldest[] = {"age", "name", "place"};
    char text[CELL];
    bool is_busiest = top->list == TOP_BUSIEST;
    if (top->problem[0]) {
        snprintf(text, CELL, " %.240s", top->problem);
        put_line(LINES - 1, pair_of(BAD) | (int)A_REVERSE, text);
        return;
    }
    const char *other = is_busiest ? "oldest" : "busiest",
               *order = is_busiest ? busiest[top->task_order] : oldest[top->age_order];
    if (top->view == TOP_ALL && top->stats && top->stats->loop_count > 1)
        snprintf(text, CELL, " q quit  ? help  Tab %s  Enter open  s sort: %s  l: %s  o: %s", other,
                 order, lanes[top->lane_order], loops[top->loop_order]);
    else if (top->view == TOP_ALL)
        snprintf(text, CELL,
                 " q quit  ? help  Tab %s  Enter open  s sort: %s  l lanes: %s  p pause", other,
                 order, lanes[top->lane_order]);
    else
        snprintf(text, CELL, " q quit  Esc back%s",
                 top->view == TOP_TASK ? "  Up Down scroll" : "");
    put_line(LINES - 1, A_REVERSE, text);
}

static void put_everything(const struct top *top)
{
    int last = LINES - 2, gap = LINES >= 20 ? 1 : 0, y = 1 + gap;
    int room = LINES - 5 - 3 * gap;
    y = put_loops(y, room / 4 > 1 ? room / 4 : 1, top) + gap;
    if (top->stats->lane_count)
        y = put_lanes(y, room / 3 > 1 ? room / 3 : 1, top) + gap;
    if (y < last)
        put_tasks(y, last, top);
}

void top_draw(const struct top *top)
{
    erase();
    if (LINES < LEAST_ROWS || COLS < LEAST_COLUMNS) {
        put(0, 0, COLS, LEFT, A_NORMAL, "too small a window");
        refresh();
        return;
    }
    put_head(top);
    if (top->view == TOP_HELP)
        put_help(2, LINES - 2);
    else if (top->view == TOP_TASK)
        put_task(1, LINES - 2, top);
    else if (top->stats)
        put_everything(top);
    else if (!top->problem[0])
        put(2, 0, COLS, LEFT, A_DIM, "asking...");
    put_foot(top);
    refresh();
}
