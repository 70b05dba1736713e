/* SPDX-License-Identifier: MIT */
/*
 * weft top PID: what goes on in a process, live.
 *
 * It asks for all numbers at once, waits for as long as it was told to, and asks again; what it shows is
 * the difference (top_stats.c). Keys are served meanwhile (top_ask.c). While a task is open, this one is asked
 * for instead of the numbers; when it is opened also in a pause.
 *
 * The terminal is as it was when the command ends, however it does: by a key, by a signal, or since the
 * process that it looks at has ended. Then the last numbers stay until `q` is pressed.
 */
#include "tools/weft/top.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/weft/client.h"
#include "tools/weft/commands.h"
#include "tools/weft/top_ask.h"
#include "tools/weft/top_screen.h"
#include "tools/weft/top_signals.h"
#include "tools/weft/top_terminal.h"

enum { SHORTEST_MS = 100, LONGEST_MS = 60000, FIRST_MS = 300, ESCAPE = 27 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Once, for programs ---- */

static int print_once(int pid, int interval_ms)
{
    char error[256] = "";
    struct timespec pause = {interval_ms / 1000, interval_ms % 1000 * 1000000L};
    json_t *before = weft_client_ask(pid, "stats", error, sizeof(error));
    if (before)
        nanosleep(&pause, NULL);
    json_t *now = before ? weft_client_ask(pid, "stats", error, sizeof(error)) : NULL;
    struct top_stats *stats = now ? top_stats_new(now, before) : NULL;
    json_t *told = stats ? top_stats_json(stats, pid) : NULL;
    int status = told ? print_json(told) : fail("%s", error[0] ? error : "out of memory");
    json_decref(told);
    top_stats_free(stats);
    json_decref(before);
    return status;
}

/* ---- Where the cursor is ---- */

static bool is_same(const struct top_task *a, const struct top_task *b, enum top_list list)
{
    bool same_id = list == TOP_BUSIEST || a->id == b->id;
    return a->loop == b->loop && same_id && strcmp(a->name, b->name) == 0 &&
           strcmp(a->in, b->in) == 0;
}

static void sort(struct top *top)
{
    if (!top->stats)
        return;
    top_sort_loops(top->stats, top->loop_order);
    top_sort_lanes(top->stats, top->lane_order);
    top_sort_busiest(top->stats, top->task_order);
    top_sort_oldest(top->stats, top->age_order);
}

/* New numbers; the row that was selected is so still, wherever it is now. */
static void take_stats(struct top *top, struct top_stats *stats)
{
    size_t count;
    struct top_stats *before = top->stats;
    const struct top_task *tasks = top_shown(top, &count);
    const struct top_task *selected = top->selected < count ? &tasks[top->selected] : NULL;
    top->stats = stats;
    sort(top);
    tasks = top_shown(top, &count);
    for (size_t i = 0; selected && top->selected > 0 && i < count; i++)
        if (is_same(&tasks[i], selected, top->list)) {
            top->selected = i;
            break;
        }
    if (top->selected >= count)
        top->selected = count ? count - 1 : 0;
    top_stats_free(before);
}

/* ---- Answers ---- */

static const json_t *find_by_id(const json_t *list, int64_t id)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *at = json_array_get(list, i);
        if (json_integer_value(json_object_get(at, "id")) == id)
            return at;
    }
    return NULL;
}

static void take_task(struct top *top, const json_t *answer)
{
    const json_t *loop = find_by_id(json_object_get(answer, "loops"), top->loop);
    const json_t *task = find_by_id(json_object_get(loop, "tasks"), top->id);
    if (json_object_get(loop, "error"))
        return; /* nobody knows */
    top->task_ended = !task;
    if (!task)
        return;
    json_decref(top->task);
    top->task = json_deep_copy(task);
}

static const char *request_for_task(const struct top *top, char *to, size_t size)
{
    snprintf(to, size, "ps %lld %lld", (long long)top->id, (long long)top->loop);
    return to;
}

static void take_answer(struct top *top, struct top_asker *asker)
{
    struct top_answer answer = top_asker_take(asker);
    snprintf(top->problem, sizeof(top->problem), "%s", answer.error);
    if (!answer.json)
        return;
    if (strcmp(answer.request, "stats") != 0) {
        char wanted[sizeof(answer.request)];
        if (strcmp(answer.request, request_for_task(top, wanted, sizeof(wanted))) == 0)
            take_task(top, answer.json);
        json_decref(answer.json);
        return;
    }
    struct top_stats *stats = top_stats_new(answer.json, top->stats ? top->stats->answer : NULL);
    if (!stats)
        return;
    top->has_rates = top->stats != NULL;
    take_stats(top, stats);
}

/* ---- Keys ---- */

static void open_task(struct top *top)
{
    size_t count;
    const struct top_task *tasks = top_shown(top, &count);
    if (top->selected >= count)
        return;
    top->view = TOP_TASK;
    top->loop = tasks[top->selected].loop;
    top->id = tasks[top->selected].id;
    top->scrolled = 0;
    top->task_ended = false;
    top->is_opened = true;
    free(top->name);
    top->name = strdup(tasks[top->selected].name);
    json_decref(top->task);
    top->task = NULL;
}

static void move_by(struct top *top, int by)
{
    size_t count, *at = top->view == TOP_TASK ? &top->scrolled : &top->selected;
    top_shown(top, &count);
    if (by < 0)
        *at -= *at < (size_t)-by ? *at : (size_t)-by;
    else if (top->view == TOP_TASK || *at + (size_t)by < count)
        *at += (size_t)by;
    else
        *at = count ? count - 1 : 0;
}

static void sort_next(struct top *top)
{
    if (top->list == TOP_BUSIEST)
        top->task_order = (top->task_order + 1) % TASK_ORDERS;
    else
        top->age_order = (top->age_order + 1) % AGE_ORDERS;
    sort(top);
}

static int clamp(int interval_ms)
{
    return interval_ms < SHORTEST_MS  ? SHORTEST_MS
           : interval_ms > LONGEST_MS ? LONGEST_MS
                                      : interval_ms;
}

static void change_interval(struct top *top, double factor)
{
    top->interval_ms = clamp((int)(top->interval_ms * factor));
}

/* Keys of the list of tasks. */
static void serve_list(struct top *top, int key)
{
    switch (key) {
    case '\t':
        top->list = top->list == TOP_BUSIEST ? TOP_OLDEST : TOP_BUSIEST;
        top->selected = 0;
        break;
    case 's':
        sort_next(top);
        break;
    case 'l':
        top->lane_order = (top->lane_order + 1) % LANE_ORDERS;
        sort(top);
        break;
    case 'o':
        top->loop_order = (top->loop_order + 1) % LOOP_ORDERS;
        sort(top);
        break;
    case '\n':
    case '\r':
    case KEY_ENTER:
        open_task(top);
        break;
    default:
        break;
    }
}

/* False: it is the end. */
static bool serve_key(struct top *top, int key)
{
    switch (key) {
    case 'q':
        return false;
    case '?':
    case 'h':
        top->view = top->view == TOP_HELP ? TOP_ALL : TOP_HELP;
        break;
    case ESCAPE:
    case KEY_BACKSPACE:
    case KEY_LEFT:
        top->view = TOP_ALL;
        break;
    case KEY_UP:
    case 'k':
        move_by(top, -1);
        break;
    case KEY_DOWN:
    case 'j':
        move_by(top, 1);
        break;
    case KEY_PPAGE:
        move_by(top, -10);
        break;
    case KEY_NPAGE:
        move_by(top, 10);
        break;
    case 'p':
        top->paused = !top->paused;
        break;
    case '+':
        change_interval(top, 0.5);
        break;
    case '-':
        change_interval(top, 2);
        break;
    default:
        if (top->view == TOP_ALL)
            serve_list(top, key);
    }
    return true;
}

static bool serve_keys(struct top *top)
{
    for (int key = getch(); key != ERR; key = getch())
        if (!serve_key(top, key))
            return false;
    return true;
}

/* ---- Live ---- */

/* When the next question is due. Numbers first, so that there are rates soon. */
static int64_t next_due(const struct top *top)
{
    return now_ms() + (top->stats && !top->has_rates ? FIRST_MS : top->interval_ms);
}

static bool ask(const struct top *top, struct top_asker *asker)
{
    char request[64];
    return top_asker_ask(
        asker, top->view == TOP_TASK ? request_for_task(top, request, sizeof(request)) : "stats");
}

/* Returns the signal that ended it; 0: a key did. */
static int watch(struct top *top, struct top_asker *asker)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = top_asker_fd(asker), .events = POLLIN}};
    int64_t due = now_ms();
    int ended_by = 0;
    while (!ended_by) {
        if ((top->is_opened || (now_ms() >= due && !top->paused)) && ask(top, asker)) {
            due = next_due(top);
            top->is_opened = false;
        }
        top_draw(top);
        int64_t wait = top->paused ? LONGEST_MS : due - now_ms();
        ended_by = top_signals_wait(fds, 2, wait > 0 ? (int)wait : SHORTEST_MS);
        if (fds[1].revents) {
            take_answer(top, asker);
            due = top->has_rates ? due : next_due(top);
        }
        if (!serve_keys(top) || fds[0].revents & (POLLHUP | POLLERR))
            break;
    }
    return ended_by;
}

static int show(struct top *top)
{
    struct top_asker *asker = top_asker_new(top->pid);
    if (!asker) {
        fprintf(stderr, "weft: %s\n", strerror(errno));
        return 1;
    }
    top_signals_begin();
    initscr();
    set_escdelay(25);
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    top_begin_colours();
    int ended_by = watch(top, asker);
    endwin();
    top_asker_leave(asker);
    return ended_by ? 128 + ended_by : top->problem[0] ? 1 : 0;
}

static bool can_show_unicode(void)
{
    return setlocale(LC_ALL, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

int weft_top(const struct weft_top_options *options)
{
    if (options->as_json)
        return print_once(options->pid, options->interval_ms);
    if (!weft_top_has_terminal())
        return 1;
    struct top top = {.pid = options->pid,
                      .interval_ms = clamp(options->interval_ms),
                      .letters = can_show_unicode() && !options->ascii ? TOP_UNICODE : TOP_ASCII};
    int status = show(&top);
    if (top.problem[0])
        fprintf(stderr, "weft: %s\n", top.problem);
    top_stats_free(top.stats);
    json_decref(top.task);
    free(top.name);
    return status;
}
