/* SPDX-License-Identifier: MIT */
/*
 * Errors of SQLite as weft's: a status, by what a caller does about it, and SQLite's text with its
 * code behind it, "UNIQUE constraint failed: t.id (SQLite 2067)". The code is in the text because
 * that is what stays with a failure, from the job to whoever catches it, however many awaits later.
 *
 * What a cancel makes SQLite return (it was interrupted, gave up waiting, was told to roll back) is
 * -ECANCELED without a text, so that the reason of the cancel is what one reads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/job.h>

#include "pool/sqlite/connection.h"

static const struct {
    int code, status;
} table[] = {
    {SQLITE_CONSTRAINT_UNIQUE, -EEXIST},
    {SQLITE_CONSTRAINT_PRIMARYKEY, -EEXIST},
    {SQLITE_CONSTRAINT_ROWID, -EEXIST},
    {SQLITE_BUSY, -EBUSY},
    {SQLITE_LOCKED, -EBUSY},
    {SQLITE_FULL, -ENOSPC},
    {SQLITE_IOERR, -EIO},
    {SQLITE_READONLY, -EROFS},
    {SQLITE_NOMEM, -ENOMEM},
    {SQLITE_TOOBIG, -E2BIG},
    {SQLITE_PERM, -EPERM},
    {SQLITE_MISUSE, -EINVAL},
    {SQLITE_RANGE, -EINVAL},
    {SQLITE_INTERRUPT, -EINTR},
};

static int status_of(sqlite3 *handle, int code)
{
    int error = (code & 0xff) == SQLITE_CANTOPEN ? sqlite3_system_errno(handle) : 0;
    if (code == SQLITE_IOERR_NOMEM)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (table[i].code == code || table[i].code == (code & 0xff))
            return table[i].status;
    return error > 0 ? -error : WEFT_ESQLITE;
}

static bool is_by_cancel(int code)
{
    return (code & 0xff) == SQLITE_INTERRUPT || (code & 0xff) == SQLITE_BUSY ||
           code == SQLITE_CONSTRAINT_COMMITHOOK;
}

weft_result weft__sqlite_failure_of(struct weft__sqlite_db *db, sqlite3 *handle, int code)
{
    if (is_by_cancel(code) && !db->deaf && weft_job_cancelled())
        return weft_err(-ECANCELED);
    int status = status_of(handle, code);
    if (status == -ENOMEM)
        return weft_err(-ENOMEM);
    bool is_known = sqlite3_extended_errcode(handle) == code; /* a backup's steps do not tell it */
    return weft_errf(status, "%s (SQLite %d)",
                     is_known ? sqlite3_errmsg(handle) : sqlite3_errstr(code), code);
}

weft_result weft__sqlite_failure(struct weft__sqlite_db *db, int code)
{
    return weft__sqlite_failure_of(db, db->handle, code);
}

int weft_sqlite_code(const char *message)
{
    static const char mark[] = " (SQLite ";
    const char *found = NULL;
    for (const char *at = message; at && (at = strstr(at, mark)); at++)
        found = at;
    return found ? (int)strtol(found + sizeof(mark) - 1, NULL, 10) : 0;
}
