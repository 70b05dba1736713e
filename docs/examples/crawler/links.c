/* SPDX-License-Identifier: MIT */
/*
 * HTML is looked through for tags, as a browser's tokenizer would find them, without a tree: <a>, <area>
 * and <base>, <title>, and <meta name=robots>. Comments, scripts and styles are skipped.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crawler.h"

bool texts_add(struct texts *texts, const char *text, size_t len)
{
    if (texts->room - texts->len < len + 1) {
        size_t room = (texts->len + len + 1) * 2;
        char *data = realloc(texts->data, room);
        if (!data)
            return false;
        texts->data = data;
        texts->room = room;
    }
    memcpy(texts->data + texts->len, text, len);
    texts->data[texts->len + len] = '\0';
    texts->len += len + 1;
    texts->count++;
    return true;
}

void page_free(struct page *page)
{
    if (page)
        free(page->links.data);
    free(page);
}

static void destroy(void *page)
{
    page_free(page);
}

struct span {
    const char *at;
    size_t len;
};

struct reader {
    const char *at, *end;
    char base[MOST_URL];
    bool no_follow;
    struct page *page;
};

static bool is(struct span span, const char *word)
{
    return span.len == strlen(word) && strncasecmp(span.at, word, span.len) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* "&amp;" becomes "&": all that URLs need. Returns the length. */
static size_t decode(struct span span, char *ret, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < span.len && len + 1 < size; i++) {
        ret[len++] = span.at[i];
        if (span.len - i >= 5 && strncasecmp(span.at + i, "&amp;", 5) == 0)
            i += 4;
    }
    ret[len] = '\0';
    return len;
}

/* The next attribute of the tag that is being read. False: the tag has ended. */
static bool next_attribute(struct reader *reader, struct span *ret_name, struct span *ret_value)
{
    const char *at = reader->at, *end = reader->end;
    while (at < end && (is_space(*at) || *at == '/'))
        at++;
    *ret_name = *ret_value = (struct span){at, 0};
    while (at < end && !is_space(*at) && !strchr("=>/", *at))
        at++, ret_name->len++;
    while (at < end && is_space(*at))
        at++;
    if (at < end && *at == '=') {
        for (at++; at < end && is_space(*at);)
            at++;
        char quote = at < end && (*at == '"' || *at == '\'') ? *at++ : '\0';
        ret_value->at = at;
        while (at < end && (quote ? *at != quote : !is_space(*at) && *at != '>'))
            at++, ret_value->len++;
        at += quote && at < end;
    }
    bool has_one = ret_name->len > 0;
    if (!has_one && at < end)
        at++; /* the ">", or what is no name */
    reader->at = at;
    return has_one;
}

static bool contains(struct span value, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= value.len; i++) {
        if (strncasecmp(value.at + i, word, len) == 0)
            return true;
    }
    return false;
}

/* What a tag says. False: out of memory. */
static bool take_tag(struct reader *reader, struct span tag)
{
    struct span name, value, href = {NULL, 0}, meta_name = {NULL, 0}, content = {NULL, 0};
    bool no_follow = false;
    while (next_attribute(reader, &name, &value)) {
        if (is(name, "href"))
            href = value;
        else if (is(name, "rel"))
            no_follow = contains(value, "nofollow");
        else if (is(name, "name"))
            meta_name = value;
        else if (is(name, "content"))
            content = value;
    }
    if (is(tag, "meta") && is(meta_name, "robots"))
        reader->no_follow |= contains(content, "nofollow") || contains(content, "none");
    char link[MOST_URL], url[MOST_URL];
    if (!href.at || no_follow || href.len >= sizeof(link))
        return true;
    size_t len = decode(href, link, sizeof(link));
    bool resolved = url_resolve(reader->base, link, len, url);
    if (resolved && is(tag, "base"))
        memcpy(reader->base, url, sizeof(url));
    else if (resolved && (is(tag, "a") || is(tag, "area")))
        return texts_add(&reader->page->links, url, strlen(url));
    return true;
}

static void skip_to(struct reader *reader, const char *text)
{
    size_t len = strlen(text);
    while (reader->at < reader->end &&
           ((size_t)(reader->end - reader->at) < len || strncasecmp(reader->at, text, len) != 0))
        reader->at++;
}

static void take_title(struct reader *reader)
{
    size_t len = 0;
    char *title = reader->page->title;
    for (; reader->at < reader->end && *reader->at != '<'; reader->at++) {
        bool space = is_space(*reader->at);
        if (len + 1 < sizeof(reader->page->title) && !(space && (!len || title[len - 1] == ' ')))
            title[len++] = space ? ' ' : *reader->at;
    }
    while (len && (title[len - 1] == ' ' || ((unsigned char)title[len - 1] & 0xc0) == 0x80))
        len--; /* the last letter may be half of one */
    title[len] = '\0';
}

static bool read_html(struct reader *reader)
{
    while (reader->at < reader->end) {
        const char *open = memchr(reader->at, '<', (size_t)(reader->end - reader->at));
        reader->at = open ? open + 1 : reader->end;
        if (reader->end - reader->at >= 3 && memcmp(reader->at, "!--", 3) == 0) {
            skip_to(reader, "-->");
            continue;
        }
        struct span tag = {reader->at, 0};
        while (reader->at < reader->end && isalnum((unsigned char)*reader->at))
            reader->at++, tag.len++;
        if (!tag.len)
            continue;
        if (!take_tag(reader, tag))
            return false;
        if (is(tag, "script"))
            skip_to(reader, "</script");
        else if (is(tag, "style"))
            skip_to(reader, "</style");
        else if (is(tag, "title") && !*reader->page->title)
            take_title(reader);
    }
    return true;
}

struct read_links {
    const char *url; /* borrowed */
    weft_bytes *html;
};

static WEFT_BLOCKING(read_links)
{
    struct reader reader = {.at = self->html->data, .end = self->html->data + self->html->len};
    strncat(reader.base, self->url, MOST_URL - 1);
    reader.page = calloc(1, sizeof(*reader.page));
    if (!reader.page || !read_html(&reader)) {
        page_free(reader.page);
        return weft_err(-ENOMEM);
    }
    if (reader.no_follow)
        reader.page->links.len = reader.page->links.count = 0;
    return weft_ok(reader.page, destroy);
}

static void release(void *args)
{
    weft_bytes_free(((struct read_links *)args)->html);
}

weft_future *links_read(const char *url, weft_bytes *html)
{
    return weft_offload((&(struct weft_job_options){.release = release}), read_links, .url = url,
                        .html = html);
}
