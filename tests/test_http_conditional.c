/* SPDX-License-Identifier: MIT */
/* Dates, conditions and ranges of HTTP: texts in, decisions out. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net/http/files/conditional.h"
#include "net/http/parser/date.h"

TestSuite(http_conditional, .timeout = 20);

#define NOW 1795255200 /* in November 2026 */

/* ---- Dates ---- */

static int64_t read_date(const char *text)
{
    int64_t seconds = -1;
    return weft__http_parse_date(text, NOW, &seconds) ? seconds : -1;
}

Test(http_conditional, a_date_is_read_in_all_three_forms)
{
    cr_assert_eq(read_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    cr_assert_eq(read_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    cr_assert_eq(read_date("Sun Nov  6 08:49:37 1994"), 784111777);
    cr_assert_eq(read_date("Wed Nov 16 08:49:37 1994"), 784111777 + 10 * 86400);
    cr_assert_eq(read_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    cr_assert_eq(read_date("Thu, 29 Feb 2024 23:59:60 GMT"), 1709251200);
}

Test(http_conditional, a_year_of_two_digits_is_at_most_fifty_years_ahead)
{
    int64_t ahead = read_date("Friday, 06-Nov-76 08:49:37 GMT");
    int64_t past = read_date("Friday, 06-Nov-77 08:49:37 GMT");
    cr_assert_gt(ahead, NOW, "2076");
    cr_assert_lt(past, NOW, "1977");
    cr_assert_eq(read_date("Saturday, 01-Jan-00 00:00:00 GMT"), 946684800);
}

Test(http_conditional, what_is_no_date_is_refused)
{
    static const char *const bad[] = {
        "",
        "S",
        "Sun",
        "Sun,",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 29 Feb 2023 00:00:00 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "784111777",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(read_date(bad[i]), -1, "%s", bad[i]);
}

/* As the C library has it, every few days from 1900 to 2200; and back. */
Test(http_conditional, dates_are_written_as_the_c_library_has_them)
{
    for (int64_t at = -2208988800; at < 7258118400; at += 86400 * 5 + 3727) {
        char text[WEFT__HTTP_DATE], expected[64];
        time_t seconds = (time_t)at;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        weft__http_format_date(at, text);
        cr_assert_str_eq(text, expected);
        int64_t back;
        cr_assert(weft__http_parse_date(text, NOW, &back));
        cr_assert_eq(back, at);
    }
}

/* ---- Conditions ---- */

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct weft__http_version strong = {"\"a-1\"", 784111777, 1000};
static const struct weft__http_version weak = {"W/\"a-1\"", 784111777, 1000};
static struct weft__http_ranges found;

static int judge(const struct weft__http_version *version, struct weft__http_conditions asked)
{
    asked.now = NOW;
    return weft__http_judge(&asked, version, &found);
}

#define JUDGE(version, ...) judge(&(version), (struct weft__http_conditions){__VA_ARGS__})

Test(http_conditional, without_conditions_all_of_it_is_sent)
{
    cr_assert_eq(JUDGE(strong, .is_get = true), 200);
    cr_assert_eq(found.at[0].first, 0);
    cr_assert_eq(found.at[0].len, 1000);
}

Test(http_conditional, a_tag_that_is_known_says_that_nothing_is_new)
{
    static const char *const known[] = {"\"a-1\"",
                                        "W/\"a-1\"",
                                        "*",
                                        "\"x\", \"a-1\"",
                                        "\"x\",W/\"y\" , \"a-1\",\"z\"",
                                        ",\"a-1\"",
                                        "\"a,b\" , \"a-1\"",
                                        "  \"a-1\""};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        cr_assert_eq(JUDGE(strong, .if_none_match = known[i]), 304, "%s", known[i]);
        cr_assert_eq(JUDGE(weak, .if_none_match = known[i]), 304, "%s", known[i]);
    }
    static const char *const others[] = {"\"a-2\"",   "a-1",  "\"a-1",         "\"a-11\"", "",
                                         "w/\"a-1\"", "\"\"", "\"x\" \"a-1\"", "** "};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        cr_assert_eq(JUDGE(strong, .if_none_match = others[i]), 200, "%s", others[i]);
}

Test(http_conditional, a_tag_goes_before_a_date)
{
    cr_assert_eq(JUDGE(strong, .if_none_match = "\"x\"", .if_modified_since = AFTER), 200);
    cr_assert_eq(JUDGE(strong, .if_none_match = "\"a-1\"", .if_modified_since = BEFORE), 304);
    cr_assert_eq(JUDGE(strong, .if_match = "\"a-1\"", .if_unmodified_since = BEFORE), 200);
    cr_assert_eq(JUDGE(strong, .if_match = "\"x\"", .if_unmodified_since = AFTER), 412);
}

Test(http_conditional, a_date_says_what_has_changed_since)
{
    cr_assert_eq(JUDGE(strong, .if_modified_since = DATE), 304);
    cr_assert_eq(JUDGE(strong, .if_modified_since = AFTER), 304);
    cr_assert_eq(JUDGE(strong, .if_modified_since = BEFORE), 200);
    cr_assert_eq(JUDGE(strong, .if_modified_since = "nonsense"), 200);
    cr_assert_eq(JUDGE(strong, .if_unmodified_since = DATE), 200);
    cr_assert_eq(JUDGE(strong, .if_unmodified_since = BEFORE), 412);
    cr_assert_eq(JUDGE(strong, .if_unmodified_since = "nonsense"), 200);
}

Test(http_conditional, who_needs_a_certain_one_needs_it_to_the_byte)
{
    cr_assert_eq(JUDGE(strong, .if_match = "\"a-1\""), 200);
    cr_assert_eq(JUDGE(strong, .if_match = "*"), 200);
    cr_assert_eq(JUDGE(strong, .if_match = "\"x\""), 412);
    cr_assert_eq(JUDGE(strong, .if_match = "W/\"a-1\""), 412);
    cr_assert_eq(JUDGE(weak, .if_match = "W/\"a-1\""), 412);
    cr_assert_eq(JUDGE(strong, .if_match = "\"x\"", .if_none_match = "\"a-1\""), 412);
}

/* ---- Ranges ---- */

static int part(const char *range)
{
    return JUDGE(strong, .is_get = true, .range = range);
}

Test(http_conditional, a_range_is_a_part)
{
    static const struct {
        const char *range;
        int64_t first, len;
    } cases[] = {
        {"bytes=0-0", 0, 1},
        {"bytes=0-999", 0, 1000},
        {"bytes=10-19", 10, 10},
        {"bytes=990-", 990, 10},
        {"bytes=999-", 999, 1},
        {"bytes=500-5000", 500, 500},
        {"bytes=-1", 999, 1},
        {"bytes=-1000", 0, 1000},
        {"bytes=-5000", 0, 1000},
        {"bytes=1-99999999999999999999999", 1, 999},
        {"bytes=-99999999999999999999999", 0, 1000},
        {"bytes=0-9223372036854775807", 0, 1000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(part(cases[i].range), 206, "%s", cases[i].range);
        cr_assert_eq(found.at[0].first, cases[i].first, "%s", cases[i].range);
        cr_assert_eq(found.at[0].len, cases[i].len, "%s", cases[i].range);
    }
}

Test(http_conditional, a_range_behind_the_end_is_refused)
{
    cr_assert_eq(part("bytes=1000-"), 416);
    cr_assert_eq(part("bytes=1000-1001"), 416);
    cr_assert_eq(part("bytes=99999999999999999999999-"), 416);
    cr_assert_eq(part("bytes=-0"), 416);
    const struct weft__http_version nothing = {"\"a\"", 0, 0};
    cr_assert_eq(JUDGE(nothing, .is_get = true, .range = "bytes=0-"), 416);
    cr_assert_eq(JUDGE(nothing, .is_get = true, .range = "bytes=-1"), 416);
}

Test(http_conditional, what_is_no_range_is_all_of_it)
{
    static const char *const others[] = {
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5",
        "bytes=5-4",
        "bytes=a-",
        "bytes= 1-2",
        "bytes=1-2 ",
        "bytes=1 -2",
        "bytes=0-0;5-6",
        "bytes=,",
        "lines=1-2",
        "bytes=--1",
        "bytes=1--2",
        "bytes=+1-2",
        "bytes=0x1-2",
        "BYTES=1-2",
        "bytes=,,",
        "bytes=1-2 ,3-2",
        "bytes=1-2,x",
        "bytes=1-2,-",
        "bytes=1-2 3-4",
        "bytes=5000-,x",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cr_assert_eq(part(others[i]), 200, "%s", others[i]);
        cr_assert_eq(found.count, 1);
        cr_assert_eq(found.at[0].len, 1000);
    }
}

/* The parts of 1000 bytes as "first+len first+len". */
static void must_be_parts(const char *range, const char *parts)
{
    char text[600] = "";
    cr_assert_eq(part(range), 206, "%s", range);
    for (size_t i = 0; i < found.count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld+%lld", i ? " " : "",
                 (long long)found.at[i].first, (long long)found.at[i].len);
    cr_assert_str_eq(text, parts, "%s", range);
}

Test(http_conditional, several_ranges_are_parts_in_the_order_that_was_asked_for)
{
    must_be_parts("bytes=0-0,500-509", "0+1 500+10");
    must_be_parts("bytes=500-509, 0-0", "500+10 0+1");
    must_be_parts("bytes=0-9 ,\t200-,, -5000,", "0+1000");
    must_be_parts("bytes=0-9,-10", "0+10 990+10");
    must_be_parts("bytes=,0-9", "0+10");
    must_be_parts("bytes=5000-,0-9,1000-1001,-0", "0+10");
}

Test(http_conditional, ranges_that_overlap_or_are_near_are_one)
{
    must_be_parts("bytes=0-9,5-19", "0+20");
    must_be_parts("bytes=0-9,10-19", "0+20");
    must_be_parts("bytes=0-9,90-99", "0+100");
    must_be_parts("bytes=0-9,91-99", "0+10 91+9");
    must_be_parts("bytes=100-109,0-19", "0+110");
    must_be_parts("bytes=900-999,0-0,400-409,0-899", "0+1000");
    must_be_parts("bytes=0-9,400-409,800-809,100-390", "0+10 100+310 800+10");
    must_be_parts("bytes=400-409,0-9,405-420", "400+21 0+10");
    must_be_parts("bytes=5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5,5-5", "5+1");
}

Test(http_conditional, more_ranges_than_fit_are_all_of_it)
{
    char most[400] = "bytes=0-0", more[500];
    for (int i = 1; i < WEFT__HTTP_MOST_RANGES; i++)
        snprintf(most + strlen(most), sizeof(most) - strlen(most), ",%d-%d", i * 1000, i * 1000);
    const struct weft__http_version large = {"\"a\"", 0, 100000};
    cr_assert_eq(JUDGE(large, .is_get = true, .range = most), 206);
    cr_assert_eq(found.count, WEFT__HTTP_MOST_RANGES);
    snprintf(more, sizeof(more), "%s,90000-90001", most);
    cr_assert_eq(JUDGE(large, .is_get = true, .range = more), 200);
    snprintf(more, sizeof(more), "%s,0-0", most);
    cr_assert_eq(JUDGE(large, .is_get = true, .range = more), 200, "however near");
}

Test(http_conditional, a_range_of_something_else_is_all_of_it)
{
    cr_assert_eq(JUDGE(strong, .is_get = true, .range = "bytes=1-2", .if_range = "\"a-1\""), 206);
    cr_assert_eq(JUDGE(strong, .is_get = true, .range = "bytes=1-2", .if_range = "\"x\""), 200);
    cr_assert_eq(JUDGE(strong, .is_get = true, .range = "bytes=1-2", .if_range = "W/\"a-1\""), 200);
    cr_assert_eq(JUDGE(weak, .is_get = true, .range = "bytes=1-2", .if_range = "W/\"a-1\""), 200);
    cr_assert_eq(JUDGE(strong, .is_get = true, .range = "bytes=1-2", .if_range = DATE), 206);
    cr_assert_eq(JUDGE(strong, .is_get = true, .range = "bytes=1-2", .if_range = AFTER), 200);
    cr_assert_eq(JUDGE(weak, .is_get = true, .range = "bytes=1-2", .if_range = DATE), 200);
    cr_assert_eq(JUDGE(strong, .is_get = true, .range = "bytes=1-2", .if_range = "x"), 200);
    cr_assert_eq(JUDGE(weak, .is_get = true, .range = "bytes=1-2"), 206);
    cr_assert_eq(JUDGE(strong, .is_get = false, .range = "bytes=1-2"), 200, "HEAD has none");
    cr_assert_eq(JUDGE(strong, .is_get = true, .range = "bytes=5000-", .if_none_match = "*"), 304);
}
