/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

#include "tests/support/loop.h"
#include "tests/support/sqlite.h"

TestSuite(sqlite_backup, .init = test_sqlite_begin, .timeout = 60);

enum { ROWS = 300 };

static weft_sqlite *open_filled(void)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_sqlite_exec(
                     db,
                     "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?)"
                     " INSERT INTO t(id, v) SELECT x, zeroblob(1000) FROM c",
                     weft_sqlite_int(ROWS))),
                 ROWS);
    return db;
}

static int64_t rows_in(const char *name)
{
    weft_sqlite *db = test_pointer(weft_sqlite_open(test_path(name), NULL));
    cr_assert_not_null(db, "%s", test_message);
    int64_t rows = test_ask(db, "SELECT count(*) FROM t");
    weft_sqlite_free(db);
    return rows;
}

struct steps {
    int count;
    int64_t done, all;
    weft_future *cancels; /* at the second step */
    weft_sqlite *db;      /* to use in between */
};

static void note(void *arg, int64_t done, int64_t all)
{
    struct steps *steps = arg;
    cr_assert_eq(weft_loop_current(), test_loop);
    cr_assert_geq(done, steps->done);
    steps->done = done;
    steps->all = all;
    if (++steps->count == 2 && steps->cancels)
        weft_cancel(steps->cancels);
    if (steps->db && steps->count == 2)
        weft_unref(weft_sqlite_exec(steps->db, "INSERT INTO t(v) VALUES ('late')"));
}

Test(sqlite_backup, a_copy_is_made_in_steps_and_says_how_far_it_is)
{
    weft_sqlite *db = open_filled();
    struct steps steps = {0};
    int64_t pages = test_number(weft_sqlite_backup(
        db, test_path("copy"),
        &(struct weft_sqlite_backup_options){
            .pages = 10, .between = WEFT_MS(1), .progress = note, .arg = &steps}));
    cr_assert_gt(pages, 70, "%s", test_message);
    cr_assert_eq(steps.all, pages);
    cr_assert_eq(steps.done, pages);
    cr_assert_eq(steps.count, (pages + 9) / 10);
    weft_sqlite_free(db);
    cr_assert_eq(rows_in("copy"), ROWS);
    test_sqlite_end();
}

Test(sqlite_backup, what_the_connection_changes_meanwhile_is_copied_too)
{
    weft_sqlite *db = open_filled();
    struct steps steps = {.db = db};
    cr_assert_gt(test_number(weft_sqlite_backup(db, test_path("copy"),
                                                &(struct weft_sqlite_backup_options){
                                                    .pages = 10, .progress = note, .arg = &steps})),
                 0, "%s", test_message);
    weft_sqlite_free(db);
    cr_assert_eq(rows_in("copy"), ROWS + 1);
    test_sqlite_end();
}

Test(sqlite_backup, a_file_that_is_there_is_replaced)
{
    weft_sqlite *db = open_filled();
    weft_sqlite *copy = test_pointer(weft_sqlite_open(test_path("copy"), NULL));
    cr_assert_eq(test_number(weft_sqlite_exec(copy, "CREATE TABLE old(x)")), 0);
    weft_sqlite_free(copy);
    cr_assert_gt(test_number(weft_sqlite_backup(db, test_path("copy"), NULL)), 0);
    weft_sqlite_free(db);
    cr_assert_eq(rows_in("copy"), ROWS);
    test_sqlite_end();
}

static int cancelled_backup(weft_sqlite *db)
{
    struct steps steps = {0};
    struct weft_sqlite_backup_options options = {.pages = 10, .progress = note, .arg = &steps};
    weft_future *backup = weft_sqlite_backup(db, test_path("copy"), &options);
    steps.cancels = backup;
    return (int)test_number(backup);
}

Test(sqlite_backup, one_that_is_cancelled_leaves_no_file)
{
    weft_sqlite *db = open_filled();
    cr_assert_eq(cancelled_backup(db), -ECANCELED);
    cr_assert_neq(access(test_path("copy"), F_OK), 0);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), ROWS);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_backup, one_that_is_cancelled_leaves_the_file_as_it_was)
{
    weft_sqlite *db = open_filled();
    cr_assert_gt(test_number(weft_sqlite_backup(db, test_path("copy"), NULL)), 0);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "DELETE FROM t")), ROWS);
    cr_assert_eq(cancelled_backup(db), -ECANCELED);
    weft_sqlite_free(db);
    cr_assert_eq(rows_in("copy"), ROWS);
    test_sqlite_end();
}

Test(sqlite_backup, one_whose_connection_closes_leaves_no_file)
{
    weft_sqlite *db = open_filled();
    struct steps steps = {0};
    weft_future *backup =
        weft_sqlite_backup(db, test_path("copy"),
                           &(struct weft_sqlite_backup_options){
                               .pages = 1, .between = WEFT_MS(1), .progress = note, .arg = &steps});
    while (steps.count < 3)
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    weft_sqlite_free(db);
    cr_assert_eq(test_number(backup), WEFT_ECLOSED);
    cr_assert_neq(access(test_path("copy"), F_OK), 0);
    test_sqlite_end();
}

Test(sqlite_backup, what_cannot_be_written_to_says_so)
{
    weft_sqlite *db = open_filled();
    cr_assert_eq(test_number(weft_sqlite_backup(db, test_path("none/copy"), NULL)), -ENOENT);
    cr_assert_eq(test_number(weft_sqlite_backup(db, NULL, NULL)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_backup(db, test_path("copy"),
                                                &(struct weft_sqlite_backup_options){.size = 1})),
                 -EINVAL);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_backup, a_file_that_another_has_locked_is_ebusy)
{
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.busy_timeout = -1});
    weft_sqlite *copy = test_pointer(weft_sqlite_open(test_path("copy"), NULL));
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(copy, WEFT_SQLITE_EXCLUSIVE));
    cr_assert_eq(test_number(weft_sqlite_backup(db, test_path("copy"), NULL)), -EBUSY);
    cr_assert_str_eq(test_message, "database is locked (SQLite 5)");
    cr_assert_eq(access(test_path("copy"), F_OK), 0);
    weft_sqlite_free(tx);
    weft_sqlite_free(copy);
    weft_sqlite_free(db);
    test_sqlite_end();
}
