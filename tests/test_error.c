/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <weft/weft.h>

TestSuite(error, .timeout = 20);

Test(error, names_are_the_symbols)
{
    cr_assert_str_eq(weft_error_name(-ECONNREFUSED), "ECONNREFUSED");
    cr_assert_str_eq(weft_error_name(-ECANCELED), "ECANCELED");
    cr_assert_str_eq(weft_error_name(-ETIMEDOUT), "ETIMEDOUT");
    cr_assert_str_eq(weft_error_name(WEFT_EOF), "WEFT_EOF");
    cr_assert_str_eq(weft_error_name(WEFT_EAWAIT), "WEFT_EAWAIT");
}

Test(error, texts_say_it_in_words)
{
    cr_assert_str_eq(weft_strerror(-ECONNREFUSED), "Connection refused");
    cr_assert_str_eq(weft_strerror(WEFT_EOF), "end of stream");
    cr_assert_str_eq(weft_strerror(WEFT_ENOLOOP), "this thread has no loop");
}

Test(error, success_is_ok)
{
    static const int successes[] = {0, 1, 4097, INT_MAX};
    for (int i = 0; i < 4; i++) {
        cr_assert_str_eq(weft_error_name(successes[i]), "OK");
        cr_assert_str_eq(weft_strerror(successes[i]), "success");
    }
}

Test(error, of_no_name_is_unknown)
{
    static const int unknown[] = {-4000, -4095, -4096, -5000, INT_MIN, INT_MIN + 1};
    for (int i = 0; i < 6; i++) {
        cr_assert_str_eq(weft_error_name(unknown[i]), "EUNKNOWN");
        cr_assert_str_eq(weft_strerror(unknown[i]), "unknown error");
    }
}

Test(error, every_code_of_weft_has_its_own_number_name_and_text)
{
    static const struct {
        int number;
        const char *name, *text;
    } all[] = {
#define ROW(name, number, text) {name, #name, text},
        WEFT_ERRORS(ROW)
#undef ROW
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        cr_assert_lt(all[i].number, -4096);
        cr_assert_str_eq(weft_error_name(all[i].number), all[i].name);
        cr_assert_str_eq(weft_strerror(all[i].number), all[i].text);
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(all[i].number, all[j].number);
            cr_assert_str_neq(all[i].text, all[j].text);
        }
    }
}

Test(error, results_of_blocking_functions_are_failures_only_if_negative)
{
    cr_assert_eq(weft_err(-EIO).status, -EIO);
    cr_assert_eq(weft_err(0).status, -EINVAL);
    cr_assert_eq(weft_err(5).status, -EINVAL);
    weft_result result = weft_ok(3);
    cr_assert_eq(result.status, 0);
    cr_assert_eq(result.value.i64, 3);
    cr_assert_null(result.destructor);
}
