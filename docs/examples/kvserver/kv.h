/* SPDX-License-Identifier: MIT */
/*
 * A key-value server that speaks Redis' protocol (RESP2) and keeps what it was told: an answer to a
 * write is sent when the write is on the disk.
 *
 *     clients ──commands──► sessions (the loop) ──► store (memory)
 *                               │ records
 *                               ▼
 *                             log ──a group at a time──► write, fdatasync (a worker)
 *
 *     main.c      options, start and end
 *     session.c   a client: read commands, run all that came, wait for the log, answer
 *     resp.c      the protocol
 *     commands.c  what each command does
 *     store.c     the keys
 *     log.c       records, groups, replay, rewriting
 *     text.c      a text that grows
 */
#ifndef KV_H
#define KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/listen.h>
#include <weft/weft.h>

/* ---- text.c ---- */

/** Zeroed: empty. Out of memory is kept in `failed` and drops what follows. */
struct text {
    char *data;
    size_t len, room;
    bool failed;
};

/** Room for `len` more bytes, which then cannot fail. */
bool text_reserve(struct text *text, size_t len);
void text_add(struct text *text, const void *data, size_t len);
void text_addf(struct text *text, const char *format, ...) WEFT_PRINTF(2, 3);
/** Empty it; more than 64 KiB are given back. */
void text_clear(struct text *text);
void text_fini(struct text *text);

/* ---- resp.c ---- */

enum {
    MOST_ARGS = 64 * 1024,
    MOST_BULK = 16 << 20,   /* bytes of an argument */
    MOST_REQUEST = 64 << 20 /* … of a command */
};

struct arg {
    const char *data;
    size_t len;
};

/** Of one session; zeroed: empty. */
struct args {
    struct arg *list;
    size_t count, room;
};

/**
 * Read a command from the first bytes of `data`. How many bytes it takes; 0: there are not enough,
 * more than *ret_have are needed; -1: *ret_error says why it is none.
 */
ptrdiff_t resp_parse(const char *data, size_t len, struct args *args, size_t *ret_have,
                     const char **ret_error);
void resp_bulk(struct text *out, const void *data, size_t len);
void resp_null(struct text *out);
void resp_integer(struct text *out, int64_t number);
/** A number as a client writes it. */
bool resp_number(const struct arg *arg, int64_t *ret);

/* ---- store.c ---- */

struct entry {
    struct entry *next;
    uint64_t hash;
    uint64_t written; /* where its record ends in the log */
    int64_t expires;  /* milliseconds since 1970; 0: never */
    size_t key_len, value_len;
    char data[]; /* the key, then the value */
};

static inline const char *entry_value(const struct entry *entry)
{
    return entry->data + entry->key_len;
}

/** Buckets of lists. A table that grew moves its lists over a few at a time: no call is slow. */
struct table {
    struct entry **buckets;
    size_t room; /* a power of two, or 0 */
};

struct store {
    struct table now, old; /* old: what was not moved yet, from `moved` on */
    size_t moved, count;
    uint64_t bytes;  /* of keys and values */
    uint64_t erased; /* where the last record that took an entry away ends in the log */
    bool frozen;     /* a walk is under way: nothing moves */
};

/** Milliseconds since 1970. */
int64_t store_clock(void);

/** The entry, unless it has expired; then it is freed. */
struct entry *store_find(struct store *store, const struct arg *key);
/** NULL: out of memory. */
struct entry *store_set(struct store *store, const struct arg *key, const struct arg *value,
                        int64_t expires);
/** False: there is none. */
bool store_erase(struct store *store, const struct arg *key, uint64_t written);
void store_clear(struct store *store, uint64_t written);
/** Free what has expired of some buckets; *at goes round. */
void store_expire(struct store *store, size_t *at);
/** Call `fn` for the entries of the bucket `at` of all; false: there is none. Only while frozen. */
bool store_walk(struct store *store, size_t at, void (*fn)(const struct entry *entry, void *arg),
                void *arg);

/* ---- log.c ---- */

struct log;

/** What a server consists of; the loop's. */
struct server {
    struct store store;
    struct log *log;
    struct session *sessions; /* a list */
    weft_future *stop;        /* resolved by SHUTDOWN */
    bool stopping;
    uint64_t commands, groups;
};

/**
 * Read the log in `folder` into the store and be ready to write; the value is the log. Fails when it
 * is damaged in its middle, unless `repair`: then what follows is lost. A last group that was not
 * written whole is cut off: no answer was sent for it.
 */
weft_future *log_open(struct server *server, const char *folder, bool repair);
/** Ends with the failure that ended the log; borrowed. */
weft_future *log_task(struct log *log);
/** Write what waits, and close. */
weft_future *log_close(struct log *log);
void log_free(struct log *log);

/** Room for a record with these; false: out of memory. */
bool log_reserve(struct log *log, size_t key_len, size_t value_len);
/** Add a record, for which there is room; where it ends. */
uint64_t log_set(struct log *log, const struct arg *key, const struct arg *value, int64_t expires);
uint64_t log_erase(struct log *log, const struct arg *key);
uint64_t log_clear(struct log *log);

/** Is all that ends here on the disk? */
bool log_has(const struct log *log, uint64_t position);
/** Wait for that. */
weft_future *log_wait(struct log *log, uint64_t position);
/** Write it anew, without what is out of date; nothing if that is under way. */
void log_rewrite(struct log *log);
uint64_t log_size(const struct log *log);

/* ---- commands.c ---- */

struct command_run {
    struct server *server;
    struct text *out;
    uint64_t position; /* what must be on the disk before the answers are sent */
    bool quit, stop;
};

/** Run one command and append its answer. */
void command_run(struct command_run *run, const struct arg *args, size_t count);

/* ---- session.c ---- */

struct session {
    WEFT_FRAME;
    weft_stream *stream;
    struct server *server;
    weft_future *task; /* borrowed */
    struct session *next, *previous;
    bool idle; /* it waits for a command */
    struct args args;
    struct text out;
    struct command_run run;
    size_t have; /* bytes that are not a whole command */
    int64_t len;
};

WEFT_ASYNC_DECLARE(session);

#endif
