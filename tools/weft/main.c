/* SPDX-License-Identifier: MIT */
/*
 * weft COMMAND PID: what goes on in a process that uses weft, from outside.
 *
 * Each command asks the process by its control socket (client.c) and shows the answer: as tables or a tree for
 * people, or with --json as it came. The exit status is 0, 1 for what failed, 2 for what was not understood.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/weft/client.h"
#include "tools/weft/commands.h"
#include "tools/weft/text.h"
#ifdef WEFT_HAVE_TOP
#include "tools/weft/top.h"
#endif

static const char help[] =
    "usage: weft COMMAND [OPTION…] [PID|NAME]\n"
    "\n"
    "Looks into a process that uses weft, also while its loops are stuck. The process must have "
    "been\n"
    "started with WEFT_CONTROL=1, or ask for a control socket itself.\n"
    "\n"
    "  weft list                    the processes that can be looked into\n"
    "  weft ps PID                  the tasks of each loop, and what they wait for\n"
    "  weft pstree PID              who awaits whom: calls, scopes, locks and their owners, "
    "deadlines,\n"
    "                               and who waits in a circle\n"
    "  weft pool PID                the pools: lanes, waiting and running times, jobs and their "
    "threads\n"
    "  weft top PID                 all of it live; --interval SECONDS\n"
    "  weft blocked PID             what has blocked a loop, with the stack\n"
    "  weft trace PID               record for --seconds N (5), or between --start and --stop, "
    "and\n"
    "                               write it to -o FILE (weft-PID.json; - is stdout) for Perfetto\n"
    "  weft dump PID                everything at once, as JSON\n"
    "  weft cancel PID [LOOP:]TASK [REASON…]\n"
    "                               ask a task to stop\n"
    "\n"
    "  -j, --json                   for programs\n"
    "  -l, --long                   whole paths of source files\n"
    "      --ascii                  no characters but ASCII\n"
    "  -h, --help                   this page\n"
    "      --version\n"
    "\n"
    "In place of PID the program's name will do if it is the only one. Exit status: 0; 1 if it "
    "failed;\n"
    "2 if the command line is wrong.\n";

int fail(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fputs("weft: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_FAILED;
}

static int misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int misuse(const char *format, ...)
{
    va_list args;
    fputs("weft: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" (weft --help)\n", stderr);
    return EXIT_MISUSE;
}

/* For programs it is as it came. To a terminal some characters are commands, of which JSON escapes not all. */
int print_json(const json_t *json)
{
    size_t flags = JSON_INDENT(2) | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
    if (json_dumpf(json, stdout, flags) < 0)
        return fail("cannot write: %s", strerror(errno));
    putchar('\n');
    return EXIT_OK;
}

/* ---- Commands ---- */

static int ask_and_show(const struct command_line *line, const char *request,
                        void (*show)(const json_t *answer))
{
    char error[512];
    json_t *answer = weft_client_ask(line->pid, request, error, sizeof(error));
    if (!answer)
        return fail("%s", error);
    int status = EXIT_OK;
    if (line->as_json || !show)
        status = print_json(answer);
    else
        show(answer);
    json_decref(answer);
    return status;
}

static int run_ps(const struct command_line *line)
{
    return ask_and_show(line, "ps", show_ps);
}

static int run_pstree(const struct command_line *line)
{
    return ask_and_show(line, "pstree", show_pstree);
}

static int run_pool(const struct command_line *line)
{
    return ask_and_show(line, "pool", show_pool);
}

static int run_blocked(const struct command_line *line)
{
    return ask_and_show(line, "blocked", show_blocked);
}

static int run_dump(const struct command_line *line)
{
    return ask_and_show(line, "dump", NULL);
}

static int run_top(const struct command_line *line)
{
#ifdef WEFT_HAVE_TOP
    return weft_top(&(struct weft_top_options){
        .pid = line->pid,
        .interval_ms = line->seconds > 0 ? (int)lround(line->seconds * 1000) : 1000,
        .as_json = line->as_json,
        .ascii = line->ascii});
#else
    (void)line;
    return fail("this weft was built without top: ncurses was not found (Debian: libncurses-dev)");
#endif
}

enum takes {
    NO_PROCESS = 1,
    ARGUMENTS = 2, /* behind the process */
    SECONDS = 4,
    TRACING = 8
};

static const struct command {
    const char *name;
    int (*run)(const struct command_line *line);
    int takes; /* enum takes */
} commands[] = {
    {"list", run_list, NO_PROCESS},
    {"ps", run_ps, 0},
    {"pstree", run_pstree, 0},
    {"pool", run_pool, 0},
    {"top", run_top, SECONDS},
    {"blocked", run_blocked, 0},
    {"trace", run_trace, SECONDS | TRACING},
    {"dump", run_dump, 0},
    {"cancel", run_cancel, ARGUMENTS},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* ---- The command line ---- */

enum { ASCII = 256, VERSION, LONG_SECONDS, START, STOP };

static bool read_seconds(const char *text, double *ret)
{
    char *end;
    *ret = strtod(text, &end);
    return *text && !*end && *ret >= 0.001 && *ret <= 86400;
}

static int show_version(void)
{
    puts("weft " WEFT_VERSION);
    return EXIT_OK;
}

static int show_help(void)
{
    fputs(help, stdout);
    return EXIT_OK;
}

/* -1: go on. */
static int take_option(struct command_line *line, int option)
{
    switch (option) {
    case 'j':
        line->as_json = true;
        return -1;
    case 'l':
        text_look.whole_paths = true;
        return -1;
    case 'o':
        line->output = optarg;
        return -1;
    case ASCII:
        line->ascii = true;
        return -1;
    case START:
        line->start = true;
        return -1;
    case STOP:
        line->stop = true;
        return -1;
    case LONG_SECONDS:
        return read_seconds(optarg, &line->seconds) ? -1
                                                    : misuse("not a number of seconds: %s", optarg);
    case 'h':
        return show_help();
    case VERSION:
        return show_version();
    default:
        return EXIT_MISUSE; /* getopt_long() has said why */
    }
}

/* -1: go on; arguments are moved behind the options. */
static int take_options(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"long", no_argument, NULL, 'l'},
        {"ascii", no_argument, NULL, ASCII},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, VERSION},
        {"seconds", required_argument, NULL, LONG_SECONDS},
        {"interval", required_argument, NULL, LONG_SECONDS},
        {"start", no_argument, NULL, START},
        {"stop", no_argument, NULL, STOP},
        {"output", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    int option, status = -1;
    while (status < 0 && (option = getopt_long(argc, argv, "jlho:", options, NULL)) >= 0)
        status = take_option(line, option);
    return status;
}

/* NULL: it is fine. */
static const char *what_is_wrong(const struct command_line *line, const struct command *command,
                                 int count)
{
    bool takes_process = !(command->takes & NO_PROCESS);
    if (line->seconds > 0 && !(command->takes & SECONDS))
        return "takes no time";
    if ((line->start || line->stop || line->output) && !(command->takes & TRACING))
        return "is no trace";
    if (line->start && line->stop)
        return "cannot both start and stop";
    if ((line->start || line->stop) && line->seconds > 0)
        return "takes either --seconds, or --start and later --stop";
    if (takes_process && count == 0)
        return "needs the number of a process, or the program's name";
    if (!(command->takes & ARGUMENTS) && count > takes_process)
        return "takes no more arguments";
    if ((command->takes & ARGUMENTS) && count < 2)
        return "needs a process and a task";
    return NULL;
}

static int run(struct command_line *line, const struct command *command, char **arguments)
{
    char error[512];
    text_begin(line->ascii);
    if (!(command->takes & NO_PROCESS)) {
        line->pid = weft_client_find(arguments[0], error, sizeof(error));
        if (line->pid < 0)
            return fail("%s", error);
        line->arguments = arguments + 1;
    }
    int status = command->run(line);
    if (fflush(stdout) == EOF || ferror(stdout))
        return fail("cannot write: %s", strerror(errno));
    return status;
}

int main(int argc, char **argv)
{
    struct command_line line = {.command = NULL};
    int status = take_options(&line, argc, argv);
    if (status >= 0)
        return status;
    if (optind == argc)
        return misuse("which command?");
    line.command = argv[optind++];
    const struct command *command = find_command(line.command);
    if (!command)
        return misuse("unknown command: %s", line.command);
    line.count = argc - optind - 1;
    const char *wrong = what_is_wrong(&line, command, argc - optind);
    if (wrong)
        return misuse("%s %s", line.command, wrong);
    return run(&line, command, argv + optind);
}
