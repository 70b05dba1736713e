/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "tests/support/sqlite.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/sqlite/handle.h"
#include "tests/support/loop.h"

char test_message[512];
int test_status;
static char folder[64];
static sem_t met, let_go;

static void make_stage(void)
{
    snprintf(folder, sizeof(folder), "/tmp/weft-sqlite-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    sem_init(&met, 0, 0);
    sem_init(&let_go, 0, 0);
}

void test_sqlite_begin(void)
{
    weft_test_loop_begin();
    make_stage();
}

void test_sqlite_begin_real(void)
{
    weft_test_loop_begin_real();
    make_stage();
}

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (entry->d_name[0] != '.')
            unlink(test_path(entry->d_name));
    closedir(dir);
    cr_assert_eq(rmdir(folder), 0);
}

void test_sqlite_end(void)
{
    weft_test_loop_end();
    remove_folder();
}

const char *test_path(const char *name)
{
    static char paths[4][384];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static int wait_for(weft_future *future)
{
    test_status = weft_test_run(weft_ref(future));
    const char *message = weft_message(future);
    snprintf(test_message, sizeof(test_message), "%s", message ? message : "");
    return test_status;
}

int64_t test_number(weft_future *future)
{
    int64_t number = wait_for(future);
    if (number == 0)
        number = weft_future_value(future).i64;
    weft_unref(future);
    return number;
}

void *test_pointer(weft_future *future)
{
    weft_value value = {0};
    if (wait_for(future) == 0)
        cr_assert_eq(weft_future_take(future, &value), 0);
    weft_unref(future);
    return value.ptr;
}

weft_sqlite *test_open(const struct weft_sqlite_options *options)
{
    weft_sqlite *db = test_pointer(weft_sqlite_open(test_path("db"), options));
    cr_assert_not_null(db, "%s %s", weft_error_name(test_status), test_message);
    return db;
}

weft_sqlite *test_open_table(const struct weft_sqlite_options *options)
{
    weft_sqlite *db = test_open(options);
    int64_t status = test_number(
        weft_sqlite_script(db, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v)"));
    cr_assert_eq(status, 0, "%s", test_message);
    return db;
}

int64_t test_ask(weft_sqlite *db, const char *sql)
{
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch_all(db, sql));
    cr_assert_not_null(rows, "%s %s", weft_error_name(test_status), test_message);
    cr_assert_eq(weft_sqlite_row_count(rows), 1);
    int64_t number = weft_sqlite_get_int(rows, 0, 0);
    weft_sqlite_rows_free(rows);
    return number;
}

static void sql_tell(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    (void)values;
    sem_post(&met);
    sqlite3_result_int(context, 1);
}

static void sql_meet(sqlite3_context *context, int count, sqlite3_value **values)
{
    sql_tell(context, count, values);
    sem_wait(&let_go);
}

void test_add_functions(weft_sqlite *db)
{
    sqlite3 *handle = db->db->handle;
    cr_assert_eq(
        sqlite3_create_function(handle, "tell", 0, SQLITE_UTF8, NULL, sql_tell, NULL, NULL),
        SQLITE_OK);
    cr_assert_eq(
        sqlite3_create_function(handle, "meet", 0, SQLITE_UTF8, NULL, sql_meet, NULL, NULL),
        SQLITE_OK);
}

void test_wait_met(void)
{
    cr_assert_eq(sem_wait(&met), 0);
}

bool test_try_met(void)
{
    return sem_trywait(&met) == 0;
}

void test_let_go(void)
{
    sem_post(&let_go);
}

static int tell_and_wait(void *db, int times)
{
    if (times == 0)
        sem_post(&met);
    return weft__sqlite_db_wait(db, times);
}

void test_tell_when_busy(weft_sqlite *db)
{
    sqlite3_busy_handler(db->db->handle, tell_and_wait, db->db);
}
