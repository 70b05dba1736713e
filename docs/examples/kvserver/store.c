/* SPDX-License-Identifier: MIT */
/*
 * A hash table that doubles. The lists of the smaller one move over with the calls that follow, a few
 * at a time, so that no call takes long. Keys are hashed with a secret, so that nobody can choose keys
 * that share a list.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "kv.h"

enum { FIRST_ROOM = 1024, MOVED_AT_ONCE = 4, EXPIRED_AT_ONCE = 256 };

int64_t store_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- SipHash-1-3 ---- */

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t hash_of(const struct arg *key)
{
    static uint64_t secret[2];
    if (!secret[0] && getrandom(secret, sizeof(secret), 0) != sizeof(secret))
        secret[0] = (uint64_t)store_clock();
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
                     secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
    uint64_t word;
    size_t at = 0;
    for (; at + 8 <= key->len; at += 8) {
        memcpy(&word, key->data + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = 0;
    if (at < key->len)
        memcpy(&word, key->data + at, key->len - at);
    word |= (uint64_t)key->len << 56;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- The tables ---- */

static struct entry **bucket(const struct table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->room - 1)];
}

/* Move some lists over from the old table. */
static void move_some(struct store *store)
{
    for (int i = 0; i < MOVED_AT_ONCE && store->old.room && !store->frozen; i++) {
        struct entry *entry = store->old.buckets[store->moved];
        store->old.buckets[store->moved++] = NULL;
        while (entry) {
            struct entry *next = entry->next;
            struct entry **to = bucket(&store->now, entry->hash);
            entry->next = *to;
            *to = entry;
            entry = next;
        }
        if (store->moved == store->old.room) {
            free(store->old.buckets);
            store->old = (struct table){0};
        }
    }
}

/* Without memory for more buckets the lists get longer. */
static int grow(struct store *store)
{
    if (store->now.room && (store->count < store->now.room || store->old.room || store->frozen))
        return 0;
    size_t room = store->now.room ? store->now.room * 2 : FIRST_ROOM;
    struct entry **buckets = calloc(room, sizeof(struct entry *));
    if (!buckets)
        return store->now.room ? 0 : -ENOMEM;
    store->old = store->now;
    store->moved = 0;
    store->now = (struct table){buckets, room};
    return 0;
}

static bool is_of(const struct entry *entry, const struct arg *key, uint64_t hash)
{
    return entry->hash == hash && entry->key_len == key->len &&
           (key->len == 0 || memcmp(entry->data, key->data, key->len) == 0);
}

/* Where the pointer to it is; NULL: there is none. */
static struct entry **find(const struct store *store, const struct arg *key, uint64_t hash)
{
    const struct table *tables[] = {&store->now, &store->old};
    for (size_t i = 0; i < 2; i++) {
        if (!tables[i]->room)
            continue;
        for (struct entry **at = bucket(tables[i], hash); *at; at = &(*at)->next) {
            if (is_of(*at, key, hash))
                return at;
        }
    }
    return NULL;
}

static void drop(struct store *store, struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    store->count--;
    store->bytes -= entry->key_len + entry->value_len;
    free(entry);
}

static bool has_expired(const struct entry *entry, int64_t now)
{
    return entry->expires && entry->expires <= now;
}

/* An entry that has expired needs no record: that it does is in the one that made it. Its end is not
 * `erased` either, since it does not depend on the disk. */
struct entry *store_find(struct store *store, const struct arg *key)
{
    move_some(store);
    struct entry **at = find(store, key, hash_of(key));
    if (at && has_expired(*at, (*at)->expires ? store_clock() : 0)) {
        drop(store, at);
        return NULL;
    }
    return at ? *at : NULL;
}

struct entry *store_set(struct store *store, const struct arg *key, const struct arg *value,
                        int64_t expires)
{
    struct entry *entry = malloc(sizeof(*entry) + key->len + value->len);
    if (!entry || grow(store) < 0) {
        free(entry);
        return NULL;
    }
    move_some(store);
    *entry = (struct entry){
        .hash = hash_of(key), .expires = expires, .key_len = key->len, .value_len = value->len};
    memcpy(entry->data, key->data, key->len);
    memcpy(entry->data + key->len, value->data, value->len);
    struct entry **at = find(store, key, entry->hash);
    if (at)
        drop(store, at);
    at = at ? at : bucket(&store->now, entry->hash);
    entry->next = *at;
    *at = entry;
    store->count++;
    store->bytes += key->len + value->len;
    return entry;
}

bool store_erase(struct store *store, const struct arg *key, uint64_t written)
{
    move_some(store);
    struct entry **at = find(store, key, hash_of(key));
    if (!at)
        return false;
    drop(store, at);
    store->erased = written;
    return true;
}

static void free_lists(struct table *table)
{
    for (size_t i = 0; i < table->room; i++) {
        for (struct entry *entry = table->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(table->buckets);
    *table = (struct table){0};
}

void store_clear(struct store *store, uint64_t written)
{
    free_lists(&store->now);
    free_lists(&store->old);
    store->count = store->bytes = 0;
    store->erased = written;
}

void store_expire(struct store *store, size_t *at)
{
    int64_t now = store_clock();
    for (int i = 0; i < EXPIRED_AT_ONCE && store->now.room; i++, (*at)++) {
        struct entry **link = &store->now.buckets[*at & (store->now.room - 1)];
        while (*link) {
            if (has_expired(*link, now))
                drop(store, link);
            else
                link = &(*link)->next;
        }
    }
}

bool store_walk(struct store *store, size_t at, void (*fn)(const struct entry *entry, void *arg),
                void *arg)
{
    if (at >= store->now.room + store->old.room)
        return false;
    const struct entry *entry =
        at < store->now.room ? store->now.buckets[at] : store->old.buckets[at - store->now.room];
    for (; entry; entry = entry->next)
        fn(entry, arg);
    return true;
}
