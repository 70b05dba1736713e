/* SPDX-License-Identifier: MIT */
/* The same with weft_sqlite. */
#include <stdio.h>
#include <weft/sqlite.h>
#include <weft/weft.h>

struct consumer {
    WEFT_FRAME;
    weft_sqlite *db;
    weft_sqlite_rows *rows;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->db, weft_sqlite_open(":memory:", NULL));
    WEFT_AWAIT_INTO(self->rows, weft_sqlite_fetch_all(self->db, "SELECT 6 * 7"));
    printf("weft %s says %d\n", weft_version(), (int)weft_sqlite_get_int(self->rows, 0, 0));

    WEFT_FINALLY;
    weft_sqlite_rows_free(self->rows);
    weft_sqlite_free(self->db);
    WEFT_END;
}

int main(void)
{
    return weft_run(consumer);
}
