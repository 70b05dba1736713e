/* SPDX-License-Identifier: MIT */
/*
 * Counts events: they come over HTTP and UDP, are summed up in memory, and what they sum up to is kept in
 * a database and drawn by a page.
 *
 *     HTTP, UDP ──lines──► table of series (the loop) ──each second──► /live ──► page
 *                              │ roll-ups, one for each series and 10 s
 *                              ▼
 *                            store ──a group at a time──► SQLite (a worker) ──► /query
 *
 *     main.c      options, start and end
 *     events.c    what a line says
 *     series.c    the series: their last minute, and what is to be written of them
 *     summary.c   count, sum, least, most and percentiles of many values
 *     store.c     the database
 *     receive.c   POST /events, and UDP
 *     ask.c       /series, /query, /stats
 *     live.c      /live, and the page
 *     text.c      a text that grows
 */
#ifndef ANALYTICS_H
#define ANALYTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/http_server.h>
#include <weft/udp.h>
#include <weft/weft.h>

/* ---- text.c ---- */

/** Zeroed: empty. Out of memory is kept in `failed` and drops what follows. */
struct text {
    char *data; /* ends with NUL, once there is something */
    size_t len, room;
    bool failed;
};

void text_add(struct text *text, const void *data, size_t len);
void text_addf(struct text *text, const char *format, ...) WEFT_PRINTF(2, 3);
/** A string of JSON, from UTF-8. */
void text_add_string(struct text *text, const char *string);
/** A number of JSON: as few digits as are read as the same one. */
void text_add_number(struct text *text, double number);
void text_fini(struct text *text);

/* ---- summary.c ---- */

enum {
    MOST_CELLS = 128,
    MOST_DIGEST = 1 + MOST_CELLS * 6 /* bytes of one that is stored */
};

struct cell {
    uint32_t count;
    int16_t key; /* which values it counts */
};

/** How many values there were of which size: sorted cells. As there must not be too many of them, each may
 * stand for a wider range than at first. */
struct digest {
    struct cell *cells;
    unsigned char len, room, halved; /* halved: how often the resolution was */
};

/** Zeroed: of no values. */
struct summary {
    uint64_t count;
    double sum, min, max;
    struct digest digest; /* lacks values for which there was no memory */
};

void summary_add(struct summary *summary, double value);
void summary_merge(struct summary *into, const struct summary *from);
/** The value that this part (0 … 1) of all do not exceed, at most 1/32 off while there are few cells. */
double summary_percentile(const struct summary *summary, double part);
/** Of no values again; keeps the memory. */
void summary_clear(struct summary *summary);
void summary_fini(struct summary *summary);
/** The members of an object of JSON that describe it: "count":1,… */
void summary_write(const struct summary *summary, struct text *out);

size_t digest_store(const struct digest *digest, unsigned char bytes[MOST_DIGEST]);
/** False: these bytes are no digest, or out of memory. `ret` was zeroed. */
bool digest_load(struct digest *ret, const unsigned char *bytes, size_t len);

/* ---- events.c ---- */

enum { MOST_NAME = 64, MOST_TAGS = 8, MOST_TAG = 2 * MOST_NAME + 1 };

struct event {
    char name[MOST_NAME + 1];
    char tags[MOST_TAGS][MOST_TAG + 1]; /* "key:value" */
    size_t tag_count;
    double value;
    int64_t time; /* seconds since 1970; NO_TIME: now */
};

#define NO_TIME INT64_MIN

/** What a line says; NULL, or what is wrong with it. */
const char *event_parse(const char *line, size_t len, struct event *ret);
/** The next line of a text, without its end; *at moves on. False: there is none. Empty ones, too. */
bool next_line(const char *data, size_t len, size_t *at, const char **ret_line, size_t *ret_len);
bool is_name(const char *text);

/* ---- series.c ---- */

enum {
    WINDOW = 60, /* seconds that are known one by one */
    AHEAD = 10,  /* how far a clock of somebody else may be ahead */
    SECONDS = WINDOW + AHEAD + 1
};

struct second {
    int64_t time;
    struct summary summary;
};

/** What is to be written of a series: of `span` seconds from `time` on. */
struct part {
    struct part *next;  /* of all that are to be written */
    struct part *older; /* of the same series */
    struct series *series;
    int64_t time, span;
    struct summary summary;
};

/** All events of a name, or those that have a tag besides. */
struct series {
    struct series *next;                  /* in its bucket */
    struct series *preceding, *following; /* in the order in which they came */
    uint64_t hash;
    int64_t id;   /* in the database */
    int64_t last; /* time of the latest event */
    bool stored;  /* the database knows it */
    struct part *parts;
    struct second seconds[SECONDS]; /* at time % SECONDS */
    const char *tag;                /* "key:value"; "": all events */
    char name[];
};

struct table {
    struct series **buckets, *first, *last;
    size_t room, count, limit;
    int64_t next_id;
    int64_t roll_up; /* seconds of a part */
    int64_t keep;    /* seconds after which an event is forgotten */
    struct part *parts;
    size_t part_count, most_parts;
    uint64_t events;  /* that were counted */
    uint64_t refused; /* series that there was no room for: as often as one was asked for */
    uint64_t merged;  /* parts that were made longer, because too many wait */
};

/** Seconds since 1970. */
int64_t clock_now(void);

int table_init(struct table *table);
void table_fini(struct table *table);
/** NULL: there is none. */
struct series *table_find(const struct table *table, const char *name, const char *tag);
/** As the database has it; whatever the limit is. NULL: out of memory. */
struct series *table_add_stored(struct table *table, int64_t id, const char *name, const char *tag,
                                int64_t last);
void table_remove(struct table *table, struct series *series);
/** NULL, or why an event of that time is not counted. */
const char *table_refuses(const struct table *table, const struct event *event, int64_t now);
/** Count an event, in each series whose tag it has. False: there was no room for its name's. */
bool table_count(struct table *table, const struct event *event, int64_t now);
/** All that is to be written, from now on the caller's. */
struct part *table_take(struct table *table);
void parts_free(struct part *parts);

/** What came in the `seconds` seconds before `end`; `ret` is zeroed, or a summary to which it is added. */
void series_window(const struct series *series, int64_t end, int64_t seconds, struct summary *ret);
/** Of one second; NULL: nothing came. */
const struct summary *series_second(const struct series *series, int64_t time);

/* ---- store.c ---- */

struct store;

/** A roll-up of a series, for a chart: point i is of `step` seconds from `from` + i * `step` on. */
struct points {
    int64_t from, step;
    size_t count;
    struct summary *list;
    bool merged; /* something in it is of a longer time, and stands where that begins */
};

struct store_stats {
    uint64_t groups, rows, stored, failures, expired;
    double last_ms;
    size_t writing;    /* parts */
    const char *error; /* of the last attempt; "": none */
};

/** Open the database, and read which series there are into the table; the value is the store. */
weft_future *store_open(struct table *table, const char *path);
/** Ends with the failure that ended it; borrowed. */
weft_future *store_task(struct store *store);
/** Wait until all events up to this one are on the disk. Fails when that has failed; it will be tried again. */
weft_future *store_wait(struct store *store, uint64_t events);
/** Sum up what there is of a series, on the disk and in memory, in `points`, which are borrowed. */
weft_future *store_query(struct store *store, const struct series *series, struct points *points);
/** Write what is left, and close. */
weft_future *store_close(struct store *store);
void store_free(struct store *store);
void store_get_stats(const struct store *store, struct store_stats *ret);

/* ---- What all share ---- */

struct app {
    struct table table;
    struct store *store;
    weft_http_server *server;
    weft_udp *udp;
    size_t viewers; /* of /live */
    uint64_t by_http, by_udp, bad_lines;
    char last_bad[160]; /* what was wrong with a line by UDP */
};

/* ---- receive.c, ask.c, live.c ---- */

void add_receive_routes(struct app *app);
void add_ask_routes(struct app *app);
void add_live_routes(struct app *app);

struct receive_udp {
    WEFT_FRAME;
    struct app *app;
    weft_datagram *got;
};

WEFT_ASYNC_DECLARE(receive_udp);

#endif
