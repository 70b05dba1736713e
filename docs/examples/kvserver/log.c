/* SPDX-License-Identifier: MIT */
/*
 * The log: a file of groups, each the records of what came while the group before it was written.
 *
 *     file     "weft kv 1\n", then groups
 *     group    a check of the next two, CRC-32 of the records, their length; records
 *     record   what, expires, length of key and value; key, value
 *
 * One task writes: a group and its fdatasync() are one job on a worker. Meanwhile records are added to
 * the next group; so the more clients wait, the larger a group gets, and the disk is never asked more
 * often than it can answer. A position is the count of bytes of all records so far; `durable` is how
 * much of that is on the disk.
 *
 * A crash leaves at most the last group incomplete, for which no answer was sent: it is cut off. A bad
 * group with others behind it is damage, and the server does not start.
 *
 * Rewriting: the same task writes a second file besides, a slice of the store after each group, and
 * each group too. A record says what a key is, not how it changed; so it does no harm that a slice shows
 * some of what a later group says again. With the last slice the new file takes the place of the old.
 *
 * A failure to write ends the task, then the server: what is in memory is not on the disk any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kv.h"

enum {
    MAGIC = 0x6b766732,
    HEADER = 16, /* struct head */
    SLICE = 256 * 1024,
    LEAST_REWRITTEN = 64 << 20 /* a smaller log is left as it is */
};

enum record_kind { RECORD_SET = 1, RECORD_ERASE, RECORD_CLEAR };

static const char FILE_MAGIC[] = "weft kv 1\n";
enum { FILE_HEADER = sizeof(FILE_MAGIC) - 1 };

struct record {
    int64_t expires;
    uint32_t key_len, value_len;
    uint32_t kind, reserved;
};

struct log {
    struct server *server;
    int folder, fd, new_fd; /* new_fd: -1 while nothing is rewritten */
    struct text pending;    /* the next group */
    uint64_t added, durable;
    uint64_t size, new_size, least; /* bytes of the files; of the one when it was rewritten */
    size_t walked;                  /* buckets */
    weft_event *wanted, *written;
    weft_future *task;
    bool rewrite, closing;
    int failed;
};

/* ---- CRC-32 ---- */

static uint32_t crc_of(const void *data, size_t len)
{
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256 && !table[255]; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        table[i] = crc;
    }
    uint32_t crc = ~0u;
    for (const unsigned char *at = data, *end = at + len; at < end; at++)
        crc = crc >> 8 ^ table[(crc ^ *at) & 0xff];
    return ~crc;
}

/* ---- Groups ---- */

/* The first bytes of a group. `check` tells a length that is damaged from one of a group that was not
 * written whole. */
struct head {
    uint32_t check, crc;
    uint64_t len;
};

static uint32_t check_of(const struct head *head)
{
    return crc_of(&head->crc, sizeof(*head) - offsetof(struct head, crc)) ^ MAGIC;
}

static void seal(struct text *group)
{
    struct head head = {.crc = crc_of(group->data + HEADER, group->len - HEADER),
                        .len = group->len - HEADER};
    head.check = check_of(&head);
    memcpy(group->data, &head, HEADER);
}

static bool reserve(struct text *group, size_t key_len, size_t value_len)
{
    if (!text_reserve(group, HEADER + sizeof(struct record) + key_len + value_len))
        return false;
    if (!group->len)
        text_add(group, &(char[HEADER]){0}, HEADER);
    return true;
}

static void add_record(struct text *group, enum record_kind kind, int64_t expires,
                       const struct arg *key, const struct arg *value)
{
    struct record record = {expires, (uint32_t)key->len, (uint32_t)value->len, kind, 0};
    text_add(group, &record, sizeof(record));
    text_add(group, key->data, key->len);
    text_add(group, value->data, value->len);
}

static const struct arg nothing = {"", 0};

static uint64_t add(struct log *log, enum record_kind kind, int64_t expires, const struct arg *key,
                    const struct arg *value)
{
    add_record(&log->pending, kind, expires, key, value);
    log->added += sizeof(struct record) + key->len + value->len;
    weft_event_set(log->wanted);
    return log->added;
}

bool log_reserve(struct log *log, size_t key_len, size_t value_len)
{
    if (reserve(&log->pending, key_len, value_len))
        return true;
    log->pending.failed = false;
    return false;
}

uint64_t log_set(struct log *log, const struct arg *key, const struct arg *value, int64_t expires)
{
    return add(log, RECORD_SET, expires, key, value);
}

uint64_t log_erase(struct log *log, const struct arg *key)
{
    return add(log, RECORD_ERASE, 0, key, &nothing);
}

uint64_t log_clear(struct log *log)
{
    return add(log, RECORD_CLEAR, 0, &nothing, &nothing);
}

/* ---- Writing: on a worker ---- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t wrote = write(fd, data, len);
        if (wrote < 0 && errno != EINTR)
            return -errno;
        data += wrote > 0 ? wrote : 0;
        len -= wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

struct write_group {
    int fd, copy; /* copy: another file, or -1 */
    const struct text *group;
    off_t end; /* of the file before: what was written in part is cut off again */
};

static WEFT_BLOCKING(write_group)
{
    int status = write_all(self->fd, self->group->data, self->group->len);
    if (status == 0 && fdatasync(self->fd) < 0)
        status = -errno;
    if (status < 0) {
        if (ftruncate(self->fd, self->end) < 0)
            status = -errno;
        return weft_err(status);
    }
    status = self->copy < 0 ? 0 : write_all(self->copy, self->group->data, self->group->len);
    return status < 0 ? weft_err(status) : weft_ok(0);
}

struct write_slice {
    int fd;
    const struct text *slice;
};

static WEFT_BLOCKING(write_slice)
{
    int status = write_all(self->fd, self->slice->data, self->slice->len);
    return status < 0 ? weft_err(status) : weft_ok(0);
}

struct begin_file {
    int folder;
};

/* An empty log beside the other one, locked; its descriptor. */
static WEFT_BLOCKING(begin_file)
{
    int fd =
        openat(self->folder, "kv.log.new", O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return weft_err(-errno);
    int status = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : write_all(fd, FILE_MAGIC, FILE_HEADER);
    if (status < 0) {
        close(fd);
        return weft_err(status);
    }
    return weft_ok((int64_t)fd);
}

struct replace_file {
    int folder, fd;
};

static WEFT_BLOCKING(replace_file)
{
    if (fdatasync(self->fd) < 0 ||
        renameat(self->folder, "kv.log.new", self->folder, "kv.log") < 0 || fsync(self->folder) < 0)
        return weft_err(-errno);
    return weft_ok(0);
}

/* ---- The task that writes ---- */

static void add_entry(const struct entry *entry, void *slice)
{
    struct arg key = {entry->data, entry->key_len};
    struct arg value = {entry_value(entry), entry->value_len};
    if (reserve(slice, key.len, value.len))
        add_record(slice, RECORD_SET, entry->expires, &key, &value);
}

/* The next slice of the store; empty behind the last one. 0 or -ENOMEM. */
static int fill(struct log *log, struct text *slice)
{
    while (slice->len < SLICE && store_walk(&log->server->store, log->walked, add_entry, slice))
        log->walked++;
    if (slice->failed)
        return -ENOMEM;
    if (slice->len)
        seal(slice);
    return 0;
}

static bool is_too_long(const struct log *log)
{
    return log->size > LEAST_REWRITTEN && log->size / 2 > log->least;
}

struct keep_log {
    WEFT_FRAME;
    struct log *log;
    struct text group; /* what is being written */
    uint64_t end;
    int status;
};

/* What was added is the group; the memory of the one before, which is empty, is for what follows. */
static void take_group(struct keep_log *self)
{
    struct text empty = self->group;
    self->group = self->log->pending;
    self->log->pending = empty;
    self->end = self->log->added;
    seal(&self->group);
}

static WEFT_ASYNC(keep_log)
{
    struct log *log = self->log;
    WEFT_BEGIN;
    while (!log->closing || log->pending.len) {
        if (!log->pending.len && log->new_fd < 0 && !log->rewrite) {
            weft_event_clear(log->wanted);
            WEFT_AWAIT(weft_event_wait(log->wanted));
        }
        if (log->pending.len) {
            take_group(self);
            WEFT_AWAIT(weft_to_thread(write_group, .fd = log->fd, .copy = log->new_fd,
                                      .group = &self->group, .end = (off_t)log->size));
            log->size += self->group.len;
            log->new_size += self->group.len;
            log->durable = self->end;
            log->server->groups++;
            log->rewrite |= is_too_long(log);
            weft_event_set(log->written);
            weft_event_clear(log->written);
            text_clear(&self->group);
        }
        if (log->rewrite && log->new_fd < 0 && !log->closing) {
            WEFT_AWAIT_INTO(log->new_fd, weft_to_thread(begin_file, .folder = log->folder));
            log->rewrite = false;
            log->walked = 0;
            log->new_size = FILE_HEADER;
            log->server->store.frozen = true;
        } else if (log->new_fd >= 0) {
            self->status = fill(log, &self->group);
            if (self->status < 0)
                WEFT_FAIL(self->status);
            if (self->group.len)
                WEFT_AWAIT(weft_to_thread(write_slice, .fd = log->new_fd, .slice = &self->group));
            else
                WEFT_AWAIT(weft_to_thread(replace_file, .folder = log->folder, .fd = log->new_fd));
            log->new_size += self->group.len;
            if (!self->group.len) {
                close(log->fd);
                log->fd = log->new_fd;
                log->new_fd = -1;
                log->size = log->least = log->new_size;
                log->server->store.frozen = false;
            }
            text_clear(&self->group);
        }
    }

    WEFT_FINALLY;
    text_fini(&self->group);
    log->failed = WEFT_OUTCOME ? WEFT_OUTCOME : -ESHUTDOWN;
    weft_event_set(log->written);
    WEFT_END;
}

bool log_has(const struct log *log, uint64_t position)
{
    return log->durable >= position;
}

struct wait_for_log {
    WEFT_FRAME;
    struct log *log;
    uint64_t position;
};

static WEFT_ASYNC(wait_for_log)
{
    WEFT_BEGIN;
    while (!log_has(self->log, self->position)) {
        if (self->log->failed)
            WEFT_FAIL(self->log->failed, "the log cannot be written");
        WEFT_AWAIT(weft_event_wait(self->log->written));
    }
    WEFT_END;
}

weft_future *log_wait(struct log *log, uint64_t position)
{
    return weft_call(wait_for_log, .log = log, .position = position);
}

void log_rewrite(struct log *log)
{
    log->rewrite = log->rewrite || log->new_fd < 0;
    weft_event_set(log->wanted);
}

uint64_t log_size(const struct log *log)
{
    return log->size;
}

/* ---- Replay: on a worker, which has the store for itself ---- */

static int apply(struct store *store, const char *data, size_t len)
{
    while (len) {
        struct record record;
        if (len < sizeof(record))
            return -EBADMSG;
        memcpy(&record, data, sizeof(record));
        size_t size = sizeof(record) + record.key_len + record.value_len;
        if (len < size)
            return -EBADMSG;
        struct arg key = {data + sizeof(record), record.key_len};
        struct arg value = {key.data + key.len, record.value_len};
        if (record.kind == RECORD_SET) {
            if (!store_set(store, &key, &value, record.expires))
                return -ENOMEM;
        } else if (record.kind == RECORD_ERASE) {
            store_erase(store, &key, 0);
        } else {
            store_clear(store, 0);
        }
        data += size;
        len -= size;
    }
    return 0;
}

/* Read one group. 1, or 0 at the end, or -EBADMSG: it is not whole, *ret_is_last if nothing can
 * follow. */
static int replay_group(FILE *file, uint64_t left, struct store *store, uint64_t *ret_len,
                        bool *ret_is_last)
{
    struct head head;
    *ret_is_last = left < HEADER;
    if (!left)
        return 0;
    if (left < HEADER || fread(&head, HEADER, 1, file) != 1)
        return ferror(file) ? -EIO : -EBADMSG;
    if (head.check != check_of(&head))
        return -EBADMSG;
    uint64_t len = head.len;
    *ret_is_last = len >= left - HEADER;
    if (len > left - HEADER)
        return -EBADMSG;
    char *data = malloc(len + 1);
    if (!data)
        return -ENOMEM;
    int status = len && fread(data, len, 1, file) != 1 ? -EIO : 1;
    if (status > 0 && crc_of(data, len) != head.crc)
        status = -EBADMSG;
    if (status > 0) {
        int applied = apply(store, data, len);
        status = applied < 0 ? applied : 1;
    }
    free(data);
    *ret_len = HEADER + len;
    return status;
}

/* True if nothing but zeros follows: a file system that had made it longer, and no more. */
static bool is_blank(FILE *file, uint64_t from)
{
    int c = EOF;
    if (fseeko(file, (off_t)from, SEEK_SET) == 0) {
        do
            c = getc_unlocked(file);
        while (c == 0);
    }
    return c == EOF && !ferror(file);
}

/* How many of the file's bytes are good; *ret_status: what is wrong with the rest, 0 or -EBADMSG if it
 * is more than a last group that was not written whole. */
static int replay(FILE *file, uint64_t size, struct store *store, uint64_t *ret_good)
{
    char magic[FILE_HEADER];
    uint64_t at = FILE_HEADER, len;
    *ret_good = 0;
    if (size < FILE_HEADER)
        return 0;
    if (fread(magic, FILE_HEADER, 1, file) != 1 || memcmp(magic, FILE_MAGIC, FILE_HEADER) != 0)
        return -EBADMSG;
    for (;;) {
        bool is_last;
        int status = replay_group(file, size - at, store, &len, &is_last);
        *ret_good = at;
        if (status == -EBADMSG && (is_last || is_blank(file, at)))
            return 0;
        if (status <= 0)
            return status;
        at += len;
    }
}

struct read_log {
    struct server *server;
    int folder;
    bool repair;
    uint64_t *ret_size;
};

/* 0, or what is wrong. */
static int use_file(struct read_log *self, FILE *file, uint64_t *ret_good, uint64_t *ret_size)
{
    struct stat info;
    if (flock(fileno(file), LOCK_EX | LOCK_NB) < 0 || fstat(fileno(file), &info) < 0)
        return -errno;
    *ret_size = (uint64_t)info.st_size;
    int status = replay(file, *ret_size, &self->server->store, ret_good);
    if (status < 0 && !(status == -EBADMSG && self->repair && *ret_good))
        return status;
    if (*ret_good < *ret_size && ftruncate(fileno(file), (off_t)*ret_good) < 0)
        return -errno;
    if (!*ret_good) {
        status = write_all(fileno(file), FILE_MAGIC, FILE_HEADER);
        if (status == 0 && (fdatasync(fileno(file)) < 0 || fsync(self->folder) < 0))
            status = -errno;
    }
    return *ret_good ? 0 : status;
}

static WEFT_BLOCKING(read_log)
{
    uint64_t good = 0, size = 0;
    int fd = openat(self->folder, "kv.log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r+");
    if (!file)
        return weft_errf(-errno, "kv.log: %s", strerror(errno));
    int status = use_file(self, file, &good, &size);
    int keeps = status < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    fclose(file);
    if (status == -EWOULDBLOCK)
        return weft_errf(status, "kv.log: another server uses it");
    if (status == -EBADMSG)
        return weft_errf(status,
                         "kv.log: damaged at byte %llu of %llu; --repair drops what follows",
                         (unsigned long long)good, (unsigned long long)size);
    if (status < 0 || keeps < 0)
        return weft_errf(status ? status : -EMFILE, "kv.log: %s",
                         weft_strerror(status ? status : -EMFILE));
    if (good && good < size)
        fprintf(stderr, "kvserver: kv.log: cut off %llu bytes that were not written whole\n",
                (unsigned long long)(size - good));
    *self->ret_size = good ? good : (uint64_t)FILE_HEADER;
    return weft_ok((int64_t)keeps);
}

/* ---- Begin and end ---- */

struct open_log {
    WEFT_FRAME;
    struct server *server;
    const char *folder;
    bool repair;
    struct log *log;
};

static WEFT_ASYNC(open_log)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_path_mkdir_all(self->folder, 0777));
    self->log = calloc(1, sizeof(*self->log));
    if (!self->log)
        WEFT_FAIL(-ENOMEM);
    self->log->server = self->server;
    self->log->fd = self->log->new_fd = -1;
    self->log->folder = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->log->folder < 0)
        WEFT_FAIL(-errno, "%s: %s", self->folder, strerror(errno));
    WEFT_AWAIT_INTO(self->log->fd,
                    weft_to_thread(read_log, .server = self->server, .folder = self->log->folder,
                                   .repair = self->repair, .ret_size = &self->log->size));
    self->log->least = self->log->size;
    self->log->wanted = weft_event_new();
    self->log->written = weft_event_new();
    if (!self->log->wanted || !self->log->written)
        WEFT_FAIL(-ENOMEM);
    self->log->task = weft_spawn(keep_log, .log = self->log);
    struct log *log = self->log;
    self->log = NULL;
    WEFT_RETURN(log);

    WEFT_FINALLY;
    log_free(self->log);
    WEFT_END;
}

weft_future *log_open(struct server *server, const char *folder, bool repair)
{
    return weft_call(open_log, .server = server, .folder = folder, .repair = repair);
}

weft_future *log_task(struct log *log)
{
    return log->task;
}

weft_future *log_close(struct log *log)
{
    log->closing = true;
    weft_event_set(log->wanted);
    return weft_ref(log->task);
}

void log_free(struct log *log)
{
    if (!log)
        return;
    weft_unref(log->task);
    weft_event_free(log->wanted);
    weft_event_free(log->written);
    if (log->new_fd >= 0)
        close(log->new_fd);
    if (log->fd >= 0)
        close(log->fd);
    if (log->folder >= 0)
        close(log->folder);
    text_fini(&log->pending);
    free(log);
}
