/* SPDX-License-Identifier: MIT */
/*
 * A crawler that is polite: it keeps to the hosts that it was given and to their robots.txt, and asks few
 * things of each at a time.
 *
 *     frontier (a queue) ──URL──► fetch ──page──► links (a worker) ──► store (SQLite) ──new URLs──► frontier
 *
 *     main.c     options, start, end
 *     crawl.c    the tasks that take pages from the frontier
 *     store.c    what is known of each page, in a database: a crawl that was ended goes on from there
 *     robots.c   robots.txt (RFC 9309)
 *     links.c    the links and the title of a page
 *     url.c      what a link means where it stands (RFC 3986)
 */
#ifndef CRAWLER_H
#define CRAWLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/http_client.h>
#include <weft/sqlite.h>
#include <weft/weft.h>

#define USER_AGENT "weft-crawler"

/* ---- url.c ---- */

enum { MOST_URL = 2048 };

/**
 * What `link` means on the page `base`: an http or https URL without a fragment, host in small letters,
 * no dot segments, no default port. False: none, or too long.
 */
bool url_resolve(const char *base, const char *link, size_t len, char ret[MOST_URL]);
/** How much of a URL is scheme, host and port. */
size_t url_origin(const char *url);

/* ---- robots.c ---- */

struct robots;

/** The rules that a robots.txt has for us. NULL: out of memory. */
struct robots *robots_parse(const char *text, size_t len);
bool robots_allow(const struct robots *robots, const char *path);
/** Between two requests; 0: as you like. */
weft_ns robots_delay(const struct robots *robots);
void robots_free(struct robots *robots);

/* ---- links.c ---- */

/** Texts, each ended by a NUL, one after the other. */
struct texts {
    char *data;
    size_t len, room, count;
};

bool texts_add(struct texts *texts, const char *text, size_t len);

struct page {
    struct texts links; /* resolved; some may be there twice */
    char title[256];    /* UTF-8 as far as the page is */
};

/** Read an HTML page, on a worker, which frees `html`; the value is a page with a destructor. */
weft_future *links_read(const char *url, weft_bytes *html);
void page_free(struct page *page);

/* ---- store.c ---- */

enum page_state { PAGE_TO_DO, PAGE_DONE, PAGE_FAILED, PAGE_REFUSED };

/** What became of a page. */
struct result {
    enum page_state state;
    int status; /* HTTP's */
    uint64_t bytes;
    weft_ns took;
    const char *type, *title, *message; /* NULL: none */
};

/** Open the database; the value is a weft_sqlite. */
weft_future *store_open(const char *path);
/** The URLs that are to do, as rows of (url, depth), after those of `urls` were added. */
weft_future *store_begin(weft_sqlite *db, const struct texts *urls);
/** Write a result down and add the links of the page, in one transaction; the value is the links that
 * were not known, as rows of (url). The arguments are borrowed until it is done. */
weft_future *store_page(weft_sqlite *db, const char *url, const struct result *result,
                        const struct texts *links, int depth);

/* ---- crawl.c ---- */

struct host {
    char origin[MOST_URL];
    struct robots *robots;
    weft_ns next; /* when it may be asked again */
};

/** The loop's. */
struct crawl {
    weft_http_session *session;
    weft_sqlite *db;
    weft_queue *frontier; /* of struct entry * */
    struct host *hosts;
    size_t host_count;
    int most_depth;
    size_t most_pages;                     /* 0: no limit */
    size_t waiting, done, failed, refused; /* waiting: in the frontier, or under way */
    uint64_t bytes;
};

struct entry {
    int depth;
    char url[];
};

/** Ask each host for its robots.txt. */
weft_future *crawl_hosts(struct crawl *crawl);
/** Put a page into the frontier, unless its host is not one of ours. 0 or -ENOMEM. */
int crawl_add(struct crawl *crawl, const char *url, int depth);
struct host *crawl_host(const struct crawl *crawl, const char *url);

struct visit_pages {
    WEFT_FRAME;
    struct crawl *crawl;
    struct entry *entry;
    int status;
};

WEFT_ASYNC_DECLARE(visit_pages);

#endif
