/* SPDX-License-Identifier: MIT */
/* What a report on a block looks like. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"

TestSuite(blocked, .timeout = 10);

#define ASSERT_SAYS(text, what) \
    cr_assert_not_null(strstr((text), (what)), "\"%s\" is not in:\n%s", (what), (text))

static struct weft_blocked_report some_report(void)
{
    static const struct weft_blocked_frame frames[] = {
        {.function = "inner", .file = "a.c", .module = "/bin/a", .line = 3, .is_inlined = true},
        {.function = "", .file = "", .module = "/bin/a", .offset = 0x123}};
    return (struct weft_blocked_report){.what = "step",
                                        .task = "say \"hi\"",
                                        .function = "greet",
                                        .lasts = WEFT_S(90),
                                        .frames = frames,
                                        .frame_count = 2,
                                        .left_out = 4};
}

Test(blocked, a_report_is_written_as_snprintf_would)
{
    char text[1024], json[1024], cut[8] = "";
    struct weft_blocked_report report = some_report();
    int len = weft_blocked_write(&report, WEFT_BLOCKED_TEXT, text, sizeof(text));
    cr_assert_eq(len, (int)strlen(text));
    cr_assert_eq(weft_blocked_write(&report, WEFT_BLOCKED_TEXT, NULL, 0), len);
    cr_assert_eq(weft_blocked_write(&report, WEFT_BLOCKED_TEXT, cut, sizeof(cut)), len);
    cr_assert_str_eq(cut, "weft: l");
    ASSERT_SAYS(text, " is blocked, for 90.0 s: task 0 \"say \"hi\"\", in greet(), no await yet\n");
    ASSERT_SAYS(text, "weft:   #0  inner at a.c:3 (inlined)\nweft:   #1  /bin/a+0x123\n");
    ASSERT_SAYS(text, "(4 more since the last report were left out)\n");
    cr_assert_gt(weft_blocked_write(&report, WEFT_BLOCKED_JSON, json, sizeof(json)), 0);
    ASSERT_SAYS(json, "\"task\":\"say \\\"hi\\\"\",");
    ASSERT_SAYS(json,
                "{\"function\":\"inner\",\"at\":\"a.c:3\",\"module\":\"/bin/a\",\"offset\":0,");
}

Test(blocked, what_is_no_report_is_not_written)
{
    char text[64];
    struct weft_blocked_report report = some_report(), empty = {0}, strange = some_report();
    strange.stage = (enum weft_blocked_stage)7;
    cr_assert_eq(weft_blocked_write(NULL, WEFT_BLOCKED_TEXT, text, sizeof(text)), -EINVAL);
    cr_assert_eq(weft_blocked_write(&empty, WEFT_BLOCKED_TEXT, text, sizeof(text)), -EINVAL);
    cr_assert_eq(weft_blocked_write(&strange, WEFT_BLOCKED_TEXT, text, sizeof(text)), -EINVAL);
    cr_assert_eq(weft_blocked_write(&report, WEFT_BLOCKED_TEXT, NULL, 8), -EINVAL);
    cr_assert_eq(weft_blocked_write(&report, (enum weft_blocked_format)5, text, sizeof(text)),
                 -EINVAL);
}

Test(blocked, writing_a_report_without_memory_fails)
{
    struct weft_blocked_report report = some_report();
    size_t n = 0;
    int status;
    weft_test_heap_install();
    do {
        weft_test_heap_fail_at(++n);
        status = weft_blocked_write(&report, WEFT_BLOCKED_JSON, NULL, 0);
        cr_assert(weft_test_heap_failed() ? status == -ENOMEM : status > 0);
    } while (weft_test_heap_failed());
    cr_assert_gt(n, 1);
    cr_assert_eq(weft_test_heap_live(), 0);
}

Test(blocked, names_of_others_end_no_line_and_command_no_terminal)
{
    char text[1024], json[1024];
    struct weft_blocked_frame frame = {
        .function = "\xff", .file = "a\n/b.c", .module = "", .line = 3};
    struct weft_blocked_report report = {.what = "step",
                                         .task = "one\nweft: loop 2\033[2J \xc2\x9b \x7f \xc3\xa4",
                                         .syscall = "read(fd 3: /tmp/\r\n\"x\", 1 bytes)",
                                         .frames = &frame,
                                         .frame_count = 1};
    cr_assert_gt(weft_blocked_write(&report, WEFT_BLOCKED_TEXT, text, sizeof(text)), 0);
    ASSERT_SAYS(text, "\"one?weft: loop 2?[2J \xc2? ? \xc3\xa4\", no await yet\n");
    ASSERT_SAYS(text, "now in read(fd 3: /tmp/??\"x\", 1 bytes)\n");
    ASSERT_SAYS(text, " at a?/b.c:3\n");
    cr_assert_gt(weft_blocked_write(&report, WEFT_BLOCKED_JSON, json, sizeof(json)), 0);
    ASSERT_SAYS(json, "\"task\":\"one\\u000aweft: loop 2\\u001b[2J \\u009b \\u007f \xc3\xa4\",");
    ASSERT_SAYS(json, "\"syscall\":\"read(fd 3: /tmp/\\u000d\\u000a\\\"x\\\", 1 bytes)\",");
    ASSERT_SAYS(json, "{\"function\":\"\\ufffd\",\"at\":\"a\\u000a/b.c:3\",");
}
