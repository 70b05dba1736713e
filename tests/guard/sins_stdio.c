/* SPDX-License-Identifier: MIT */
/* stdio on a pipe that is empty, or full, and on a terminal at which nobody types. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "tests/guard/sins.h"
#include "tests/guard/stage.h"

static volatile size_t four = 4; /* the compiler does not know it */

static void feed_line(void)
{
    sin_result = write(stage.pipe[1], "1234\n", 5);
}

static void drain_full(void)
{
    stage_drain(stage.full[0]);
}

static FILE *empty_pipe(void)
{
    FILE *stream = fdopen(fcntl(stage.pipe[0], F_DUPFD_CLOEXEC, 0), "r");
    stage_when_blocked(feed_line);
    return stream;
}

/* What was left of the line is taken out. */
static void end_reading(FILE *stream)
{
    fclose(stream);
    stage_drain(stage.pipe[0]);
}

static FILE *full_pipe(void)
{
    stage_fill(stage.full[1]);
    FILE *stream = fdopen(fcntl(stage.full[1], F_DUPFD_CLOEXEC, 0), "w");
    setvbuf(stream, NULL, _IOLBF, 64);
    stage_when_blocked(drain_full);
    return stream;
}

static void end_writing(FILE *stream)
{
    stage_drain(stage.full[0]);
    fclose(stream);
}

static void commit_fgets(void)
{
    char line[16];
    FILE *stream = empty_pipe();
    SIN(sin_result = fgets(line, (int)four, stream) != NULL);
    end_reading(stream);
}

static void commit_fgetc(void)
{
    FILE *stream = empty_pipe();
    SIN_OF(fgetc(stream));
    end_reading(stream);
}

static void commit_getline(void)
{
    char *line = NULL;
    size_t size = 0;
    FILE *stream = empty_pipe();
    SIN_OF(getline(&line, &size, stream));
    free(line);
    end_reading(stream);
}

static void commit_fread(void)
{
    char bytes[8];
    FILE *stream = empty_pipe();
    SIN_OF(fread(bytes, 1, four, stream));
    end_reading(stream);
}

static void commit_fscanf(void)
{
    int number;
    FILE *stream = empty_pipe();
    SIN_OF(fscanf(stream, "%d", &number));
    end_reading(stream);
}

static void type_line(void)
{
    sin_result = write(stage.terminal, "typed\n", 6);
}

static void commit_fgets_of_a_terminal(void)
{
    char line[16], name[64];
    grantpt(stage.terminal);
    unlockpt(stage.terminal);
    if (ptsname_r(stage.terminal, name, sizeof(name)) != 0)
        return;
    FILE *stream = fdopen(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC), "r");
    stage_when_blocked(type_line);
    SIN(sin_result = fgets(line, (int)four, stream) != NULL);
    fclose(stream);
}

/* ---- What begins well, and waits in its midst; for so long that it is slow, from then on ---- */

static void wait_until_there_are(int wanted)
{
    int count = -1;
    while (count != wanted && ioctl(stage.pipe[0], FIONREAD, &count) == 0)
        sched_yield();
    usleep(5000); /* on purpose */
}

/* The first part was taken. */
static void feed_the_rest(void)
{
    wait_until_there_are(0);
    feed_line();
}

static FILE *half_a_line(void)
{
    sin_result = write(stage.pipe[1], "12", 2);
    stage_soon(feed_the_rest);
    return fdopen(fcntl(stage.pipe[0], F_DUPFD_CLOEXEC, 0), "r");
}

static void commit_fgets_of_a_half(void)
{
    char line[16];
    FILE *stream = half_a_line();
    SIN(sin_result = fgets(line, (int)four * 4, stream) != NULL);
    end_reading(stream);
}

static void commit_fread_of_a_half(void)
{
    char read[8];
    FILE *stream = half_a_line();
    SIN_OF(fread(read, 1, four, stream));
    end_reading(stream);
}

enum { ROOM = 65536 };

/* It is full. */
static void take_all(void)
{
    char taken[4096];
    wait_until_there_are(ROOM);
    for (ssize_t left = 2 * ROOM; left > 0;)
        left -= read(stage.pipe[0], taken, sizeof(taken));
}

static void commit_fwrite_of_too_much(void)
{
    FILE *stream = fdopen(fcntl(stage.pipe[1], F_DUPFD_CLOEXEC, 0), "w");
    char *much = calloc(2, ROOM);
    stage_soon(take_all);
    SIN_OF(fwrite(much, 1, (size_t)2 * ROOM, stream));
    end_reading(stream);
    free(much);
}

/* ---- Wide characters ---- */

static void commit_fgetws(void)
{
    wchar_t line[16];
    FILE *stream = empty_pipe();
    SIN(sin_result = fgetws(line, (int)four, stream) != NULL);
    end_reading(stream);
}

static void commit_fgetwc(void)
{
    FILE *stream = empty_pipe();
    SIN_OF(fgetwc(stream));
    end_reading(stream);
}

static void commit_fwscanf(void)
{
    int number;
    FILE *stream = empty_pipe();
    SIN_OF(fwscanf(stream, L"%d", &number));
    end_reading(stream);
}

static void commit_fputws(void)
{
    FILE *stream = full_pipe();
    SIN_OF(fputws(L"line\n", stream));
    end_writing(stream);
}

static void commit_fputwc(void)
{
    FILE *stream = full_pipe();
    SIN_OF(fputwc(L'\n', stream));
    end_writing(stream);
}

static void commit_fwprintf(void)
{
    FILE *stream = full_pipe();
    SIN_OF(fwprintf(stream, L"%zu\n", four));
    end_writing(stream);
}

/* ---- Writing ---- */

static void commit_fprintf(void)
{
    FILE *stream = full_pipe();
    SIN_OF(fprintf(stream, "%zu\n", four));
    end_writing(stream);
}

static void commit_fputs(void)
{
    FILE *stream = full_pipe();
    SIN_OF(fputs("line\n", stream));
    end_writing(stream);
}

static void commit_fputc(void)
{
    FILE *stream = full_pipe();
    SIN_OF(fputc('\n', stream));
    end_writing(stream);
}

static void commit_fwrite(void)
{
    static const char lines[] = "a\nb\n";
    FILE *stream = full_pipe();
    SIN_OF(fwrite(lines, 1, four, stream));
    end_writing(stream);
}

static void commit_fflush(void)
{
    FILE *stream = full_pipe();
    stage_when_blocked(NULL);
    fputs("no line", stream);
    stage_when_blocked(drain_full);
    SIN_OF(fflush(stream));
    end_writing(stream);
}

static void commit_fclose(void)
{
    FILE *stream = full_pipe();
    stage_when_blocked(NULL);
    fputs("no line", stream);
    stage_when_blocked(drain_full);
    SIN_OF(fclose(stream));
    stage_drain(stage.full[0]);
}

static void commit_dprintf(void)
{
    stage_fill(stage.full[1]);
    stage_when_blocked(drain_full);
    SIN_OF(dprintf(stage.full[1], "%zu\n", four));
    stage_drain(stage.full[0]);
}

/* stdout itself, as a pipe. */
static void with_stdout(void (*commit)(void))
{
    int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    fflush(stdout);
    setvbuf(stdout, NULL, _IOLBF, 64);
    stage_fill(stage.full[1]);
    dup2(stage.full[1], STDOUT_FILENO);
    stage_when_blocked(drain_full);
    commit();
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    stage_drain(stage.full[0]);
}

static void print(void)
{
    SIN_OF(printf("%zu\n", four));
}

static void put(void)
{
    SIN_OF(puts("line"));
}

static void commit_printf(void)
{
    with_stdout(print);
}

static void commit_puts(void)
{
    with_stdout(put);
}

const struct sin stdio_sins[] = {
    {"fgets", "pipe:", commit_fgets},
    {"fgetc", "pipe:", commit_fgetc},
    {"getline", "pipe:", commit_getline},
    {"fread", "pipe:", commit_fread},
    {"fscanf", "pipe:", commit_fscanf},
    {"fgets", "/dev/pts", commit_fgets_of_a_terminal},
    {"fprintf", "pipe:", commit_fprintf},
    {"fputs", "pipe:", commit_fputs},
    {"fputc", "pipe:", commit_fputc},
    {"fwrite", "pipe:", commit_fwrite},
    {"fflush", "pipe:", commit_fflush},
    {"fclose", "pipe:", commit_fclose},
    {"dprintf", "pipe:", commit_dprintf},
    {"printf", "pipe:", commit_printf},
    {"puts", "pipe:", commit_puts},
    {"fgets", "pipe:", commit_fgets_of_a_half},
    {"fread", "pipe:", commit_fread_of_a_half},
    {"fwrite", "pipe:", commit_fwrite_of_too_much},
    {"fgetws", "pipe:", commit_fgetws},
    {"fgetwc", "pipe:", commit_fgetwc},
    {"fwscanf", "pipe:", commit_fwscanf},
    {"fputws", "pipe:", commit_fputws},
    {"fputwc", "pipe:", commit_fputwc},
    {"fwprintf", "pipe:", commit_fwprintf},
    {NULL, NULL, NULL},
};
