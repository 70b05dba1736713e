/* SPDX-License-Identifier: MIT */
/* Text for a terminal: its width, its characters, its colours. See tools/weft/text.c. */
#ifndef WEFT_TOOLS_TEXT_H
#define WEFT_TOOLS_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_ROOM = 1024 };

/** What stdout can show. */
struct text_look {
    bool has_utf8, has_colour;
    int width;        /* columns; 0: as many as it takes */
    bool whole_paths; /* of source files, not only their names */
};

extern struct text_look text_look;

/** Find it out; `ascii`: no other characters, whatever the locale says. */
void text_begin(bool ascii);

enum text_colour { PLAIN, BOLD, DIM, RED, YELLOW, GREEN, CYAN };

/** Print in a colour, if there are any. */
void text_paint(enum text_colour colour, const char *text);

/** Print a line that begins with something bold, and ends at the terminal's edge. */
void text_line(const char *head, enum text_colour colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Copy, with what a terminal would take for something else replaced by '?': control characters, and outside
 * of UTF-8 all that is not ASCII.
 */
void text_clean(char *to, size_t size, const char *from);

/** Columns that a clean text takes. */
int text_columns(const char *text);

/** Shorten a clean text to so many columns, the end being marked. */
void text_cut(char *text, size_t size, int columns);

/** "1.5 s", "12 ms"; of what is less than a nanosecond "0". */
void text_duration(char *to, size_t size, int64_t ns);

/** "3 d 4 h", "2 min 5 s", for hours and days. */
void text_age(char *to, size_t size, int64_t ns);

/** A place "file:line", without its folders unless whole paths are wanted; "-" for NULL. */
const char *text_place(const char *place);

/** Members of an object: a clean text, valid for the next seven calls, "" if there is none; a number, 0 if
 * there is none; is it true? */
const char *text_of(const json_t *object, const char *key);
int64_t number_of(const json_t *object, const char *key);
int64_t number_value(const json_t *value);
int64_t number_sum(int64_t a, int64_t b);
bool is_true(const json_t *object, const char *key);

/* ---- Tables ---- */

enum { MOST_COLUMNS = 12 };

/** Rows are kept until the table is printed, then as wide as it must be, and cut at the terminal's edge. */
struct table {
    const char *const
        *heads; /* one beginning with '>' is of numbers, to the right; NULL: the end */
    char **cells;
    size_t count, room; /* cells */
    bool failed;        /* out of memory */
};

/** Add the next cell, row by row: it is cleaned and copied. */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Print with so many blanks before each row, and forget the rows. */
void table_print(struct table *table, int indent);

#endif
