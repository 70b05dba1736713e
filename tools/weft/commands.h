/* SPDX-License-Identifier: MIT */
/* The commands of `weft`: each shows an answer to people, and returns the exit status. See main.c. */
#ifndef WEFT_TOOLS_COMMANDS_H
#define WEFT_TOOLS_COMMANDS_H

#include <jansson.h>
#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_MISUSE = 2 };

/** What was asked for. */
struct command_line {
    const char *command;
    int pid;
    char **arguments; /* behind the PID, up to a NULL */
    int count;
    bool as_json, ascii;
    double seconds;     /* --seconds, --interval; 0: not given */
    const char *output; /* -o; NULL: not given */
    bool start, stop;   /* of a trace */
};

/** Print an answer as JSON. */
int print_json(const json_t *json);

/** On stderr, "weft: …"; returns EXIT_FAILED. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For people, from the answer. */
void show_ps(const json_t *answer);
void show_pstree(const json_t *answer);
void show_pool(const json_t *answer);
void show_blocked(const json_t *answer);

int run_list(const struct command_line *line);
int run_cancel(const struct command_line *line);
int run_trace(const struct command_line *line);

#endif
