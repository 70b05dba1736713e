/* SPDX-License-Identifier: MIT */
/*
 * Rows: what a query gave, in one block of memory.
 *
 *     head | names of the columns, row 0, row 1, … → |  room  | ← bytes of texts and blobs
 *
 * The cells grow from the front and the bytes from the back, so that one limit holds for both. When
 * the block grows, the bytes move to its new end. Until the rows are finished a text or blob is
 * known by its distance from the end, which stays the same; then that becomes a pointer.
 */
#include "pool/sqlite/rows.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/companion.h"

enum { FIRST_SIZE = 2048 };

/* While rows are added, as.i64 of a text or blob is its distance from the end of the block. */
struct weft_sqlite_rows {
    size_t count, columns;
    size_t size;                      /* of the block */
    size_t tail;                      /* how many bytes at its end are used */
    struct weft_sqlite_value cells[]; /* first the names of the columns, then the rows */
};

static size_t head_size(const weft_sqlite_rows *rows, size_t count)
{
    return sizeof(*rows) + (count + 1) * rows->columns * sizeof(rows->cells[0]);
}

/* Room for `size` bytes in all. Half as much again at a time, but not for nothing beyond `limit`. */
static int reserve(weft_sqlite_rows **rows, size_t size, size_t limit)
{
    size_t old = (*rows)->size, more = old + old / 2;
    if (size <= old)
        return 0;
    more = more < limit ? more : limit;
    more = more > size ? more : size;
    weft_sqlite_rows *grown = weft__companion_realloc(*rows, more);
    if (!grown)
        return -ENOMEM;
    memmove((char *)grown + more - grown->tail, (char *)grown + old - grown->tail, grown->tail);
    grown->size = more;
    *rows = grown;
    return 0;
}

/* Copy bytes to the end, and a NUL behind them; there is room. */
static void put(weft_sqlite_rows *rows, struct weft_sqlite_value *cell, const void *data,
                size_t len)
{
    rows->tail += len + 1;
    char *to = (char *)rows + rows->size - rows->tail;
    if (len > 0)
        memcpy(to, data, len);
    to[len] = '\0';
    cell->len = len;
    cell->as.i64 = (int64_t)rows->tail;
}

static int add_name(weft_sqlite_rows **rows, sqlite3_stmt *stmt, size_t column)
{
    const char *name = sqlite3_column_name(stmt, (int)column);
    size_t len = name ? strlen(name) : 0;
    if (!name || reserve(rows, head_size(*rows, 0) + (*rows)->tail + len + 1, 0) < 0)
        return -ENOMEM;
    (*rows)->cells[column] = (struct weft_sqlite_value){.type = WEFT_SQLITE_TEXT};
    put(*rows, &(*rows)->cells[column], name, len);
    return 0;
}

weft_sqlite_rows *weft__sqlite_rows_new(sqlite3_stmt *stmt)
{
    size_t columns = (size_t)sqlite3_column_count(stmt);
    size_t size =
        sizeof(weft_sqlite_rows) + columns * sizeof(struct weft_sqlite_value) + FIRST_SIZE;
    weft_sqlite_rows *rows = weft__companion_malloc(size);
    if (!rows)
        return NULL;
    *rows = (struct weft_sqlite_rows){.columns = columns, .size = size};
    for (size_t i = 0; i < columns; i++) {
        if (add_name(&rows, stmt, i) == 0)
            continue;
        weft__companion_free(rows);
        return NULL;
    }
    return rows;
}

/* What stands in a column; a text or blob is SQLite's, until the next step. */
static int read_cell(sqlite3_stmt *stmt, int column, struct weft_sqlite_value *ret)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        *ret = weft_sqlite_int(sqlite3_column_int64(stmt, column));
        return 0;
    case SQLITE_FLOAT:
        *ret = weft_sqlite_real(sqlite3_column_double(stmt, column));
        return 0;
    case SQLITE_TEXT:
        ret->type = WEFT_SQLITE_TEXT;
        ret->as.ptr = sqlite3_column_text(stmt, column);
        break;
    case SQLITE_BLOB:
        ret->type = WEFT_SQLITE_BLOB;
        ret->as.ptr = sqlite3_column_blob(stmt, column);
        break;
    default:
        *ret = weft_sqlite_null();
        return 0;
    }
    ret->name = NULL;
    ret->len = (size_t)sqlite3_column_bytes(stmt, column);
    return ret->as.ptr || (ret->type == WEFT_SQLITE_BLOB && ret->len == 0) ? 0 : -ENOMEM;
}

static bool has_bytes(const struct weft_sqlite_value *cell)
{
    return cell->type == WEFT_SQLITE_TEXT || cell->type == WEFT_SQLITE_BLOB;
}

int weft__sqlite_rows_add(weft_sqlite_rows **rows, sqlite3_stmt *stmt, size_t limit)
{
    size_t columns = (*rows)->columns;
    size_t size = head_size(*rows, (*rows)->count + 1) + (*rows)->tail;
    struct weft_sqlite_value cell;
    for (size_t i = 0; i < columns; i++) {
        if (read_cell(stmt, (int)i, &cell) < 0)
            return -ENOMEM;
        size += has_bytes(&cell) ? cell.len + 1 : 0;
    }
    if (size > limit)
        return 0;
    if (reserve(rows, size, limit) < 0)
        return -ENOMEM;
    struct weft_sqlite_value *row = &(*rows)->cells[((*rows)->count + 1) * columns];
    for (size_t i = 0; i < columns; i++) {
        if (read_cell(stmt, (int)i, &row[i]) < 0)
            return -ENOMEM;
        if (has_bytes(&row[i]))
            put(*rows, &row[i], row[i].as.ptr, row[i].len);
    }
    (*rows)->count++;
    return 1;
}

void weft__sqlite_rows_finish(weft_sqlite_rows *rows)
{
    size_t cells = (rows->count + 1) * rows->columns;
    for (size_t i = 0; i < cells; i++)
        if (has_bytes(&rows->cells[i]))
            rows->cells[i].as.ptr = (char *)rows + rows->size - rows->cells[i].as.i64;
}

void weft__sqlite_rows_destroy(void *rows)
{
    weft__companion_free(rows);
}

/* ---- What users call ---- */

void weft_sqlite_rows_free(weft_sqlite_rows *rows)
{
    weft__sqlite_rows_destroy(rows);
}

size_t weft_sqlite_row_count(const weft_sqlite_rows *rows)
{
    return rows ? rows->count : 0;
}

size_t weft_sqlite_column_count(const weft_sqlite_rows *rows)
{
    return rows ? rows->columns : 0;
}

const char *weft_sqlite_column_name(const weft_sqlite_rows *rows, size_t column)
{
    return rows && column < rows->columns ? rows->cells[column].as.ptr : NULL;
}

int weft_sqlite_find_column(const weft_sqlite_rows *rows, const char *name)
{
    for (size_t i = 0; rows && name && i < rows->columns; i++)
        if (strcmp(rows->cells[i].as.ptr, name) == 0)
            return (int)i;
    return -ENOENT;
}

const struct weft_sqlite_value *weft_sqlite_get(const weft_sqlite_rows *rows, size_t row,
                                                size_t column)
{
    if (!rows || row >= rows->count || column >= rows->columns)
        return NULL;
    return &rows->cells[(row + 1) * rows->columns + column];
}

static const struct weft_sqlite_value *get_typed(const weft_sqlite_rows *rows, size_t row,
                                                 size_t column, enum weft_sqlite_type type)
{
    const struct weft_sqlite_value *cell = weft_sqlite_get(rows, row, column);
    return cell && cell->type == type ? cell : NULL;
}

int64_t weft_sqlite_get_int(const weft_sqlite_rows *rows, size_t row, size_t column)
{
    const struct weft_sqlite_value *cell = get_typed(rows, row, column, WEFT_SQLITE_INT);
    return cell ? cell->as.i64 : 0;
}

double weft_sqlite_get_real(const weft_sqlite_rows *rows, size_t row, size_t column)
{
    const struct weft_sqlite_value *cell = get_typed(rows, row, column, WEFT_SQLITE_REAL);
    return cell ? cell->as.f64 : (double)weft_sqlite_get_int(rows, row, column);
}

const char *weft_sqlite_get_text(const weft_sqlite_rows *rows, size_t row, size_t column)
{
    const struct weft_sqlite_value *cell = get_typed(rows, row, column, WEFT_SQLITE_TEXT);
    return cell ? cell->as.ptr : NULL;
}
