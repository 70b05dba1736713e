/* SPDX-License-Identifier: MIT */
/* Numbers as `weft top` shows them: short, and at most six columns wide. */
#ifndef WEFT_TOOLS_TOP_TEXT_H
#define WEFT_TOOLS_TOP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOP_NUMBER = 16 };

/** What the terminal can show. */
enum top_letters { TOP_ASCII, TOP_UNICODE };

/** "850us", "1.2ms", "3.4s", "5m07"; "-" for what is not known. Returns `to`. */
const char *top_time(char to[TOP_NUMBER], int64_t ns, enum top_letters letters);

/** "17", "1.2k", "34M"; "-" for what is not known. Returns `to`. */
const char *top_count(char to[TOP_NUMBER], double count);

/** "31%"; "-". Returns `to`. */
const char *top_share(char to[TOP_NUMBER], double share);

/** A bar of so many columns, with blanks where it is not filled. Returns `to`. */
const char *top_bar(char *to, size_t size, double share, int columns, enum top_letters letters);

#endif
