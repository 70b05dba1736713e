/* SPDX-License-Identifier: MIT */
#include "tests/support/tree.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/inspect/tree.h"
#include "tests/support/loop.h"

/* Behind the colon, if a name of a test's file begins here. */
static const char *line_of(const char *at)
{
    if (strncmp(at, "test_", 5) != 0)
        return NULL;
    at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
    return strncmp(at, ".c:", 3) == 0 ? at + 3 : NULL;
}

static void normalise(char *text)
{
    char *to = text, *word = text;
    for (const char *at = text; *at;) {
        const char *line = line_of(at);
        if (line) {
            to = stpcpy(word, "HERE");
            at = line + strspn(line, "0123456789");
        } else if (strncmp(at, "0x", 2) == 0) {
            *to++ = '@';
            at += 2 + strspn(at + 2, "0123456789abcdef");
        } else {
            bool is_between = strchr(" \n\"", *at);
            *to++ = *at++;
            word = is_between ? to : word;
        }
    }
    *to = '\0';
}

char *test_tree_text(bool from_outside)
{
    struct weft__tree tree;
    struct weft__text text = {0};
    cr_assert_eq(weft__tree_look(test_loop, from_outside, NULL, &tree), 0);
    weft__tree_print(&tree, &text);
    cr_assert_eq(text.status, 0);
    weft__tree_fini(&tree);
    normalise(text.data);
    char *copy = strdup(strchr(text.data, '\n') + 1);
    weft__text_fini(&text);
    return copy;
}

void test_tree_is(const char *expected)
{
    char *inside = test_tree_text(false), *outside = test_tree_text(true);
    cr_assert_str_eq(inside, expected, "\n%s\nand not\n%s", inside, expected);
    cr_assert_str_eq(outside, expected, "from outside\n%s\nand not\n%s", outside, expected);
    free(inside);
    free(outside);
}

char *test_tree_json(bool from_outside)
{
    struct weft__text text = {0};
    cr_assert_eq(weft__tree_write(test_loop, from_outside, &text), 0);
    normalise(text.data);
    char *copy = strdup(text.data);
    weft__text_fini(&text);
    return copy;
}

void test_tree_has(const char *part)
{
    for (int from_outside = 0; from_outside <= 1; from_outside++) {
        char *text = test_tree_json(from_outside);
        cr_assert_not_null(strstr(text, part), "\n%s\nhas no\n%s", text, part);
        free(text);
    }
}

void test_tree_settle(void)
{
    for (int i = 0; i < 10; i++)
        weft_test_run(weft_sleep(0));
}
