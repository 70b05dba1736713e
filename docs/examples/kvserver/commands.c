/* SPDX-License-Identifier: MIT */
/*
 * What the commands do. A write changes the store and adds a record; `run->position` is what has to be
 * on the disk before the answer may be sent. So it is for a read of what was written just before: an
 * answer never tells of what a crash could still undo.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kv.h"

static void need(struct command_run *run, uint64_t position)
{
    if (position > run->position)
        run->position = position;
}

static void ok(struct command_run *run)
{
    text_add(run->out, "+OK\r\n", 5);
}

static void error(struct command_run *run, const char *message)
{
    text_addf(run->out, "-%s\r\n", message);
}

static bool is(const struct arg *arg, const char *word)
{
    return arg->len == strlen(word) && strncasecmp(arg->data, word, arg->len) == 0;
}

static struct entry *look_up(struct command_run *run, const struct arg *key)
{
    struct entry *entry = store_find(&run->server->store, key);
    need(run, entry ? entry->written : run->server->store.erased);
    return entry;
}

/* False: out of memory, and answered so. */
static bool put(struct command_run *run, const struct arg *key, const struct arg *value,
                int64_t expires)
{
    struct log *log = run->server->log;
    struct entry *entry = NULL;
    if (log_reserve(log, key->len, value->len))
        entry = store_set(&run->server->store, key, value, expires);
    if (!entry) {
        error(run, "OOM out of memory");
        return false;
    }
    entry->written = log_set(log, key, value, expires);
    need(run, entry->written);
    return true;
}

/* 1 if there was one; -1: out of memory, and nothing has changed. */
static int64_t erase(struct command_run *run, const struct arg *key)
{
    if (!look_up(run, key))
        return 0;
    if (!log_reserve(run->server->log, key->len, 0))
        return -1;
    uint64_t position = log_erase(run->server->log, key);
    store_erase(&run->server->store, key, position);
    need(run, position);
    return 1;
}

/* ---- Strings ---- */

static void get(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    const struct entry *entry = look_up(run, &args[1]);
    if (entry)
        resp_bulk(run->out, entry_value(entry), entry->value_len);
    else
        resp_null(run->out);
}

static void mget(struct command_run *run, const struct arg *args, size_t count)
{
    text_addf(run->out, "*%zu\r\n", count - 1);
    for (size_t i = 1; i < count; i++)
        get(run, &args[i - 1], 2);
}

/* When `arg`, in units of so many milliseconds, will have passed; 0: not a time. */
static int64_t in_future(const struct arg *arg, int64_t unit)
{
    int64_t time;
    if (!resp_number(arg, &time) || time <= 0 || time > INT64_MAX / 4 / unit)
        return 0;
    return store_clock() + time * unit;
}

struct set_options {
    bool only_new, only_old, keeps_time;
    int64_t expires; /* -1: none was said */
};

static const char *read_set_options(const struct arg *args, size_t count, struct set_options *ret)
{
    *ret = (struct set_options){.expires = -1};
    for (size_t i = 0; i < count; i++) {
        if (is(&args[i], "NX"))
            ret->only_new = true;
        else if (is(&args[i], "XX"))
            ret->only_old = true;
        else if (is(&args[i], "KEEPTTL"))
            ret->keeps_time = true;
        else if ((is(&args[i], "EX") || is(&args[i], "PX")) && i + 1 < count && ret->expires < 0)
            ret->expires = in_future(&args[i + 1], is(&args[i], "EX") ? 1000 : 1), i++;
        else
            return "ERR syntax error";
    }
    if (ret->expires == 0)
        return "ERR invalid expire time in 'set' command";
    return (ret->only_new && ret->only_old) || (ret->keeps_time && ret->expires > 0)
               ? "ERR syntax error"
               : NULL;
}

static void set(struct command_run *run, const struct arg *args, size_t count)
{
    struct set_options options;
    const char *wrong = read_set_options(args + 3, count - 3, &options);
    if (wrong) {
        error(run, wrong);
        return;
    }
    const struct entry *entry = look_up(run, &args[1]);
    bool refused = entry ? options.only_new : options.only_old;
    int64_t expires = options.expires > 0           ? options.expires
                      : options.keeps_time && entry ? entry->expires
                                                    : 0;
    if (refused)
        resp_null(run->out);
    else if (put(run, &args[1], &args[2], expires))
        ok(run);
}

static void setnx(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    if (look_up(run, &args[1]))
        resp_integer(run->out, 0);
    else if (put(run, &args[1], &args[2], 0))
        resp_integer(run->out, 1);
}

static void setex(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    int64_t expires = in_future(&args[2], is(&args[0], "SETEX") ? 1000 : 1);
    if (!expires)
        error(run, "ERR invalid expire time in 'setex' command");
    else if (put(run, &args[1], &args[3], expires))
        ok(run);
}

static void mset(struct command_run *run, const struct arg *args, size_t count)
{
    if (count % 2 == 0) {
        error(run, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    for (size_t i = 1; i < count; i += 2) {
        if (!put(run, &args[i], &args[i + 1], 0))
            return;
    }
    ok(run);
}

static void append(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    const struct entry *entry = look_up(run, &args[1]);
    struct text value = {0};
    int64_t expires = entry ? entry->expires : 0;
    if (entry)
        text_add(&value, entry_value(entry), entry->value_len);
    text_add(&value, args[2].data, args[2].len);
    if (value.len > MOST_BULK)
        error(run, "ERR string exceeds maximum allowed size (16 MiB)");
    else if (value.failed)
        error(run, "OOM out of memory");
    else if (put(run, &args[1], &(struct arg){value.data ? value.data : "", value.len}, expires))
        resp_integer(run->out, (int64_t)value.len);
    text_fini(&value);
}

static void length(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    const struct entry *entry = look_up(run, &args[1]);
    resp_integer(run->out, entry ? (int64_t)entry->value_len : 0);
}

/* ---- Numbers ---- */

static void add(struct command_run *run, const struct arg *key, int64_t more)
{
    const struct entry *entry = look_up(run, key);
    int64_t number = 0, expires = entry ? entry->expires : 0;
    struct arg value = {entry ? entry_value(entry) : "0", entry ? entry->value_len : 1};
    char digits[24];
    if (!resp_number(&value, &number)) {
        error(run, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(number, more, &number)) {
        error(run, "ERR increment or decrement would overflow");
        return;
    }
    value = (struct arg){digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, number)};
    if (put(run, key, &value, expires))
        resp_integer(run->out, number);
}

static void incr(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    add(run, &args[1], is(&args[0], "INCR") ? 1 : -1);
}

static void incrby(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    int64_t more;
    if (!resp_number(&args[2], &more) || (is(&args[0], "DECRBY") && more == INT64_MIN))
        error(run, "ERR value is not an integer or out of range");
    else
        add(run, &args[1], is(&args[0], "INCRBY") ? more : -more);
}

/* ---- Keys ---- */

static void del(struct command_run *run, const struct arg *args, size_t count)
{
    int64_t erased = 0;
    for (size_t i = 1; i < count; i++) {
        int64_t one = erase(run, &args[i]);
        if (one < 0) {
            error(run, "OOM out of memory");
            return;
        }
        erased += one;
    }
    resp_integer(run->out, erased);
}

static void exists(struct command_run *run, const struct arg *args, size_t count)
{
    int64_t found = 0;
    for (size_t i = 1; i < count; i++)
        found += look_up(run, &args[i]) != NULL;
    resp_integer(run->out, found);
}

/* Set when it expires; 0: never. The record is a whole one: each says all of its key. */
static void expire_at(struct command_run *run, const struct arg *key, int64_t expires)
{
    const struct entry *entry = look_up(run, key);
    if (!entry || (!expires && !entry->expires)) {
        resp_integer(run->out, 0);
        return;
    }
    struct text value = {0};
    text_add(&value, entry_value(entry), entry->value_len);
    if (value.failed)
        error(run, "OOM out of memory");
    else if (put(run, key, &(struct arg){value.data ? value.data : "", value.len}, expires))
        resp_integer(run->out, 1);
    text_fini(&value);
}

static void expire(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    int64_t time, unit = is(&args[0], "EXPIRE") ? 1000 : 1;
    if (!resp_number(&args[2], &time) || time > INT64_MAX / 4 / unit)
        error(run, "ERR value is not an integer or out of range");
    else if (time <= 0)
        del(run, args, 2);
    else
        expire_at(run, &args[1], in_future(&args[2], unit));
}

static void persist(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    expire_at(run, &args[1], 0);
}

static void ttl(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    const struct entry *entry = look_up(run, &args[1]);
    int64_t left = entry ? entry->expires - store_clock() : 0;
    if (!entry || !entry->expires)
        resp_integer(run->out, entry ? -1 : -2);
    else
        resp_integer(run->out, is(&args[0], "TTL") ? (left + 500) / 1000 : left);
}

static void dbsize(struct command_run *run, const struct arg *args, size_t count)
{
    (void)args, (void)count;
    resp_integer(run->out, (int64_t)run->server->store.count);
}

static void flush(struct command_run *run, const struct arg *args, size_t count)
{
    (void)args, (void)count;
    if (!log_reserve(run->server->log, 0, 0)) {
        error(run, "OOM out of memory");
        return;
    }
    uint64_t position = log_clear(run->server->log);
    store_clear(&run->server->store, position);
    need(run, position);
    ok(run);
}

/* ---- The connection and the server ---- */

static void ping(struct command_run *run, const struct arg *args, size_t count)
{
    if (count > 1)
        resp_bulk(run->out, args[1].data, args[1].len);
    else
        text_add(run->out, "+PONG\r\n", 7);
}

static void echo(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    resp_bulk(run->out, args[1].data, args[1].len);
}

static void select_database(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    if (is(&args[1], "0"))
        ok(run);
    else
        error(run, "ERR DB index is out of range");
}

/* What clients ask for when they connect, and do well without. */
static void shrug(struct command_run *run, const struct arg *args, size_t count)
{
    (void)count;
    if (is(&args[0], "CLIENT"))
        ok(run);
    else
        text_add(run->out, "*0\r\n", 4);
}

static void hello(struct command_run *run, const struct arg *args, size_t count)
{
    (void)args, (void)count;
    error(run, "NOPROTO unsupported protocol version");
}

static void quit(struct command_run *run, const struct arg *args, size_t count)
{
    (void)args, (void)count;
    run->quit = true;
    ok(run);
}

static void stop(struct command_run *run, const struct arg *args, size_t count)
{
    (void)args, (void)count;
    run->quit = run->stop = true;
}

static void rewrite(struct command_run *run, const struct arg *args, size_t count)
{
    (void)args, (void)count;
    log_rewrite(run->server->log);
    text_addf(run->out, "+Background append only file rewriting started\r\n");
}

static void info(struct command_run *run, const struct arg *args, size_t count)
{
    (void)args, (void)count;
    const struct server *server = run->server;
    char text[512];
    int len = snprintf(text, sizeof(text),
                       "# Server\r\nredis_version:0.0.0\r\nserver:weft kvserver\r\n"
                       "# Keyspace\r\nkeys:%zu\r\nbytes:%" PRIu64 "\r\n"
                       "# Persistence\r\nlog_bytes:%" PRIu64 "\r\nlog_groups:%" PRIu64 "\r\n"
                       "# Stats\r\ncommands:%" PRIu64 "\r\n",
                       server->store.count, server->store.bytes, log_size(server->log),
                       server->groups, server->commands);
    resp_bulk(run->out, text, (size_t)len);
}

/* ---- Which is which ---- */

static const struct command {
    const char *name;
    size_t least, most; /* arguments, the name among them; most 0: any */
    void (*fn)(struct command_run *run, const struct arg *args, size_t count);
} commands[] = {
    {"APPEND", 3, 3, append},  {"BGREWRITEAOF", 1, 1, rewrite},
    {"CLIENT", 2, 0, shrug},   {"COMMAND", 1, 0, shrug},
    {"CONFIG", 2, 0, shrug},   {"DBSIZE", 1, 1, dbsize},
    {"DECR", 2, 2, incr},      {"DECRBY", 3, 3, incrby},
    {"DEL", 2, 0, del},        {"ECHO", 2, 2, echo},
    {"EXISTS", 2, 0, exists},  {"EXPIRE", 3, 3, expire},
    {"FLUSHALL", 1, 2, flush}, {"FLUSHDB", 1, 2, flush},
    {"GET", 2, 2, get},        {"HELLO", 1, 0, hello},
    {"INCR", 2, 2, incr},      {"INCRBY", 3, 3, incrby},
    {"INFO", 1, 0, info},      {"MGET", 2, 0, mget},
    {"MSET", 3, 0, mset},      {"PERSIST", 2, 2, persist},
    {"PEXPIRE", 3, 3, expire}, {"PING", 1, 2, ping},
    {"PSETEX", 4, 4, setex},   {"PTTL", 2, 2, ttl},
    {"QUIT", 1, 1, quit},      {"SELECT", 2, 2, select_database},
    {"SET", 3, 0, set},        {"SETEX", 4, 4, setex},
    {"SETNX", 3, 3, setnx},    {"SHUTDOWN", 1, 2, stop},
    {"STRLEN", 2, 2, length},  {"TTL", 2, 2, ttl},
};

static const struct command *find(const struct arg *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (is(name, commands[i].name))
            return &commands[i];
    }
    return NULL;
}

/* Nothing that ends a line in an error's text. */
static void refuse(struct command_run *run, const char *why, const struct arg *name)
{
    char text[64];
    size_t len = 0;
    for (; len < name->len && len < sizeof(text) - 1; len++)
        text[len] = name->data[len] < ' ' ? '?' : name->data[len];
    text[len] = '\0';
    text_addf(run->out, "-ERR %s '%s'\r\n", why, text);
}

void command_run(struct command_run *run, const struct arg *args, size_t count)
{
    if (!count)
        return;
    const struct command *command = find(&args[0]);
    run->server->commands++;
    if (!command)
        refuse(run, "unknown command", &args[0]);
    else if (count < command->least || (command->most && count > command->most))
        refuse(run, "wrong number of arguments for", &args[0]);
    else
        command->fn(run, args, count);
}
