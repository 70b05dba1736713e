/* SPDX-License-Identifier: MIT */
/* docs/examples/analytics: lines, summaries, windows, what waits to be written; with a clock of the test's. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docs/examples/analytics/analytics.h"

TestSuite(analytics, .timeout = 60);

enum { NOW = 1800000000 };

static uint64_t seed = 1;

static unsigned random_below(unsigned most)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % most;
}

/* ---- Lines ---- */

static const char *parse(const char *line, struct event *ret)
{
    return event_parse(line, strlen(line), ret);
}

Test(analytics, lines_of_both_forms_say_the_same)
{
    static const char *const lines[] = {
        "latency:12.5|ms|#host:web1,route:/a:b|T1800000000",
        "latency:12.5|T1800000000.75|#host:web1,route:/a:b|h",
        "{\"name\":\"latency\",\"value\":12.5,\"host\":\"web1\",\"route\":\"/"
        "a:b\",\"time\":1800000000}",
        "{ \"host\" : \"web1\", \"value\": 1.25e1,\t\"time\":1800000000.5 , "
        "\"name\":\"l\\u0061tency\","
        "\"route\":\"\\/a:b\" } ",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct event event;
        const char *wrong = parse(lines[i], &event);
        cr_assert_null(wrong, "%zu: %s", i, wrong);
        cr_assert_str_eq(event.name, "latency");
        cr_assert_eq(event.value, 12.5);
        cr_assert_eq(event.time, NOW);
        cr_assert_eq(event.tag_count, 2);
        cr_assert_str_eq(event.tags[0], "host:web1");
        cr_assert_str_eq(event.tags[1], "route:/a:b");
    }
}

Test(analytics, what_is_not_said_is_one_event_of_now)
{
    struct event event;
    cr_assert_null(parse("{\"name\":\"signup\"}", &event));
    cr_assert_eq(event.value, 1);
    cr_assert_eq(event.time, NO_TIME);
    cr_assert_eq(event.tag_count, 0);
    cr_assert_null(parse("a:-0.5", &event));
    cr_assert_eq(event.value, -0.5);
    cr_assert_null(parse("\xc2\xa0:1", &event));
    cr_assert_null(parse("{\"name\":\"\\u00e4\\ud83d\\ude00 b\"}", &event));
    cr_assert_str_eq(event.name, "\xc3\xa4\xf0\x9f\x98\x80 b");
}

static const struct {
    const char *line, *wrong;
} bad_lines[] = {
    {"", "a name has 1"},
    {"a", "a line is NAME:VALUE"},
    {":1", "a name has 1"},
    {"a:", "not a number"},
    {"a:x", "not a number"},
    {"a:01", "not a number"},
    {"a:1.", "not a number"},
    {"a:.5", "not a number"},
    {"a:+1", "not a number"},
    {"a:1e", "not a number"},
    {"a:nan", "not a number"},
    {"a:1e101", "beyond"},
    {"a:1e999", "beyond"},
    {"a:1 ", "begins with"},
    {"a:1,b:2", "begins with"},
    {"a:1|", "behind \"|\""},
    {"a:1|s", "behind \"|\""},
    {"a:1|msx", "behind \"|\""},
    {"a:1|c|@0.1", "sampled"},
    {"a:1|#", "KEY:VALUE"},
    {"a:1|#b", "KEY:VALUE"},
    {"a:1|#b:", "a tag's key"},
    {"a:1|#:b", "a tag's key"},
    {"a:1|#b:1,", "KEY:VALUE"},
    {"a:1|#b:1,b:2", "twice"},
    {"a:1|#b:1|#c:1", "twice"},
    {"a:1|#a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1", "more than 8"},
    {"a:1|T", "not a number"},
    {"a:1|T-1", "seconds since 1970"},
    {"a:1|T1e12", "seconds since 1970"},
    {"a\tb:1", "a name has 1"},
    {"a\x7f:1", "a name has 1"},
    {"a\xc2\x80:1", "a name has 1"},
    {"a:1|#b:\xc2\x9f", "a tag's key"},
    {"a\"b:1", "a name has 1"},
    {"\xff:1", "a name has 1"},
    {"\xc0\xaf:1", "a name has 1"},
    {"\xed\xa0\x80:1", "a name has 1"},
    {"\xf4\x90\x80\x80:1", "a name has 1"},
    {"\xe2\x82:1", "a name has 1"},
    {"{}", "no \"name\""},
    {"{", "a string was expected"},
    {"{\"name\"", "a \":\""},
    {"{\"name\":\"a\"", "was expected"},
    {"{\"name\":\"a\",}", "a string was expected"},
    {"{\"name\":\"a\"} x", "behind the object"},
    {"{\"name\":\"a\"}{\"name\":\"a\"}", "behind the object"},
    {"{\"name\":1}", "a string was expected"},
    {"{\"name\":null}", "a string was expected"},
    {"{\"name\":\"\"}", "a name has 1"},
    {"{\"name\":\"a\",\"name\":\"b\"}", "twice"},
    {"{\"name\":\"a\",\"value\":\"1\"}", "not a number"},
    {"{\"name\":\"a\",\"value\":1,\"value\":1}", "twice"},
    {"{\"name\":\"a\",\"time\":-1}", "seconds since 1970"},
    {"{\"name\":\"a\",\"b\":{}}", "a string was expected"},
    {"{\"name\":\"a\",\"b\":[]}", "a string was expected"},
    {"{\"name\":\"a\",\"b\":\"1\",\"b\":\"2\"}", "twice"},
    {"{\"name\":\"a\",\"b\":\"\"}", "a tag's key"},
    {"{\"name\":\"a\\\"\"}", "a name has 1"},
    {"{\"name\":\"a\\n\"}", "a name has 1"},
    {"{\"name\":\"a\\x\"}", "no such escape"},
    {"{\"name\":\"\\ud800\"}", "no such escape"},
    {"{\"name\":\"\\ud800\\u0041\"}", "no such escape"},
    {"{\"name\":\"\\udc00\"}", "no such escape"},
    {"{\"name\":\"\\u12\"}", "no such escape"},
    {"{\"name\":\"\\u0000\"}", "a name has 1"},
    {"{\"name\":\"a\t\"}", "a control character"},
    {"{\"name\":\"a", "does not end"},
    {"{\"name\":\"a\\", "no such escape"},
    {"{name:\"a\"}", "a string was expected"},
};

Test(analytics, lines_that_say_nothing_are_refused_with_the_reason)
{
    struct event event;
    for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
        /* a copy of just its size, so that reading beyond it is found */
        size_t len = strlen(bad_lines[i].line);
        char *line = malloc(len + 1);
        memcpy(line, bad_lines[i].line, len);
        line = realloc(line, len ? len : 1);
        const char *wrong = event_parse(line, len, &event);
        cr_assert(wrong && strstr(wrong, bad_lines[i].wrong), "%s: %s", bad_lines[i].line,
                  wrong ? wrong : "fine");
        free(line);
    }
    cr_assert_not_null(event_parse("{\"name\":\0\"a\"}", 13, &event), "a NUL");
}

Test(analytics, names_and_tags_have_at_most_64_bytes)
{
    struct event event;
    char line[300], text[66];
    for (int len = 64; len <= 65; len++) {
        memset(text, 'x', sizeof(text));
        text[len] = '\0';
        snprintf(line, sizeof(line), "%s:1|#%s:%s", text, text, text);
        cr_assert_eq(parse(line, &event) == NULL, len == 64);
        snprintf(line, sizeof(line), "{\"name\":\"%s\",\"%s\":\"%s\"}", text, text, text);
        cr_assert_eq(parse(line, &event) == NULL, len == 64);
    }
}

/* ---- Summaries ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Each percentile is off by at most a part of what it ought to be. */
static void expect_percentiles(const struct summary *summary, double *values, size_t count,
                               double off)
{
    static const double parts[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 1};
    qsort(values, count, sizeof(*values), compare);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        double rank = ceil(parts[i] * (double)count);
        double exact = values[rank < 1 ? 0 : (size_t)rank - 1];
        double found = summary_percentile(summary, parts[i]);
        cr_assert_leq(fabs(found - exact), off * fabs(exact) + 1e-300, "%g of %zu: %g, not %g",
                      parts[i], count, found, exact);
    }
}

Test(analytics, percentiles_are_near_the_exact_ones)
{
    static double values[10000];
    struct summary summary = {0};
    for (size_t i = 0; i < 10000; i++) {
        values[i] = 1 + random_below(100) + random_below(1000) / 1000.0;
        summary_add(&summary, values[i]);
    }
    expect_percentiles(&summary, values, 10000, 1 / 32.0);
    cr_assert_eq(summary.digest.halved, 0);
    summary_fini(&summary);
}

Test(analytics, values_below_0_have_percentiles_too)
{
    double values[] = {-8, -3, 0, 0, 5, 1e-200};
    struct summary summary = {0};
    for (size_t i = 0; i < 6; i++)
        summary_add(&summary, values[i]);
    cr_assert_eq(summary.min, -8);
    cr_assert_eq(summary.max, 5);
    values[5] = 0; /* too small to be told from it, or nearly */
    expect_percentiles(&summary, values, 6, 1 / 16.0);
    summary_fini(&summary);
}

Test(analytics, digest_has_few_cells_whatever_comes)
{
    static double values[3000];
    struct summary summary = {0};
    for (size_t i = 0; i < 3000; i++) {
        values[i] = ldexp(1 + random_below(1000) / 1000.0, (int)random_below(40) - 20);
        summary_add(&summary, i % 2 ? values[i] : -values[i]);
        values[i] = i % 2 ? values[i] : -values[i];
        cr_assert_leq(summary.digest.len, MOST_CELLS);
    }
    cr_assert_gt(summary.digest.halved, 0);
    expect_percentiles(&summary, values, 3000, 0.5);
    for (int octave = -1070; octave < 330; octave++)
        summary_add(&summary, ldexp(1.5, octave));
    cr_assert_leq(summary.digest.len, MOST_CELLS);
    cr_assert_eq(summary.count, 4400);
    summary_fini(&summary);
}

Test(analytics, sum_of_parts_is_the_whole_in_any_order)
{
    for (int round = 0; round < 50; round++) {
        struct summary whole = {0}, parts[3] = {0}, sum = {0};
        int octaves = 1 + (int)random_below(30); /* so that sums are exact */
        for (int i = 0; i < 600; i++) {
            double value = ldexp(1 + random_below(64) / 64.0, (int)random_below((unsigned)octaves));
            summary_add(&whole, value);
            summary_add(&parts[value > 1e3 ? 0 : 1 + i % 2], value); /* of different resolution */
        }
        for (int i = 0; i < 3; i++)
            summary_merge(&sum, &parts[(i + round) % 3]);
        cr_assert_eq(sum.count, whole.count);
        cr_assert_eq(sum.sum, whole.sum);
        cr_assert_eq(sum.min, whole.min);
        cr_assert_eq(sum.max, whole.max);
        cr_assert_geq(sum.digest.halved, whole.digest.halved);
        for (int percent = 0; percent <= 100 && sum.digest.halved == whole.digest.halved; percent++)
            cr_assert_eq(summary_percentile(&sum, percent / 100.0),
                         summary_percentile(&whole, percent / 100.0));
        for (int i = 0; i < 3; i++)
            summary_fini(&parts[i]);
        summary_fini(&whole);
        summary_fini(&sum);
    }
}

Test(analytics, stored_digest_is_the_same_and_a_damaged_one_does_no_harm)
{
    unsigned char bytes[MOST_DIGEST], again[MOST_DIGEST];
    struct summary summary = {0};
    struct digest loaded = {0};
    for (int i = 0; i < 500; i++)
        summary_add(&summary, (double)(int)random_below(2000) - 500);
    size_t len = digest_store(&summary.digest, bytes);
    cr_assert(digest_load(&loaded, bytes, len));
    cr_assert_eq(digest_store(&loaded, again), len);
    cr_assert_eq(memcmp(bytes, again, len), 0);
    free(loaded.cells);
    for (size_t cut = 0; cut < len; cut++) {
        loaded = (struct digest){0};
        cr_assert_eq(digest_load(&loaded, bytes, cut), cut % 6 == 1);
        free(loaded.cells);
    }
    for (size_t at = 0; at < 8 * len; at++) {
        struct summary damaged = {.count = 1};
        memcpy(again, bytes, len);
        again[at / 8] ^= (unsigned char)(1u << at % 8);
        if (digest_load(&damaged.digest, again, len)) {
            cr_assert(isfinite(summary_percentile(&damaged, 0.5)));
            summary_merge(&damaged, &summary);
        }
        summary_fini(&damaged);
    }
    summary_fini(&summary);
}

/* ---- Windows ---- */

static struct table table;

static void begin(size_t limit, size_t most_parts)
{
    table = (struct table){.limit = limit, .roll_up = 10, .keep = 1000, .most_parts = most_parts};
    cr_assert_eq(table_init(&table), 0);
}

static bool count(const char *name, const char *tag, double value, int64_t time, int64_t now)
{
    struct event event = {.value = value, .time = time, .tag_count = *tag ? 1 : 0};
    snprintf(event.name, sizeof(event.name), "%s", name);
    snprintf(event.tags[0], sizeof(event.tags[0]), "%s", tag);
    cr_assert_null(table_refuses(&table, &event, now));
    return table_count(&table, &event, now);
}

/* All that was counted; the slow way. */
static struct one {
    int64_t time;
    double value;
    int tag;
} all[40000];
static size_t all_count;

static void expect_window(const struct series *series, int tag, int64_t end, int64_t seconds)
{
    static double values[40000];
    struct summary found = {0}, expected = {0};
    for (size_t i = 0; i < all_count; i++) {
        if (all[i].time < end - seconds || all[i].time >= end || (tag >= 0 && all[i].tag != tag))
            continue;
        values[expected.count] = all[i].value;
        summary_add(&expected, all[i].value);
    }
    series_window(series, end, seconds, &found);
    cr_assert_eq(found.count, expected.count, "%d, %d seconds", tag, (int)seconds);
    cr_assert_eq(found.sum, expected.sum);
    if (found.count) {
        cr_assert_eq(found.min, expected.min);
        cr_assert_eq(found.max, expected.max);
        expect_percentiles(&found, values, found.count, 1 / 16.0);
    }
    summary_fini(&found);
    summary_fini(&expected);
}

static void expect_windows(int64_t end)
{
    static const int64_t windows[] = {1, 10, 60};
    for (int tag = -1; tag < 3; tag++) {
        char text[16] = "";
        if (tag >= 0)
            snprintf(text, sizeof(text), "t:%d", tag);
        const struct series *series = table_find(&table, "x", text);
        for (size_t i = 0; series && i < 3; i++)
            expect_window(series, tag, end, windows[i]);
    }
}

Test(analytics, windows_are_exact_at_every_second)
{
    begin(10, 1000);
    for (int64_t now = NOW; now < NOW + 400;) {
        for (unsigned i = random_below(20); i > 0; i--) {
            /* most are of now, some late, some too late for the ring, some of a clock that is ahead */
            static const unsigned late[] = {1, 1, 1, 1, 1, 1, 50, 50, 900};
            unsigned kind = random_below(10);
            int64_t time = kind < 9 ? now - random_below(late[kind]) : now + random_below(11);
            struct one one = {time, 1 + random_below(200), (int)random_below(3)};
            char tag[16];
            snprintf(tag, sizeof(tag), "t:%d", one.tag);
            cr_assert(count("x", tag, one.value, time, now));
            all[all_count++] = one;
        }
        expect_windows(now);
        expect_windows(now + 1);
        now +=
            random_below(20) ? 1 : 1 + random_below(200); /* now and then nothing comes for long */
        expect_windows(now);
    }
    cr_assert_eq(table.events, all_count);
    table_fini(&table);
}

Test(analytics, times_that_cannot_be_are_refused)
{
    begin(10, 1000);
    struct event event = {.name = "x", .time = NOW + AHEAD};
    cr_assert_null(table_refuses(&table, &event, NOW));
    event.time++;
    cr_assert_not_null(table_refuses(&table, &event, NOW));
    event.time = NOW - 1000;
    cr_assert_null(table_refuses(&table, &event, NOW));
    event.time--;
    cr_assert_not_null(table_refuses(&table, &event, NOW));
    table_fini(&table);
}

/* ---- What is to be written ---- */

static struct summary take_all(int64_t *ret_span, size_t *ret_count)
{
    struct summary sum = {0};
    struct part *parts = table_take(&table);
    *ret_span = 0;
    *ret_count = 0;
    for (struct part *part = parts; part; part = part->next, ++*ret_count) {
        summary_merge(&sum, &part->summary);
        *ret_span = *ret_span > part->span ? *ret_span : part->span;
    }
    parts_free(parts);
    cr_assert_eq(table.part_count, 0);
    return sum;
}

Test(analytics, parts_are_one_for_each_series_and_roll_up)
{
    int64_t span;
    size_t parts;
    begin(10, 1000);
    for (int i = 0; i < 100; i++)
        cr_assert(count("x", "", i, NOW + i % 50, NOW + 50));
    cr_assert_eq(table.part_count, 5);
    struct summary sum = take_all(&span, &parts);
    cr_assert_eq(parts, 5);
    cr_assert_eq(span, 10);
    cr_assert_eq(sum.count, 100);
    cr_assert_eq(sum.sum, 4950);
    summary_fini(&sum);
    cr_assert_eq(table.merged, 0);
    cr_assert(count("x", "", 1, NOW, NOW + 50));
    cr_assert_eq(table.part_count, 1, "a new one, since that was taken");
    table_fini(&table);
}

Test(analytics, parts_get_longer_when_too_many_wait_and_nothing_is_lost)
{
    int64_t span;
    size_t parts;
    begin(10, 4);
    for (int i = 0; i < 1000; i++) {
        char name[2] = {(char)('a' + i % 3), 0};
        cr_assert(count(name, "", 1, NOW - random_below(900), NOW));
        cr_assert_leq(table.part_count, 4 + 3);
    }
    cr_assert_gt(table.merged, 0);
    struct summary sum = take_all(&span, &parts);
    cr_assert_eq(sum.count, 1000);
    cr_assert_gt(span, 10);
    summary_fini(&sum);
    table_fini(&table);
}

/* ---- The limit ---- */

Test(analytics, beyond_the_limit_new_series_are_refused_and_known_ones_go_on)
{
    begin(3, 1000);
    cr_assert(count("a", "k:1", 1, NO_TIME, NOW));
    cr_assert(count("a", "k:2", 1, NO_TIME, NOW));
    cr_assert(count("a", "k:3", 1, NO_TIME, NOW), "its name is known");
    cr_assert_eq(table.refused, 1);
    cr_assert(!count("b", "", 1, NO_TIME, NOW));
    cr_assert_eq(table.refused, 2);
    cr_assert_eq(table.count, 3);
    cr_assert_eq(table.events, 3);
    struct series *one = table_find(&table, "a", "k:1");
    parts_free(table_take(&table));
    table_remove(&table, one);
    cr_assert(count("b", "", 1, NO_TIME, NOW), "there is room again");
    cr_assert_null(table_find(&table, "a", "k:1"));
    cr_assert_not_null(table_find(&table, "a", "k:2"));
    cr_assert_null(table_find(&table, "b", "k:2"));
    table_fini(&table);
}

/* ---- JSON ---- */

Test(analytics, texts_and_numbers_are_json)
{
    struct text text = {0};
    text_add_string(&text, "a\"\\\n\xc3\xa4");
    text_add_number(&text, 0.1);
    text_add(&text, " ", 1);
    text_add_number(&text, 1.0 / 3);
    text_add(&text, " ", 1);
    text_add_number(&text, 1e100);
    cr_assert_str_eq(text.data, "\"a\\\"\\\\\\u000a\xc3\xa4\"0.1 0.3333333333333333 1e+100");
    text_fini(&text);
}
