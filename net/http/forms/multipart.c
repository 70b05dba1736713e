/* SPDX-License-Identifier: MIT */
/*
 * multipart/form-data: parts between delimiters.
 *
 *     BEGIN --"--B"--> AFTER --CRLF--> HEAD --empty line--> CONTENT --"CRLF--B"--> AFTER
 *                        '--"--"--> LAST --[CRLF]--> OVER
 *
 * The delimiter begins with CR, and CR is nowhere else in it: so what was taken for its beginning and is
 * not can only be content, none of which begins another one. That part of the content is handed out from the
 * delimiter's own text, and nothing is ever kept back of what was fed.
 *
 * Strict: no text before the first delimiter and none behind the last but a line end, no blanks behind a
 * delimiter, no control characters in a head, each part with a name, once. Browsers and curl send
 * just that; what is different was made by hand, and filters in front may read it in another way.
 *
 * A file's name is what is behind the last slash or backslash of what was sent: never a path.
 */
#include "net/http/forms/multipart.h"

#include <string.h>
#include <strings.h>

enum state {
    AT_BEGIN,
    AT_AFTER,    /* a delimiter */
    AT_AFTER_CR, /* a delimiter and CR */
    AT_DASH,     /* a delimiter and "-" */
    AT_HEAD,
    AT_CONTENT,
    AT_LAST, /* behind the last delimiter */
    AT_LAST_CR,
    AT_OVER,
    AT_ERROR
};

/* A step's result if there is no event yet. */
enum { GO_ON = -1 };

static int fail(struct weft__http_multipart *p, const char *reason)
{
    p->state = AT_ERROR;
    p->reason = reason;
    return WEFT__MULTIPART_ERROR;
}

/* ---- Parameters: ; name=token or ; name="text" ---- */

struct parameter {
    struct weft__http_slice name, value; /* the value without its quotes */
    bool quoted;
};

/* Up to the quote that ends it; NULL: none does. */
static const char *skip_quoted(const char *at)
{
    while (*at && *at != '"')
        at += at[0] == '\\' && (at[1] == '"' || at[1] == '\\') ? 2 : 1;
    return *at ? at : NULL;
}

static const char *skip_token(const char *at)
{
    while (weft__http_is(*at, WEFT__HTTP_TCHAR))
        at++;
    return at;
}

/* 1: there is one; 0: there is no more; -1: malformed. */
static int next_parameter(const char **text, struct parameter *ret)
{
    const char *at = *text + strspn(*text, " \t");
    if (!*at)
        return 0;
    if (*at++ != ';')
        return -1;
    at += strspn(at, " \t");
    const char *end = skip_token(at);
    ret->name = (struct weft__http_slice){at, (size_t)(end - at)};
    if (end == at || *end != '=')
        return -1;
    at = end + 1;
    ret->quoted = *at == '"';
    at += ret->quoted;
    end = ret->quoted ? skip_quoted(at) : skip_token(at);
    if (!end || (!ret->quoted && end == at))
        return -1;
    ret->value = (struct weft__http_slice){at, (size_t)(end - at)};
    *text = end + ret->quoted;
    return 1;
}

static bool is_called(const struct parameter *parameter, const char *name)
{
    return weft__http_equal(parameter->name, name, strlen(name));
}

/* A value of the head, in place, with a NUL behind it. A backslash stands for itself but before a quote or a
 * backslash: old browsers send whole paths with it. */
static const char *settle(char *head, const struct parameter *parameter)
{
    char *begin = head + (parameter->value.data - head), *to = begin;
    const char *end = begin + parameter->value.len;
    for (const char *at = begin; at != end; at++) {
        if (parameter->quoted && at[0] == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        *to++ = *at;
    }
    *to = 0;
    return begin;
}

/* ---- The type of the whole ---- */

/* RFC 2046: these, and a blank that is not the last. No blanks here: nobody has them. */
static bool is_boundary(struct weft__http_slice text)
{
    if (!text.len || text.len > WEFT__MULTIPART_BOUNDARY)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!c || (!alnum && !strchr("'()+_,-./:=?", c)))
            return false;
    }
    return true;
}

bool weft__http_multipart_init(struct weft__http_multipart *p, const char *content_type)
{
    static const char type[] = "multipart/form-data";
    struct weft__http_slice boundary = {NULL, 0};
    struct parameter parameter;
    size_t len = content_type ? strcspn(content_type, "; \t") : 0;
    if (!len ||
        !weft__http_equal((struct weft__http_slice){content_type, len}, type, sizeof(type) - 1))
        return false;
    const char *at = content_type + len;
    int more;
    while ((more = next_parameter(&at, &parameter)) > 0) {
        if (!is_called(&parameter, "boundary"))
            continue;
        if (boundary.data)
            return false;
        boundary = parameter.value;
    }
    if (more < 0 || !boundary.data || !is_boundary(boundary))
        return false;
    memset(p, 0, sizeof(*p));
    memcpy(p->delimiter, "\r\n--", 4);
    memcpy(p->delimiter + 4, boundary.data, boundary.len);
    p->delimiter_len = 4 + boundary.len;
    p->matched = 2; /* the first one has no line end before it */
    return true;
}

/* ---- Heads ---- */

static const char *base_name(const char *path)
{
    const char *base = path;
    for (const char *at = path; *at; at++)
        if (*at == '/' || *at == '\\')
            base = at + 1;
    return base;
}

/* form-data; name="…"; filename="…"  False: malformed. */
static bool take_disposition(struct weft__http_multipart *p, char *value)
{
    static const char type[] = "form-data";
    struct parameter parameter, name = {.quoted = false}, filename = {.quoted = false};
    size_t len = strcspn(value, "; \t");
    const char *at = value + len;
    int more;
    if (p->name || !weft__http_equal((struct weft__http_slice){value, len}, type, sizeof(type) - 1))
        return false;
    while ((more = next_parameter(&at, &parameter)) > 0) {
        struct parameter *kept = is_called(&parameter, "name")       ? &name
                                 : is_called(&parameter, "filename") ? &filename
                                                                     : NULL;
        if (kept && kept->value.data)
            return false;
        if (kept)
            *kept = parameter;
    }
    if (more < 0 || !name.value.data)
        return false;
    p->name = settle(p->head, &name);
    if (filename.value.data)
        p->filename = base_name(settle(p->head, &filename));
    return true;
}

static bool is_plain_encoding(const char *value)
{
    return strcasecmp(value, "7bit") == 0 || strcasecmp(value, "8bit") == 0 ||
           strcasecmp(value, "binary") == 0;
}

/* "Name: value", a whole line, with a NUL behind it. */
static bool take_field(struct weft__http_multipart *p, char *line)
{
    char *colon = line + (skip_token(line) - line);
    if (colon == line || *colon != ':')
        return false;
    *colon = 0;
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (char *end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t');)
        *--end = 0;
    if (strcasecmp(line, "Content-Disposition") == 0)
        return take_disposition(p, value);
    if (strcasecmp(line, "Content-Transfer-Encoding") == 0)
        return is_plain_encoding(value);
    if (strcasecmp(line, "Content-Type") != 0)
        return true;
    bool first = !p->content_type;
    p->content_type = value;
    return first;
}

/* The line that has just ended, at CR LF, which are in the text. */
static int take_line(struct weft__http_multipart *p)
{
    char *line = p->head + p->line_start;
    size_t len = p->head_len - p->line_start - 2;
    line[len] = 0;
    p->line_start = p->head_len;
    if (len)
        return take_field(p, line) ? GO_ON : fail(p, "malformed head of a part");
    if (!p->name)
        return fail(p, "a part without a name");
    p->state = AT_CONTENT;
    p->matched = 0;
    return WEFT__MULTIPART_PART;
}

static int take_head_byte(struct weft__http_multipart *p, char c)
{
    bool after_cr = p->head_len > p->line_start && p->head[p->head_len - 1] == '\r';
    if (p->head_len == WEFT__MULTIPART_HEAD)
        return fail(p, "the head of a part is too long");
    if (after_cr != (c == '\n') || (weft__http_is_control(c) && !strchr("\t\r\n", c)) || !c)
        return fail(p, "control character in the head of a part");
    p->head[p->head_len++] = c;
    return c == '\n' ? take_line(p) : GO_ON;
}

/* ---- Content ---- */

static int found_delimiter(struct weft__http_multipart *p)
{
    bool begin = p->state == AT_BEGIN;
    p->matched = 0;
    p->state = AT_AFTER;
    return begin ? GO_ON : WEFT__MULTIPART_END;
}

/* The delimiter at the very beginning. */
static int take_begin_byte(struct weft__http_multipart *p, char c)
{
    if (c != p->delimiter[p->matched])
        return fail(p, "it does not begin with its boundary");
    return ++p->matched == p->delimiter_len ? found_delimiter(p) : GO_ON;
}

/* At least a byte is there. */
static int take_content(struct weft__http_multipart *p, const char **at, const char *end)
{
    if (!p->matched) {
        const char *cr = memchr(*at, '\r', (size_t)(end - *at));
        const char *stop = cr ? cr : end;
        p->data = (struct weft__http_slice){*at, (size_t)(stop - *at)};
        *at = stop;
        if (p->data.len)
            return WEFT__MULTIPART_DATA;
    }
    while (*at != end && p->matched < p->delimiter_len && **at == p->delimiter[p->matched]) {
        ++*at;
        p->matched++;
    }
    if (p->matched == p->delimiter_len)
        return found_delimiter(p);
    if (*at == end)
        return WEFT__MULTIPART_MORE;
    p->data = (struct weft__http_slice){p->delimiter, p->matched};
    p->matched = 0;
    return WEFT__MULTIPART_DATA;
}

/* ---- Between parts ---- */

static void begin_head(struct weft__http_multipart *p)
{
    p->state = AT_HEAD;
    p->head_len = p->line_start = 0;
    p->name = p->filename = p->content_type = NULL;
}

static int take_frame_byte(struct weft__http_multipart *p, char c)
{
    enum state state = (enum state)p->state;
    if (state == AT_AFTER && c == '\r')
        p->state = AT_AFTER_CR;
    else if (state == AT_AFTER && c == '-')
        p->state = AT_DASH;
    else if (state == AT_AFTER_CR && c == '\n')
        begin_head(p);
    else if (state == AT_DASH && c == '-')
        p->state = AT_LAST;
    else if (state == AT_LAST && c == '\r')
        p->state = AT_LAST_CR;
    else if (state == AT_LAST_CR && c == '\n')
        p->state = AT_OVER;
    else
        return fail(p, state == AT_LAST || state == AT_OVER ? "something behind the last boundary"
                                                            : "malformed boundary");
    return GO_ON;
}

static int step(struct weft__http_multipart *p, const char **at, const char *end)
{
    if (p->state == AT_ERROR)
        return WEFT__MULTIPART_ERROR;
    if (*at == end)
        return WEFT__MULTIPART_MORE;
    if (p->state == AT_CONTENT)
        return take_content(p, at, end);
    char c = *(*at)++;
    if (p->state == AT_HEAD)
        return take_head_byte(p, c);
    return p->state == AT_BEGIN ? take_begin_byte(p, c) : take_frame_byte(p, c);
}

enum weft__multipart_event weft__http_multipart_feed(struct weft__http_multipart *p,
                                                     const char *data, size_t len, size_t *ret_used)
{
    const char *at = data, *end = data + len;
    int event;
    do
        event = step(p, &at, end);
    while (event == GO_ON);
    *ret_used = (size_t)(at - data);
    return (enum weft__multipart_event)event;
}

bool weft__http_multipart_is_whole(const struct weft__http_multipart *p)
{
    return p->state == AT_LAST || p->state == AT_OVER;
}
