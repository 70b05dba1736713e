/* SPDX-License-Identifier: MIT */
/*
 * Signals while the screen is shown. They are blocked but while the command waits, so that none is missed between
 * a look and the wait; handlers only note what came.
 *
 * Being stopped is done here and not by ncurses, whose handler draws, and so allocates, wherever it interrupts
 * the program. Who was stopped may find another size, of which nobody told him in the background; and another
 * mode of the terminal, if he was stopped by SIGSTOP.
 */
#include "tools/weft/top_signals.h"

#include <curses.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t ended_by, is_to_stop, goes_on;
static sigset_t waiting; /* the mask of who waits */

static void on_signal(int number)
{
    if (number == SIGTSTP)
        is_to_stop = 1;
    else if (number == SIGCONT)
        goes_on = 1;
    else
        ended_by = number;
}

void top_signals_begin(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT};
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGWINCH);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN)
            continue;
        sigaddset(&blocked, signals[i]);
        sigaction(signals[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, &waiting);
}

/* As Ctrl-Z stops who does not care. */
static void stop(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, ours;
    sigset_t set, before;
    is_to_stop = 0;
    endwin();
    sigaction(SIGTSTP, &usual, &ours);
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &set, &before); /* here it is stopped */
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGTSTP, &ours, NULL);
    goes_on = 1;
    sigemptyset(&set);
    sigaddset(&set, SIGCONT);
    sigtimedwait(&set, NULL, &(struct timespec){0}); /* it is known already */
}

static void take_up(void)
{
    struct winsize size;
    goes_on = 0;
    if (!isendwin())
        endwin(); /* refresh() then sets all modes anew */
    refresh();
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
        resizeterm(size.ws_row, size.ws_col);
    clearok(curscr, TRUE);
}

int top_signals_wait(struct pollfd *fds, nfds_t count, int ms)
{
    struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};
    if (ppoll(fds, count, &limit, &waiting) < 0)
        for (nfds_t i = 0; i < count; i++)
            fds[i].revents = 0;
    if (is_to_stop && !ended_by)
        stop();
    if (goes_on && !ended_by)
        take_up();
    return ended_by;
}
