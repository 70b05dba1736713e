/* SPDX-License-Identifier: MIT */
/*
 * Headers. Those of a request are checked here, since libcurl sends what it is given: a value with
 * a line end in it would be a header, or a request, of its own. Content-Length and
 * Transfer-Encoding are refused: the body says.
 *
 * Those of a response are kept as they came, in one block.
 */
#include "net/http_client/fields.h"

#include <errno.h>
#include <stdio.h>
#include <weft/error.h>

#include "net/http_client/text.h"

/* ---- Of a request ---- */

bool weft__client_is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    if (!text || !*text)
        return false;
    for (; *text; text++) {
        char c = weft__client_lower_char(*text);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr(others, c))
            return false;
    }
    return true;
}

static bool is_value(const char *value)
{
    for (; *value; value++)
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

/* Of an entry "Name: value", "Name:" or "Name;". */
static bool is_named(const struct curl_slist *entry, const char *name)
{
    size_t len = strlen(name);
    return weft__client_equals(entry->data, name, len) &&
           (entry->data[len] == ':' || entry->data[len] == ';');
}

bool weft__client_fields_has(const struct curl_slist *list, const char *name)
{
    while (list && !is_named(list, name))
        list = list->next;
    return list;
}

void weft__client_fields_drop(struct curl_slist **list, const char *name)
{
    struct curl_slist *entry;
    while ((entry = *list)) {
        if (!is_named(entry, name)) {
            list = &entry->next;
            continue;
        }
        *list = entry->next;
        entry->next = NULL;
        curl_slist_free_all(entry);
    }
}

static int append(struct curl_slist **list, const char *name, const char *value)
{
    size_t size = strlen(name) + (value ? strlen(value) : 0) + 3;
    char *line = weft__companion_malloc(size);
    if (!line)
        return -ENOMEM;
    if (value && !*value)
        snprintf(line, size, "%s;", name); /* how libcurl is told to send an empty one */
    else
        snprintf(line, size, "%s:%s%s", name, value ? " " : "", value ? value : "");
    struct curl_slist *longer = curl_slist_append(*list, line);
    weft__companion_free(line);
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

int weft__client_fields_add_one(struct curl_slist **list, const char *name, const char *value)
{
    if (!weft__client_is_token(name) || (value && !is_value(value)))
        return -EINVAL;
    return weft__client_fields_has(*list, name) ? 0 : append(list, name, value);
}

int weft__client_fields_add_line(struct curl_slist **list, const char *line)
{
    size_t len = strcspn(line, ":;");
    for (const struct curl_slist *entry = *list; entry; entry = entry->next)
        if (weft__client_equals(entry->data, line, len) && strcspn(entry->data, ":;") == len)
            return 0;
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

static bool is_framing(const char *name)
{
    return weft__client_equals(name, "content-length", sizeof("content-length") - 1) ||
           weft__client_equals(name, "transfer-encoding", sizeof("transfer-encoding") - 1);
}

/* Of one array, a name may come several times. */
int weft__client_fields_add(struct curl_slist **list, const struct weft_http_field *fields)
{
    struct curl_slist *before = *list, *added = NULL;
    int status = 0;
    for (; status == 0 && fields && fields->name; fields++) {
        if (!weft__client_is_token(fields->name) || is_framing(fields->name) ||
            (fields->value && !is_value(fields->value)))
            status = -EINVAL;
        else if (!weft__client_fields_has(before, fields->name))
            status = append(&added, fields->name, fields->value);
    }
    while (*list)
        list = &(*list)->next;
    *list = added;
    return status;
}

/* ---- Of a response ---- */

static int make_room(struct weft__client_head *head, size_t more)
{
    size_t needed = head->len + more;
    if (needed > WEFT__CLIENT_MAX_HEAD)
        return WEFT_ELIMIT;
    if (needed <= head->capacity)
        return 0;
    size_t capacity = needed < 1024 ? 1024 : needed * 2;
    char *text = weft__companion_realloc(head->text, capacity);
    if (!text)
        return -ENOMEM;
    head->text = text;
    head->capacity = capacity;
    return 0;
}

static void put(struct weft__client_head *head, const char *from, size_t len)
{
    if (len)
        memcpy(head->text + head->len, from, len);
    head->len += len;
    head->text[head->len++] = 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks around it. */
static const char *trim(const char *text, size_t *len)
{
    while (*len > 0 && is_blank(text[*len - 1]))
        --*len;
    while (*len > 0 && is_blank(*text)) {
        text++;
        --*len;
    }
    return text;
}

static int go_on_with_last(struct weft__client_head *head, const char *text, size_t len)
{
    int status = make_room(head, len + 1);
    if (status < 0 || head->last == 0)
        return status;
    head->text[head->len - 1] = ' ';
    put(head, text, len);
    return 0;
}

int weft__client_head_add(struct weft__client_head *head, const char *line, size_t len)
{
    bool is_folded = len > 0 && (*line == ' ' || *line == '\t');
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : 0;
    size_t value_len = colon ? len - name_len - 1 : 0;
    if (is_folded) {
        const char *text = trim(line, &len);
        return go_on_with_last(head, text, len);
    }
    if (!colon || memchr(line, 0, len))
        return 0; /* no header; libcurl lets some pass */
    const char *value = trim(colon + 1, &value_len);
    int status = make_room(head, name_len + value_len + 2);
    if (status < 0)
        return status;
    put(head, line, name_len);
    head->last = head->len;
    put(head, value, value_len);
    return 0;
}

void weft__client_head_clear(struct weft__client_head *head)
{
    head->len = head->last = 0;
}

void weft__client_head_free(struct weft__client_head *head)
{
    weft__companion_free(head->text);
    *head = (struct weft__client_head){0};
}

bool weft__client_head_at(const struct weft__client_head *head, size_t index, const char **ret_name,
                          const char **ret_value)
{
    size_t at = 0;
    for (; at < head->len; index--) {
        const char *name = head->text + at;
        const char *value = name + strlen(name) + 1;
        if (index == 0) {
            *ret_name = name;
            *ret_value = value;
            return true;
        }
        at = (size_t)(value - head->text) + strlen(value) + 1;
    }
    return false;
}

const char *weft__client_head_get(const struct weft__client_head *head, const char *name)
{
    const char *found, *value;
    for (size_t i = 0; weft__client_head_at(head, i, &found, &value); i++)
        if (strlen(found) == strlen(name) && weft__client_equals(found, name, strlen(name)))
            return value;
    return NULL;
}
