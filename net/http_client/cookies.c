/* SPDX-License-Identifier: MIT */
/*
 * The cookie jar: libcurl's, in the session's share. Who looks into it needs a handle; one is made
 * for the call, and sends nothing.
 */
#include <errno.h>

#include "net/http_client/session.h"
#include "net/http_client/text.h"

static int check(weft_http_session *session, const char *function)
{
    int status = weft__client_session_check(session, function);
    if (status == 0 && (session->defaults.flags & WEFT_HTTP_NO_COOKIES))
        status = -EINVAL;
    return status;
}

/* NULL: out of memory. */
static CURL *open_jar(const weft_http_session *session)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    if (curl_easy_setopt(easy, CURLOPT_SHARE, session->share) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "") == CURLE_OK)
        return easy;
    curl_easy_cleanup(easy);
    return NULL;
}

static int tell_jar(const weft_http_session *session, const char *line)
{
    CURL *easy = open_jar(session);
    if (!easy)
        return -ENOMEM;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_COOKIELIST, line);
    curl_easy_cleanup(easy);
    return code == CURLE_OK ? 0 : -ENOMEM;
}

/* libcurl has words of its own, "ALL" say, and tells the two forms apart by the tab. */
int weft_http_session_set_cookie(weft_http_session *session, const char *cookie)
{
    int status = check(session, __func__);
    if (status == 0 &&
        (!cookie || !strchr(cookie, strchr(cookie, '\t') ? '\t' : '=') || strchr(cookie, '\n')))
        status = -EINVAL;
    if (status < 0)
        return status;
    if (strchr(cookie, '\t'))
        return tell_jar(session, cookie);
    size_t size = strlen(cookie) + sizeof("Set-Cookie: ");
    char *line = weft__companion_malloc(size);
    if (!line)
        return -ENOMEM;
    memcpy(line, "Set-Cookie: ", sizeof("Set-Cookie: "));
    memcpy(line + sizeof("Set-Cookie: ") - 1, cookie, strlen(cookie) + 1);
    status = tell_jar(session, line);
    weft__companion_free(line);
    return status;
}

int weft_http_session_clear_cookies(weft_http_session *session)
{
    int status = check(session, __func__);
    return status < 0 ? status : tell_jar(session, "ALL");
}

static weft_bytes *join(const struct curl_slist *lines)
{
    size_t size = 0;
    for (const struct curl_slist *line = lines; line; line = line->next)
        size += strlen(line->data) + 1;
    weft_bytes *bytes = weft__companion_malloc(sizeof(*bytes) + size + 1);
    if (!bytes)
        return NULL;
    *bytes = (weft_bytes){0, (char *)(bytes + 1)};
    for (const struct curl_slist *line = lines; line; line = line->next) {
        size_t len = strlen(line->data);
        memcpy(bytes->data + bytes->len, line->data, len);
        bytes->len += len;
        bytes->data[bytes->len++] = '\n';
    }
    bytes->data[bytes->len] = 0;
    return bytes;
}

weft_bytes *weft_http_session_cookies(weft_http_session *session)
{
    int status = check(session, __func__);
    CURL *easy = status == 0 ? open_jar(session) : NULL;
    struct curl_slist *lines = NULL;
    weft_bytes *bytes = NULL;
    if (easy && curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines) == CURLE_OK)
        bytes = join(lines);
    if (!bytes)
        errno = status < 0 ? -status : ENOMEM;
    curl_slist_free_all(lines);
    curl_easy_cleanup(easy);
    return bytes;
}
