/* SPDX-License-Identifier: MIT */
/*
 * Dates, without the C library: gmtime() and strptime() know time zones and languages, and HTTP has
 * neither. Three forms are read, as recipients must; one is written.
 *
 *     Sun, 06 Nov 1994 08:49:37 GMT      what everybody sends
 *     Sunday, 06-Nov-94 08:49:37 GMT     a year of two digits: no more than 50 years ahead
 *     Sun Nov  6 08:49:37 1994           asctime()
 *
 * The name of the day must be one, but need not be that of the date.
 */
#include "net/http/parser/date.h"

#include <stdio.h>
#include <string.h>

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970 of a day of the calendar that never changed; years begin in March. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t day_number, int64_t *ret_year, int *ret_month, int *ret_day)
{
    int64_t shifted = day_number + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = year + era * 400 + (*ret_month <= 2);
}

void weft__http_format_date(int64_t seconds, char text[WEFT__HTTP_DATE])
{
    int64_t day_number = seconds / 86400 - (seconds % 86400 < 0);
    int64_t of_day = seconds - day_number * 86400, year;
    int month, day, weekday = (int)(((day_number + 4) % 7 + 7) % 7);
    date_of(day_number, &year, &month, &day);
    snprintf(text, WEFT__HTTP_DATE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + weekday * 3,
             (unsigned)day % 100, months + (month - 1) * 3, (unsigned)(year % 10000),
             (unsigned)(of_day / 3600) % 100, (unsigned)(of_day / 60 % 60) % 100,
             (unsigned)(of_day % 60) % 100);
}

/* ---- Reading: each takes a piece off the text, or makes it NULL ---- */

static void take_text(const char **at, const char *text)
{
    size_t len = strlen(text);
    if (*at)
        *at = strncmp(*at, text, len) == 0 ? *at + len : NULL;
}

static int take_number(const char **at, int digits)
{
    int number = 0;
    for (int i = 0; *at && i < digits; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            *at = NULL;
        else
            number = number * 10 + (c - '0');
    }
    if (*at)
        *at += digits;
    return number;
}

/* One of several names of three letters; which, from 0. */
static int take_name(const char **at, const char *names)
{
    for (int i = 0; *at && names[3 * i]; i++) {
        if (strncmp(*at, names + (size_t)i * 3, 3) == 0) {
            *at += 3;
            return i;
        }
    }
    *at = NULL;
    return 0;
}

struct date {
    int64_t year;
    int month, day, hour, minute, second;
};

static void take_time(const char **at, struct date *date)
{
    date->hour = take_number(at, 2);
    take_text(at, ":");
    date->minute = take_number(at, 2);
    take_text(at, ":");
    date->second = take_number(at, 2);
}

static const char *take_fixed(const char *at, struct date *date)
{
    take_text(&at, ", ");
    date->day = take_number(&at, 2);
    take_text(&at, " ");
    date->month = take_name(&at, months) + 1;
    take_text(&at, " ");
    date->year = take_number(&at, 4);
    take_text(&at, " ");
    take_time(&at, date);
    take_text(&at, " GMT");
    return at;
}

/* The year of two digits that is nearest to now, and at most 50 years ahead. */
static int64_t whole_year(int64_t year, int64_t now)
{
    char text[WEFT__HTTP_DATE];
    weft__http_format_date(now, text);
    const char *at = text + 12;
    int64_t this_year = take_number(&at, 4);
    year += this_year - this_year % 100;
    if (year > this_year + 50)
        return year - 100;
    return year <= this_year - 50 ? year + 100 : year;
}

static const char *take_old(const char *at, int weekday, int64_t now, struct date *date)
{
    static const char *const rests[] = {"day", "day", "sday", "nesday", "rsday", "day", "urday"};
    take_text(&at, rests[weekday]);
    take_text(&at, ", ");
    date->day = take_number(&at, 2);
    take_text(&at, "-");
    date->month = take_name(&at, months) + 1;
    take_text(&at, "-");
    date->year = whole_year(take_number(&at, 2), now);
    take_text(&at, " ");
    take_time(&at, date);
    take_text(&at, " GMT");
    return at;
}

static const char *take_asctime(const char *at, struct date *date)
{
    take_text(&at, " ");
    date->month = take_name(&at, months) + 1;
    take_text(&at, " ");
    bool short_day = at && *at == ' ';
    if (short_day)
        at++;
    date->day = take_number(&at, short_day ? 1 : 2);
    take_text(&at, " ");
    take_time(&at, date);
    take_text(&at, " ");
    date->year = take_number(&at, 4);
    return at;
}

static bool is_sound(const struct date *date)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (date->year % 4 == 0 && date->year % 100 != 0) || date->year % 400 == 0;
    int length = lengths[date->month - 1] + (leap && date->month == 2);
    return date->day >= 1 && date->day <= length && date->hour <= 23 && date->minute <= 59 &&
           date->second <= 60;
}

bool weft__http_parse_date(const char *text, int64_t now, int64_t *ret)
{
    struct date date = {0};
    const char *at = text;
    int weekday = take_name(&at, days);
    if (!at)
        return false;
    if (*at == ',')
        at = take_fixed(at, &date);
    else if (*at == ' ')
        at = take_asctime(at, &date);
    else
        at = take_old(at, weekday, now, &date);
    if (!at || *at || !is_sound(&date))
        return false;
    *ret = days_of(date.year, date.month, date.day) * 86400 + date.hour * 3600 + date.minute * 60 +
           date.second;
    return true;
}
