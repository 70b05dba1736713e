/* SPDX-License-Identifier: MIT */
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/pool.h>

struct gate test_call_gate;
static struct weft__sys real;
static char folder[64];

void test_files_begin(void)
{
    real = weft__sys;
    snprintf(folder, sizeof(folder), "/tmp/weft-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    weft_test_loop_begin();
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 4});
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
}

static void remove_all(const char *path)
{
    struct dirent *entry;
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    while ((entry = readdir(dir))) {
        char name[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) < 0 && rmdir(name) < 0)
            remove_all(name);
    }
    closedir(dir);
    cr_assert_eq(rmdir(path), 0);
}

void test_files_end(void)
{
    weft_test_loop_end();
    remove_all(folder);
}

const char *test_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

char *test_content(const char *name)
{
    FILE *file = fopen(test_path(name), "r");
    if (!file)
        return NULL;
    char *content = calloc(1, 1 << 20);
    size_t len = fread(content, 1, (1 << 20) - 1, file);
    content[len] = 0;
    fclose(file);
    return content;
}

void test_make(const char *name, const char *content)
{
    FILE *file = fopen(test_path(name), "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(content, file), 0);
    cr_assert_eq(fclose(file), 0);
}

size_t test_count_entries(void)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

int64_t test_number(weft_future *future)
{
    int status = weft_test_run(weft_ref(future));
    int64_t number = status < 0 ? status : weft_future_value(future).i64;
    weft_unref(future);
    return number;
}

void *test_pointer(weft_future *future)
{
    weft_value value = {0};
    int status = weft_test_run(weft_ref(future));
    cr_assert_eq(status, 0, "%s", weft_message(future) ? weft_message(future) : "no message");
    cr_assert_eq(weft_future_take(future, &value), 0);
    weft_unref(future);
    return value.ptr;
}

bool test_fails(weft_future *future, int status, const char *message)
{
    int is = weft_test_run(weft_ref(future));
    const char *says = weft_message(future);
    bool same = is == status && strcmp(says ? says : "", message) == 0;
    if (!same)
        fprintf(stderr, "failed with %d: %s\n", is, says ? says : "(no message)");
    weft_unref(future);
    return same;
}

weft_file *test_open(const char *name, int flags)
{
    return test_pointer(weft_file_open(test_path(name), flags, 0644));
}

/* ---- Gates ---- */

static ssize_t gated_writev(int fd, const struct iovec *pieces, int count)
{
    gate_pass(&test_call_gate);
    return real.writev(fd, pieces, count);
}

static int gated_open(const char *path, int flags, mode_t mode)
{
    gate_pass(&test_call_gate);
    return real.open(path, flags, mode);
}

void test_gate_writes(void)
{
    gate_init(&test_call_gate);
    weft__sys.writev = gated_writev;
}

void test_gate_opens(void)
{
    gate_init(&test_call_gate);
    weft__sys.open = gated_open;
}
