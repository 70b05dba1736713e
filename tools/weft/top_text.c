/* SPDX-License-Identifier: MIT */
#include "tools/weft/top_text.h"

#include <stdio.h>
#include <string.h>

/* Two digits that count, at least. */
static void scaled(char *to, double value, const char *unit)
{
    snprintf(to, TOP_NUMBER, value < 9.95 ? "%.1f%s" : "%.0f%s", value, unit);
}

const char *top_time(char to[TOP_NUMBER], int64_t ns, enum top_letters letters)
{
    double s = (double)ns / 1e9;
    if (ns < 0)
        snprintf(to, TOP_NUMBER, "-");
    else if (ns < 1000)
        snprintf(to, TOP_NUMBER, "%dns", (int)ns);
    else if (s < 999.5e-6)
        scaled(to, s * 1e6, letters == TOP_UNICODE ? "\u00b5s" : "us");
    else if (s < 0.9995)
        scaled(to, s * 1e3, "ms");
    else if (s < 99.5)
        scaled(to, s, "s");
    else if (s < 3600)
        snprintf(to, TOP_NUMBER, "%dm%02d", (int)s / 60, (int)s % 60);
    else if (s < 359999)
        snprintf(to, TOP_NUMBER, "%dh%02d", (int)s / 3600, (int)s / 60 % 60);
    else
        snprintf(to, TOP_NUMBER, "%.0fd", s / 86400);
    return to;
}

const char *top_count(char to[TOP_NUMBER], double count)
{
    if (count < 0)
        snprintf(to, TOP_NUMBER, "-");
    else if (count < 999.5)
        snprintf(to, TOP_NUMBER, count > 0 && count < 9.95 && count != (int)count ? "%.1f" : "%.0f",
                 count);
    else if (count < 999.5e3)
        scaled(to, count / 1e3, "k");
    else if (count < 999.5e6)
        scaled(to, count / 1e6, "M");
    else
        scaled(to, count / 1e9, "G");
    return to;
}

const char *top_share(char to[TOP_NUMBER], double share)
{
    if (share < 0)
        snprintf(to, TOP_NUMBER, "-");
    else
        snprintf(to, TOP_NUMBER, share < 0.0995 && share > 0 ? "%.1f%%" : "%.0f%%", share * 100);
    return to;
}

const char *top_bar(char *to, size_t size, double share, int columns, enum top_letters letters)
{
    static const char *const eighths[] = {" ",      "\u258f", "\u258e", "\u258d", "\u258c",
                                          "\u258b", "\u258a", "\u2589", "\u2588"};
    size_t len = 0;
    int filled = share <= 0 ? 0 : (int)((share > 1 ? 1 : share) * columns * 8 + 0.5);
    to[0] = '\0';
    for (int i = 0; i < columns; i++, filled -= 8) {
        int part = filled >= 8 ? 8 : filled > 0 ? filled : 0;
        const char *cell = letters == TOP_UNICODE ? eighths[part] : part >= 4 ? "#" : " ";
        if (len + strlen(cell) + 1 > size)
            break;
        len += (size_t)snprintf(to + len, size - len, "%s", cell);
    }
    return to;
}
