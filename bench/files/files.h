/* SPDX-License-Identifier: MIT */
/*
 * What the programs of the workload `files` share: `NAME WORKLOAD PEER ROUNDS`. A file is made in the
 * folder that BENCH_FOLDER names (the current one), and what a call for it costs is told as medians:
 * each is started when the one before is done.
 */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include <fcntl.h>

#include "../common/bench.h"

enum { FILES_BLOCK = 4096, FILES_LINES = 200000 };

static struct {
    const char *workload, *peer;
    char path[4096], other[4200]; /* a second name beside it */
    char block[FILES_BLOCK];
    int rounds, next;
    double *took_us;
    uint64_t began;
} files;

static inline void files_remove(void)
{
    unlink(files.other);
    unlink(files.path);
}

/* Makes a file of lines of 80 bytes, which goes away at the end. */
static inline void files_args(int argc, char **argv)
{
    const char *folder = getenv("BENCH_FOLDER");
    need_args(argc, argv, 3, "ROUNDS");
    files.workload = argv[1];
    files.peer = argv[2];
    files.rounds = atoi(argv[3]);
    files.took_us = (double *)allocate((size_t)files.rounds, sizeof(double));
    snprintf(files.path, sizeof(files.path), "%s/weft-bench-%ld", folder ? folder : ".",
             (long)getpid());
    snprintf(files.other, sizeof(files.other), "%s.other", files.path);
    FILE *out = fopen(files.path, "w");
    if (!out)
        die(files.path);
    atexit(files_remove);
    for (int i = 0; i < FILES_LINES; i++)
        fprintf(out, "%079d\n", i);
    if (fclose(out) != 0)
        die(files.path);
}

static inline void files_begin(void)
{
    files.began = now_ns();
}

static inline void files_end(void)
{
    files.took_us[files.next++] = (double)(now_ns() - files.began) / 1e3;
}

static int files_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints the median of what was done since the last one that was told. */
static inline void files_tell(const char *metric)
{
    qsort(files.took_us, (size_t)files.next, sizeof(double), files_compare);
    emit(files.workload, files.peer, metric, files.took_us[files.next / 2], "us");
    files.next = 0;
}

#endif
