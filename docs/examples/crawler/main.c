/* SPDX-License-Identifier: MIT */
/* crawler: see docs/programs/crawler.md. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crawler.h"

static const char help[] =
    "usage: crawler [-d DEPTH] [-j N] [-n PAGES] [-o FILE] URL...\n"
    "  -d DEPTH  how many links away from the URLs (3)\n"
    "  -j N      pages at the same time, of each host (2)\n"
    "  -n PAGES  at most (all)\n"
    "  -o FILE   the database (crawl.db); what is in it is not asked for again\n"
    "Stays on the hosts of the URLs, and keeps to their robots.txt. Ctrl-C ends it; the same call "
    "goes on.\n";

struct options {
    double depth, per_host, pages;
    const char *file;
    struct texts urls;
};

struct show_progress {
    WEFT_FRAME;
    const struct crawl *crawl;
};

static WEFT_ASYNC(show_progress)
{
    WEFT_BEGIN;
    for (;;) {
        fprintf(stderr, "\r\033[K%zu done, %zu failed, %zu refused, %zu to do, %" PRIu64 " KiB",
                self->crawl->done, self->crawl->failed, self->crawl->refused, self->crawl->waiting,
                self->crawl->bytes / 1024);
        WEFT_AWAIT(weft_sleep(WEFT_MS(200)));
    }
    WEFT_FINALLY;
    fputs("\r\033[K", stderr);
    WEFT_END;
}

struct crawl_all {
    WEFT_FRAME;
    struct options *options;
    struct crawl crawl;
    weft_sqlite_rows *to_do;
    weft_scope *scope;
    weft_future *progress;
    int status;
};

/* A host for each that the URLs name. */
static int add_hosts(struct crawl *crawl, const struct texts *urls)
{
    crawl->hosts = calloc(urls->count, sizeof(*crawl->hosts));
    if (!crawl->hosts)
        return -ENOMEM;
    for (const char *url = urls->data; url < urls->data + urls->len; url += strlen(url) + 1) {
        if (!crawl_host(crawl, url))
            snprintf(crawl->hosts[crawl->host_count++].origin, MOST_URL, "%.*s",
                     (int)url_origin(url), url);
    }
    return 0;
}

static int set_up(struct crawl_all *self)
{
    const struct options *options = self->options;
    struct crawl *crawl = &self->crawl;
    crawl->most_depth = (int)options->depth;
    crawl->most_pages = (size_t)options->pages;
    if (add_hosts(crawl, &options->urls) < 0)
        return -ENOMEM;
    crawl->frontier = weft_queue_new(&(struct weft_queue_options){.bound = WEFT_UNBOUNDED});
    crawl->session = weft_http_session_new(&(struct weft_http_session_options){
        .user_agent = USER_AGENT "/1",
        .max_requests = (size_t)options->per_host * crawl->host_count,
        .max_per_host = (size_t)options->per_host,
        .max_body = 8 << 20,
        .timeouts = {.total = WEFT_S(60)},
        .retry = {.attempts = 3}});
    return crawl->frontier && crawl->session ? 0 : -errno;
}

static int fill_frontier(struct crawl_all *self)
{
    int status = 0;
    for (size_t i = 0; i < weft_sqlite_row_count(self->to_do) && status == 0; i++)
        status = crawl_add(&self->crawl, weft_sqlite_get_text(self->to_do, i, 0),
                           (int)weft_sqlite_get_int(self->to_do, i, 1));
    return status;
}

static WEFT_ASYNC(crawl_all)
{
    struct crawl *crawl = &self->crawl;
    WEFT_BEGIN;
    self->status = set_up(self);
    if (self->status < 0)
        WEFT_FAIL(self->status, "cannot begin");
    WEFT_CATCH_INTO(self->status, crawl->db, store_open(self->options->file));
    if (self->status < 0)
        WEFT_FAIL(self->status, "%s: %s", self->options->file, WEFT_CAUGHT_MESSAGE);
    WEFT_AWAIT_INTO(self->to_do, store_begin(crawl->db, &self->options->urls));
    WEFT_AWAIT(crawl_hosts(crawl));
    self->status = fill_frontier(self);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    if (isatty(STDERR_FILENO))
        self->progress = weft_spawn(show_progress, .crawl = crawl);
    self->scope = weft_scope_open(NULL);
    for (size_t i = 0; i < (size_t)self->options->per_host * crawl->host_count; i++)
        weft_scope_spawn(self->scope, visit_pages, .crawl = crawl);
    WEFT_AWAIT(weft_scope_close(self->scope, 0));

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    if (self->progress) {
        weft_cancel(self->progress);
        WEFT_CATCH(self->status, self->progress);
    }
    if (crawl->db) {
        WEFT_CATCH(self->status, weft_sqlite_close(crawl->db));
        printf("%zu done, %zu failed, %zu refused, %" PRIu64 " bytes%s\n", crawl->done,
               crawl->failed, crawl->refused, crawl->bytes,
               crawl->waiting ? "; the same call goes on" : "");
    }
    weft_sqlite_rows_free(self->to_do);
    weft_sqlite_free(crawl->db);
    weft_http_session_free(crawl->session);
    weft_queue_unref(crawl->frontier);
    for (size_t i = 0; i < crawl->host_count; i++)
        robots_free(crawl->hosts[i].robots);
    free(crawl->hosts);
    WEFT_END;
}

/* ---- Options ---- */

static bool read_number(const char *text, double least, double most, double *ret)
{
    char *end = NULL;
    *ret = text ? strtod(text, &end) : -1;
    return end && *text && !*end && *ret >= least && *ret <= most;
}

static bool read_options(char **args, struct options *ret)
{
    *ret = (struct options){.depth = 3, .per_host = 2, .file = "crawl.db"};
    for (; *args && **args == '-'; args += 2) {
        bool ok = args[1];
        if (strcmp(*args, "-d") == 0)
            ok = read_number(args[1], 0, 1000, &ret->depth);
        else if (strcmp(*args, "-j") == 0)
            ok = read_number(args[1], 1, 100, &ret->per_host);
        else if (strcmp(*args, "-n") == 0)
            ok = read_number(args[1], 1, 1e9, &ret->pages);
        else if (strcmp(*args, "-o") == 0 && ok)
            ret->file = args[1];
        else
            ok = false;
        if (!ok)
            return false;
    }
    for (; *args; args++) {
        char url[MOST_URL];
        if (!url_resolve(NULL, *args, strlen(*args), url)) {
            fprintf(stderr, "crawler: %s: not an http or https URL\n", *args);
            return false;
        }
        if (!texts_add(&ret->urls, url, strlen(url)))
            return false;
    }
    return ret->urls.count > 0;
}

int main(int argc, char **argv)
{
    struct options options;
    (void)argc;
    if (!read_options(argv + 1, &options)) {
        free(options.urls.data);
        fputs(help, stderr);
        return 2;
    }
    int status = weft_run(crawl_all, .options = &options);
    free(options.urls.data);
    return status;
}
