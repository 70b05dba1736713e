/* SPDX-License-Identifier: MIT */
/*
 * pipeline INPUT OUTPUT: what each sensor measured in each minute. See docs/programs/pipeline.md.
 *
 * The reader starts the parsing of a chunk and puts the job that does it into a bounded queue; the
 * aggregation awaits those jobs in their order. So chunks are parsed side by side, arrive in order,
 * and there are never more of them than the queue holds and two.
 */
#include "pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    MOST_TEXT = 128, /* bytes of a line of the output */
    LATE = WINDOW,   /* how many seconds late a value may come */
    MIB = 1 << 20
};

static const char help[] =
    "pipeline [-j N] [-q] INPUT OUTPUT\n"
    "pipeline [-j N] [-q] --make SIZE OUTPUT\n"
    "Reads lines \"SECONDS SENSOR VALUE\" and writes, for each minute and sensor, how many values\n"
    "there were, and their minimum, mean and maximum.\n"
    "  INPUT, OUTPUT  files; - is standard input or output\n"
    "  --make SIZE    make the input instead of reading it: 500m, 2g\n"
    "  --lines SIZE   write such lines to OUTPUT, and nothing else\n"
    "  -j N           chunks that are parsed at the same time, 1 to 64 (4)\n"
    "  -q             no progress\n";

struct options {
    const char *input, *output; /* NULL: standard input, output */
    uint64_t make;              /* bytes; 0: read the input */
    bool lines, quiet;
    size_t jobs;
};

/* What passes through; the loop's alone. */
struct totals {
    uint64_t bytes, lines, bad, rows;
    uint64_t late; /* values of a minute that was written already */
};

/* ---- Reading ---- */

static void drop_job(void *job)
{
    weft_unref(job);
}

struct read_all {
    WEFT_FRAME;
    struct source *source;
    weft_queue *parsing; /* of futures, in order */
    struct chunk *chunk;
};

static WEFT_ASYNC(read_all)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->chunk, source_next(self->source));
        if (!self->chunk)
            break;
        WEFT_AWAIT(weft_queue_put(self->parsing, weft_value_ptr(parse(self->chunk)), drop_job));
    }
    weft_queue_shutdown(self->parsing, WEFT_QUEUE_DRAIN);
    WEFT_END;
}

/* ---- Aggregating ---- */

static void add_thousandths(char *text, size_t size, int64_t value)
{
    size_t len = strlen(text);
    uint64_t size_of_it = value < 0 ? (uint64_t)-value : (uint64_t)value;
    snprintf(text + len, size - len, ",%s%" PRIu64 ".%03" PRIu64, value < 0 ? "-" : "",
             size_of_it / SCALE, size_of_it % SCALE);
}

/* The rows as lines; the caller's. NULL: out of memory. */
static struct chunk *lines_of(const struct row *rows, size_t count)
{
    struct chunk *text = malloc(sizeof(*text) + count * MOST_TEXT);
    if (!text)
        return NULL;
    text->len = 0;
    for (size_t i = 0; i < count; i++) {
        char line[MOST_TEXT];
        const struct row *row = &rows[i];
        snprintf(line, sizeof(line), "%" PRId64 ",%s,%" PRId64, row->window, row->sensor,
                 row->count);
        add_thousandths(line, sizeof(line), row->min);
        add_thousandths(line, sizeof(line), row->sum / row->count);
        add_thousandths(line, sizeof(line), row->max);
        size_t len = strlen(line);
        line[len++] = '\n';
        memcpy(text->data + text->len, line, len);
        text->len += len;
    }
    return text;
}

/* What is known of the minutes that are not written yet. */
struct minutes {
    struct rows rows;
    int64_t newest, written; /* windows; those before `written` are */
};

static int add_partial(struct minutes *minutes, struct totals *totals,
                       const struct partial *partial)
{
    totals->bytes += partial->bytes;
    totals->lines += partial->lines;
    totals->bad += partial->bad;
    for (size_t i = 0; i < partial->rows.room; i++) {
        const struct row *row = &partial->rows.slots[i];
        if (row->count && row->window < minutes->written)
            totals->late += (uint64_t)row->count;
        else if (row->count && rows_add(&minutes->rows, row) < 0)
            return -ENOMEM;
    }
    if (partial->newest > minutes->newest)
        minutes->newest = partial->newest;
    return 0;
}

/* The lines of the minutes before `window`, which are over; NULL in *ret: there are none. */
static int take_lines(struct minutes *minutes, struct totals *totals, int64_t window,
                      struct chunk **ret)
{
    struct row *rows;
    size_t count;
    *ret = NULL;
    if (window <= minutes->written)
        return 0;
    int status = rows_take_before(&minutes->rows, window, &rows, &count);
    if (status < 0)
        return status;
    minutes->written = window;
    totals->rows += count;
    *ret = count ? lines_of(rows, count) : NULL;
    free(rows);
    return count && !*ret ? -ENOMEM : 0;
}

struct aggregate {
    WEFT_FRAME;
    weft_queue *parsing, *writing;
    struct totals *totals;
    struct minutes minutes;
    weft_future *job;
    struct partial *partial; /* NULL: that was all */
    struct chunk *text;
    bool all; /* nothing more comes */
    int status;
};

/* Add what one job found; the lines that are complete by that are `text`. */
static int aggregate_part(struct aggregate *self)
{
    struct minutes *minutes = &self->minutes;
    if (!self->partial)
        return take_lines(minutes, self->totals, INT64_MAX, &self->text);
    int status = add_partial(minutes, self->totals, self->partial);
    partial_free(self->partial);
    self->partial = NULL;
    if (status < 0)
        return status;
    return take_lines(minutes, self->totals, minutes->newest - LATE, &self->text);
}

static WEFT_ASYNC(aggregate)
{
    WEFT_BEGIN;
    do {
        WEFT_CATCH_INTO(self->status, self->job, weft_queue_get(self->parsing));
        self->all = self->status == WEFT_ECLOSED;
        if (self->status < 0 && !self->all)
            WEFT_FAIL(self->status);
        if (!self->all)
            WEFT_AWAIT_INTO(self->partial, self->job);
        self->status = aggregate_part(self);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        if (self->text)
            WEFT_AWAIT(weft_queue_put(self->writing, weft_value_ptr(self->text), free));
    } while (!self->all);
    weft_queue_shutdown(self->writing, WEFT_QUEUE_DRAIN);

    WEFT_FINALLY;
    partial_free(self->partial);
    rows_fini(&self->minutes.rows);
    WEFT_END;
}

/* ---- Writing ---- */

struct write_all {
    WEFT_FRAME;
    weft_queue *writing;
    weft_file *file;
    struct chunk *text;
    int status;
};

static WEFT_ASYNC(write_all)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->text, weft_queue_get(self->writing));
        if (self->status == WEFT_ECLOSED)
            break;
        if (self->status < 0)
            WEFT_FAIL(self->status);
        WEFT_AWAIT(weft_file_write(self->file, self->text->data, self->text->len));
        free(self->text);
        self->text = NULL;
    }

    WEFT_FINALLY;
    free(self->text);
    WEFT_END;
}

/* --lines: what would be the input is the output. */
struct write_lines {
    WEFT_FRAME;
    struct source *source;
    weft_file *file;
    struct chunk *chunk;
};

static WEFT_ASYNC(write_lines)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->chunk, source_next(self->source));
        if (!self->chunk)
            break;
        WEFT_AWAIT(weft_file_write(self->file, self->chunk->data, self->chunk->len));
        free(self->chunk);
        self->chunk = NULL;
    }

    WEFT_FINALLY;
    free(self->chunk);
    WEFT_END;
}

/* ---- Progress ---- */

struct show_progress {
    WEFT_FRAME;
    const struct totals *totals;
    uint64_t before;
};

static WEFT_ASYNC(show_progress)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
        fprintf(stderr,
                "\r%" PRIu64 " MiB, %" PRIu64 " lines, %" PRIu64 " rows, %" PRIu64 " MiB/s ",
                self->totals->bytes / MIB, self->totals->lines, self->totals->rows,
                (self->totals->bytes - self->before) / MIB);
        self->before = self->totals->bytes;
    }
    WEFT_FINALLY;
    fputc('\n', stderr);
    WEFT_END;
}

static void show_totals(const struct totals *totals)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr,
            "%" PRIu64 " bytes, %" PRIu64 " lines, %" PRIu64 " rows; malformed: %" PRIu64
            ", too late: %" PRIu64 "; most memory: %ld KiB\n",
            totals->bytes, totals->lines, totals->rows, totals->bad, totals->late, usage.ru_maxrss);
}

/* ---- All of it ---- */

struct pipeline {
    WEFT_FRAME;
    const struct options *options;
    weft_file *in, *out;
    struct source *source;
    weft_queue *parsing, *writing;
    weft_scope *scope;
    weft_future *progress;
    struct totals totals;
    char part[4096]; /* where the output grows */
    int status;
};

static int set_up(struct pipeline *self)
{
    const struct options *options = self->options;
    self->source = options->make ? source_new_made(options->make) : source_new(self->in);
    self->parsing = weft_queue_new(&(struct weft_queue_options){.bound = options->jobs});
    self->writing = weft_queue_new(&(struct weft_queue_options){.bound = 2});
    if (!self->source || !self->parsing || !self->writing)
        return -ENOMEM;
    if (!options->quiet)
        self->progress = weft_spawn(show_progress, .totals = &self->totals);
    return 0;
}

static WEFT_ASYNC(pipeline)
{
    const struct options *options = self->options;
    WEFT_BEGIN;
    if (!options->make && options->input)
        WEFT_AWAIT_INTO(self->in, weft_file_open(options->input, O_RDONLY, 0));
    else if (!options->make)
        self->in = weft_file_new(dup(STDIN_FILENO));
    if (options->output) {
        snprintf(self->part, sizeof(self->part), "%s.part", options->output);
        WEFT_AWAIT_INTO(self->out, weft_file_open(self->part, O_WRONLY | O_CREAT | O_TRUNC, 0666));
    } else {
        self->out = weft_file_new(dup(STDOUT_FILENO));
    }
    if ((!options->make && !self->in) || !self->out || set_up(self) < 0)
        WEFT_FAIL(-ENOMEM, "cannot begin");
    self->scope = weft_scope_open(NULL);
    if (options->lines) {
        weft_scope_spawn(self->scope, write_lines, .source = self->source, .file = self->out);
    } else {
        weft_scope_spawn(self->scope, read_all, .source = self->source, .parsing = self->parsing);
        weft_scope_spawn(self->scope, aggregate, .parsing = self->parsing, .writing = self->writing,
                         .totals = &self->totals);
        weft_scope_spawn(self->scope, write_all, .writing = self->writing, .file = self->out);
    }
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_AWAIT(weft_file_close(self->out));
    if (options->output)
        WEFT_AWAIT(weft_path_rename(self->part, options->output));

    WEFT_FINALLY;
    if (self->progress) {
        weft_cancel(self->progress);
        WEFT_CATCH(self->status, self->progress);
    }
    if (!options->lines)
        show_totals(&self->totals);
    weft_queue_unref(self->parsing);
    weft_queue_unref(self->writing);
    source_free(self->source);
    weft_file_unref(self->in);
    weft_file_unref(self->out);
    WEFT_END;
}

/* ---- Options ---- */

/* "64k", "500m", "2g", or bytes; 0: neither. */
static uint64_t size_of(const char *text)
{
    char *end;
    uint64_t size = strtoull(text, &end, 10);
    static const char units[] = "kmg";
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit && end++)
        size <<= 10 * (unit - units + 1);
    return *end || *text == '-' || size > (uint64_t)1 << 50 ? 0 : size;
}

static const char *file_of(const char *text)
{
    return strcmp(text, "-") == 0 ? NULL : text;
}

static bool read_options(char **args, struct options *ret)
{
    const char *files[2] = {0};
    size_t count = 0;
    *ret = (struct options){.jobs = 4};
    for (; *args; args++) {
        if (strcmp(*args, "-q") == 0) {
            ret->quiet = true;
        } else if (strcmp(*args, "-j") == 0 && args[1]) {
            ret->jobs = strtoul(*++args, NULL, 10);
        } else if ((strcmp(*args, "--make") == 0 || strcmp(*args, "--lines") == 0) && args[1]) {
            ret->lines = strcmp(*args, "--lines") == 0;
            ret->make = size_of(*++args);
            if (!ret->make)
                return false;
        } else if ((**args == '-' && (*args)[1]) || count == 2) {
            return false;
        } else {
            files[count++] = *args;
        }
    }
    if (ret->jobs < 1 || ret->jobs > 64 || count != (ret->make ? 1 : 2))
        return false;
    ret->input = ret->make ? NULL : file_of(files[0]);
    ret->output = file_of(files[count - 1]);
    return true;
}

int main(int argc, char **argv)
{
    struct options options;
    if (argc < 2 || !read_options(argv + 1, &options)) {
        fputs(help, stderr);
        return 2;
    }
    return weft_run(pipeline, .options = &options);
}
