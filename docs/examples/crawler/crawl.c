/* SPDX-License-Identifier: MIT */
/*
 * `waiting` counts what is in the frontier or under way. Whoever makes it zero closes the frontier: no
 * page is left from which another one could be found.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crawler.h"

/* ---- Hosts ---- */

struct host *crawl_host(const struct crawl *crawl, const char *url)
{
    size_t len = url_origin(url);
    for (size_t i = 0; i < crawl->host_count; i++) {
        if (strlen(crawl->hosts[i].origin) == len && memcmp(crawl->hosts[i].origin, url, len) == 0)
            return &crawl->hosts[i];
    }
    return NULL;
}

/* When a host that cannot be asked what it allows is to be left alone (RFC 9309, section 2.3.1.4). */
static const char nothing_allowed[] = "User-agent: *\nDisallow: /\n";

struct ask_hosts {
    WEFT_FRAME;
    struct crawl *crawl;
    size_t at;
    int status;
    weft_http_response *answer;
    char url[MOST_URL + 16];
};

static struct robots *rules_of(const struct ask_hosts *self)
{
    size_t len;
    int status = self->status < 0 ? 0 : weft_http_status(self->answer);
    if (status >= 200 && status < 300) {
        const char *text = weft_http_body(self->answer, &len);
        return robots_parse(text ? text : "", len);
    }
    if (status >= 400 && status < 500)
        return robots_parse("", 0);
    return robots_parse(nothing_allowed, strlen(nothing_allowed));
}

static WEFT_ASYNC(ask_hosts)
{
    struct crawl *crawl = self->crawl;
    WEFT_BEGIN;
    for (self->at = 0; self->at < crawl->host_count; self->at++) {
        snprintf(self->url, sizeof(self->url), "%s/robots.txt", crawl->hosts[self->at].origin);
        WEFT_CATCH_INTO(self->status, self->answer, weft_http_get(crawl->session, self->url));
        if (self->status == -ECANCELED)
            WEFT_FAIL(self->status);
        crawl->hosts[self->at].robots = rules_of(self);
        weft_http_response_free(self->answer);
        self->answer = NULL;
        if (!crawl->hosts[self->at].robots)
            WEFT_FAIL(-ENOMEM);
    }
    WEFT_FINALLY;
    weft_http_response_free(self->answer);
    WEFT_END;
}

weft_future *crawl_hosts(struct crawl *crawl)
{
    return weft_call(ask_hosts, .crawl = crawl);
}

/* ---- The frontier ---- */

int crawl_add(struct crawl *crawl, const char *url, int depth)
{
    if (!crawl_host(crawl, url))
        return 0;
    size_t size = strlen(url) + 1;
    struct entry *entry = malloc(sizeof(*entry) + size);
    if (!entry)
        return -ENOMEM;
    entry->depth = depth;
    memcpy(entry->url, url, size);
    int status = weft_queue_put_nowait(crawl->frontier, weft_value_ptr(entry), free);
    if (status < 0)
        free(entry);
    else
        crawl->waiting++;
    return status == WEFT_ECLOSED ? 0 : status;
}

/* ---- A page ---- */

struct visit {
    WEFT_FRAME;
    struct crawl *crawl;
    const struct entry *entry;
    weft_http_response *answer;
    struct page *page;
    struct result result;
    struct texts links;
    weft_sqlite_rows *found;
    char *message;
    weft_ns begin;
    size_t at;
    int status;
};

static bool is_allowed(const struct visit *self)
{
    const struct host *host = crawl_host(self->crawl, self->entry->url);
    return robots_allow(host->robots, self->entry->url + strlen(host->origin));
}

/* How long until the host may be asked; the turn is taken. */
static weft_ns take_turn(const struct visit *self)
{
    struct host *host = crawl_host(self->crawl, self->entry->url);
    weft_ns now = weft_now();
    weft_ns at = host->next > now ? host->next : now;
    host->next = at + robots_delay(host->robots);
    return at - now;
}

static bool is_html(const struct visit *self)
{
    return self->result.type && strncasecmp(self->result.type, "text/html", 9) == 0;
}

static void note_answer(struct visit *self)
{
    size_t len = 0;
    weft_http_body(self->answer, &len);
    self->result.state = PAGE_DONE;
    self->result.status = weft_http_status(self->answer);
    self->result.bytes = len;
    self->result.type = weft_http_header(self->answer, "Content-Type");
    self->crawl->bytes += len;
}

static void note_failure(struct visit *self, const char *message)
{
    self->result.state = PAGE_FAILED;
    self->message = strdup(message ? message : weft_strerror(self->status));
    self->result.message = self->message;
}

/* Those of the page's links that are to be followed. 0 or -ENOMEM. */
static int choose_links(struct visit *self)
{
    const struct texts *all = &self->page->links;
    for (const char *link = all->data; link < all->data + all->len; link += strlen(link) + 1) {
        if (self->entry->depth < self->crawl->most_depth && crawl_host(self->crawl, link) &&
            !texts_add(&self->links, link, strlen(link)))
            return -ENOMEM;
    }
    return 0;
}

static void count(struct crawl *crawl, enum page_state state)
{
    crawl->done += state == PAGE_DONE;
    crawl->failed += state == PAGE_FAILED;
    crawl->refused += state == PAGE_REFUSED;
}

static WEFT_ASYNC(visit)
{
    struct crawl *crawl = self->crawl;
    const char *url = self->entry->url;
    WEFT_BEGIN;
    if (!is_allowed(self)) {
        self->result.state = PAGE_REFUSED;
    } else {
        WEFT_AWAIT(weft_sleep(take_turn(self)));
        self->begin = weft_now();
        WEFT_CATCH_INTO(self->status, self->answer, weft_http_get(crawl->session, url));
        self->result.took = weft_now() - self->begin;
        if (self->status == -ECANCELED)
            WEFT_FAIL(self->status);
        if (self->status < 0)
            note_failure(self, WEFT_CAUGHT_MESSAGE);
        else
            note_answer(self);
    }
    /* a redirect may have led to another host, whose pages are not ours */
    if (self->result.state == PAGE_DONE && is_html(self) && self->result.status == 200 &&
        self->result.bytes && crawl_host(crawl, weft_http_url(self->answer))) {
        WEFT_AWAIT_INTO(self->page,
                        links_read(weft_http_url(self->answer), weft_http_take_body(self->answer)));
        self->result.title = *self->page->title ? self->page->title : NULL;
        self->status = choose_links(self);
        if (self->status < 0)
            WEFT_FAIL(self->status);
    }
    WEFT_AWAIT_INTO(self->found, store_page(crawl->db, url, &self->result, &self->links,
                                            self->entry->depth + 1));
    count(crawl, self->result.state);
    for (size_t i = 0; i < weft_sqlite_row_count(self->found); i++) {
        self->status =
            crawl_add(crawl, weft_sqlite_get_text(self->found, i, 0), self->entry->depth + 1);
        if (self->status < 0)
            WEFT_FAIL(self->status);
    }

    WEFT_FINALLY;
    weft_sqlite_rows_free(self->found);
    page_free(self->page);
    weft_http_response_free(self->answer);
    free(self->links.data);
    free(self->message);
    WEFT_END;
}

WEFT_ASYNC(visit_pages)
{
    struct crawl *crawl = self->crawl;
    WEFT_BEGIN;
    while (crawl->waiting &&
           !(crawl->most_pages && crawl->done + crawl->failed >= crawl->most_pages)) {
        WEFT_CATCH_INTO(self->status, self->entry, weft_queue_get(crawl->frontier));
        if (self->status == WEFT_ECLOSED)
            break;
        if (self->status < 0)
            WEFT_FAIL(self->status);
        WEFT_AWAIT(weft_call(visit, .crawl = crawl, .entry = self->entry));
        free(self->entry);
        self->entry = NULL;
        crawl->waiting--;
    }
    weft_queue_shutdown(crawl->frontier, WEFT_QUEUE_IMMEDIATE);

    WEFT_FINALLY;
    free(self->entry);
    WEFT_END;
}
