/* SPDX-License-Identifier: MIT */
/*
 * weft trace PID: record what goes on, and write it to a file for Perfetto or Chrome.
 *
 * The recording is in the process. So with --start it goes on when the command has ended, and --stop, whoever
 * calls it, ends it and takes it. Without either the command does both, with the time between them; Ctrl-C
 * ends it early.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "tools/weft/client.h"
#include "tools/weft/commands.h"
#include "tools/weft/text.h"

/* Ctrl-C does not end the command from now on, but the pause: a descriptor that becomes readable. */
static int keep_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP); /* a recording that nobody takes would go on for ever */
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pause_for(double seconds, int signals)
{
    struct pollfd signal = {.fd = signals, .events = POLLIN};
    double end = now() + seconds, left = seconds;
    while (left > 0 && poll(&signal, 1, (int)(left * 1000) + 1) < 0 && errno == EINTR)
        left = end - now();
}

/* True: it was done; else it was said why not. */
static bool ask(int pid, const char *request)
{
    char error[512];
    json_t *answer = weft_client_ask(pid, request, error, sizeof(error));
    if (!answer)
        fail("%s", error);
    json_decref(answer);
    return answer;
}

static int write_to(const char *name, const char *text, size_t len)
{
    bool to_stdout = strcmp(name, "-") == 0;
    FILE *file = to_stdout ? stdout : fopen(name, "we");
    if (!file)
        return fail("cannot write %s: %s", name, strerror(errno));
    bool is_written = fwrite(text, 1, len, file) == len && fflush(file) == 0;
    int reason = errno;
    if (!to_stdout && fclose(file) == EOF && is_written) {
        reason = errno;
        is_written = false;
    }
    return is_written ? EXIT_OK : fail("cannot write %s: %s", name, strerror(reason));
}

static int take(const struct command_line *line)
{
    char error[512], name[64];
    size_t len;
    char *text = weft_client_ask_raw(line->pid, "trace dump", &len, error, sizeof(error));
    if (!text)
        return fail("%s", error);
    json_t *refusal = len < 1024 ? json_loads(text, 0, NULL) : NULL;
    const char *why = json_string_value(json_object_get(refusal, "error"));
    snprintf(name, sizeof(name), "weft-%d.json", line->pid);
    const char *output = line->output ? line->output : name;
    int status = why ? fail("process %d: %s", line->pid, why) : write_to(output, text, len);
    if (status == EXIT_OK && strcmp(output, "-") != 0)
        printf("%s: %zu bytes, for https://ui.perfetto.dev or chrome://tracing\n", output, len);
    json_decref(refusal);
    free(text);
    return status;
}

int run_trace(const struct command_line *line)
{
    if (line->output && strcmp(line->output, "-") == 0 && isatty(STDOUT_FILENO))
        return fail("a trace is nothing for a terminal: give -o a file, or stdout a pipe");
    if (line->start) {
        if (!ask(line->pid, "trace start"))
            return EXIT_FAILED;
        printf("process %d is traced until: weft trace --stop %d\n", line->pid, line->pid);
        return EXIT_OK;
    }
    if (!line->stop) {
        int signals = keep_signals();
        if (!ask(line->pid, "trace start"))
            return EXIT_FAILED;
        pause_for(line->seconds > 0 ? line->seconds : 5, signals);
    }
    return ask(line->pid, "trace stop") ? take(line) : EXIT_FAILED;
}
