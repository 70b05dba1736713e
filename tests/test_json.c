/* SPDX-License-Identifier: MIT */
/* JSON that other programs can read, whatever the names are. */
#include "core/inspect/json.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "tests/support/heap.h"

TestSuite(json, .timeout = 20);

Test(json, puts_commas_between_values_only)
{
    struct weft__text text = {0};
    weft__json_open(&text, NULL, '{');
    weft__json_open(&text, "none", '[');
    weft__json_close(&text, ']');
    weft__json_open(&text, "two", '[');
    weft__json_int(&text, NULL, -1);
    weft__json_open(&text, NULL, '{');
    weft__json_close(&text, '}');
    weft__json_close(&text, ']');
    weft__json_bool(&text, "yes", true);
    weft__json_raw(&text, "raw", "[1]");
    weft__json_close(&text, '}');
    cr_assert_str_eq(text.data, "{\"none\":[],\"two\":[-1,{}],\"yes\":true,\"raw\":[1]}");
    weft__text_fini(&text);
}

Test(json, quotes_what_a_string_must_not_contain)
{
    struct weft__text text = {0};
    weft__json_string(
        &text, NULL,
        "a\"b\\c\n\x7f\xc2\x9b \xc3\xa9\xc2\xa0 \xf0\x9f\xa7\xb5 \xff\xc0\x80 \xed\xa0\x80");
    cr_assert_str_eq(text.data,
                     "\"a\\\"b\\\\c\\u000a\\u007f\\u009b \xc3\xa9\xc2\xa0 \xf0\x9f\xa7\xb5 "
                     "\\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd\"");
    weft__text_fini(&text);
}

Test(json, says_no_text_as_null)
{
    struct weft__text text = {0};
    weft__json_string(&text, NULL, NULL);
    cr_assert_str_eq(text.data, "null");
    weft__text_fini(&text);
}

Test(json, stops_at_its_limit_and_says_so)
{
    struct weft__text text = {.most = 8};
    weft__text_add(&text, "%s", "1234567");
    cr_assert_eq(text.status, 0);
    weft__text_add(&text, "%s", "89");
    cr_assert_eq(text.status, -EMSGSIZE);
    weft__text_add(&text, "%s", "8");
    cr_assert_str_eq(text.data, "1234567");
    weft__text_fini(&text);
}

Test(json, says_that_there_is_no_memory)
{
    struct weft__text text = {0};
    weft_test_heap_install();
    weft_test_heap_fail_at(1);
    weft__text_add(&text, "lost");
    cr_assert_eq(text.status, -ENOMEM);
    cr_assert_null(text.data);
    weft__text_fini(&text);
}
