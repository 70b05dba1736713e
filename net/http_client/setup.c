/* SPDX-License-Identifier: MIT */
/*
 * libcurl's options for a transfer.
 *
 * What libcurl would do by itself, and weft does otherwise: redirects, deadlines, looking up names,
 * reading proxies from the environment, signals. A look-up that it tries nonetheless is refused,
 * rather than a thread started that the loop would join.
 */
#include "net/http_client/setup.h"

#include "net/http_client/session.h"
#include "net/http_client/text.h"
#include "net/http_client/transfer.h"

/* After a failure the others are nothing. */
#define SET(option, value) \
    (code = code == CURLE_OK ? curl_easy_setopt(easy, (option), (value)) : code)

/* Only what needs no look-up gets as far: addresses in numbers. */
static int refuse_look_up(void *state, void *reserved, void *is_numeric)
{
    (void)state;
    (void)reserved;
    return is_numeric ? 0 : 1;
}

static CURLcode set_callbacks(CURL *easy, struct weft__client_transfer *transfer)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_HEADERFUNCTION, weft__client_on_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, weft__client_on_data);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_PREREQFUNCTION, weft__client_on_connected);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_READFUNCTION, weft__client_upload_read);
    SET(CURLOPT_READDATA, transfer);
    SET(CURLOPT_SEEKFUNCTION, weft__client_upload_seek);
    SET(CURLOPT_SEEKDATA, transfer);
    return code;
}

static bool sends_length_always(const char *method)
{
    return weft__client_has_word("POST PUT PATCH", method);
}

static CURLcode set_method(CURL *easy, const struct weft__client_transfer *transfer,
                           const struct weft__client_request *request)
{
    const struct weft__client_upload *upload = &transfer->upload;
    CURLcode code = CURLE_OK;
    if (strcmp(request->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
        return code;
    }
    if (upload->body || sends_length_always(request->method)) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)(upload->body ? upload->length : 0));
    }
    /* One that is idle may be closed already. */
    if (!weft__client_request_is_repeatable(request) || request->avoids_idle)
        SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    return code;
}

static CURLcode set_request(CURL *easy, struct weft__client_transfer *transfer,
                            const struct weft__client_request *request)
{
    CURLcode code = set_method(easy, transfer, request);
    SET(CURLOPT_URL, request->url.text);
    SET(CURLOPT_HTTPHEADER, transfer->fields);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (!(request->flags & WEFT_HTTP_RAW))
        SET(CURLOPT_ACCEPT_ENCODING, "");
    if (request->user)
        SET(CURLOPT_USERNAME, request->user);
    if (request->password)
        SET(CURLOPT_PASSWORD, request->password);
    if (request->flags & WEFT_HTTP_NEW_CONNECTION) {
        SET(CURLOPT_FRESH_CONNECT, 1L);
        SET(CURLOPT_FORBID_REUSE, 1L);
    }
    return code;
}

static CURLcode set_version(CURL *easy, unsigned flags)
{
    CURLcode code = CURLE_OK;
    if (flags & WEFT_HTTP_ONE_ONLY)
        SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    else if (flags & WEFT_HTTP_TWO_ONLY)
        SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    return code;
}

/* An address in numbers, which was not looked up, where libcurl looks at one all the same. */
static bool has_numbers(const struct weft__client_transfer *transfer)
{
    const weft_http_session *session = transfer->session;
    return session->looks_up_behind_proxy && (weft__client_url_is_numeric(&session->proxy) ||
                                              weft__client_url_is_numeric(&transfer->request->url));
}

/*
 * After this time libcurl tries the other family of addresses, if there is one: but it looks in any
 * case, at all transfers whose time has come, in one call. So where there is one family it never
 * comes, and else the more are under way the later, each at a time of its own.
 */
static long patience(const struct weft__client_transfer *transfer, bool has_both_families)
{
    size_t under_way = transfer->session->users;
    if (!has_both_families)
        return 24L * 3600 * 1000;
    return 200 + (long)(under_way < 2000 ? under_way : 2000);
}

/* Of several addresses of one family libcurl gives each half of the time that is left, if it knows
   that there is a limit; at the limit itself weft is first. */
static CURLcode share_time(CURL *easy, const struct weft__client_transfer *transfer)
{
    weft_ns limit = transfer->request->timeouts.connect;
    CURLcode code = CURLE_OK;
    if (limit < WEFT_S(1000000))
        SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(limit / 1000000) + 1);
    return code;
}

static CURLcode set_route(CURL *easy, struct weft__client_transfer *transfer,
                          bool has_both_families)
{
    const struct weft__client_defaults *defaults = &transfer->session->defaults;
    CURLcode code = CURLE_OK;
    bool is_abstract = defaults->unix_socket && defaults->unix_socket[0] == '@';
    SET(CURLOPT_NOSIGNAL, 1L);
    bool has_proxy = weft__client_session_uses_proxy(transfer->session, &transfer->request->url);
    SET(CURLOPT_PROXY, has_proxy ? defaults->proxy : "");
    SET(CURLOPT_NOPROXY, "");
    if (defaults->unix_socket && is_abstract)
        SET(CURLOPT_ABSTRACT_UNIX_SOCKET, defaults->unix_socket + 1);
    else if (defaults->unix_socket)
        SET(CURLOPT_UNIX_SOCKET_PATH, defaults->unix_socket);
    SET(CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, patience(transfer, has_both_families));
    SET(CURLOPT_RESOLVE, transfer->known);
    SET(CURLOPT_RESOLVER_START_FUNCTION, refuse_look_up);
    SET(CURLOPT_RESOLVER_START_DATA, transfer->known && !has_numbers(transfer) ? NULL : transfer);
    return code;
}

static CURLcode set_session(CURL *easy, struct weft__client_transfer *transfer,
                            bool has_both_families)
{
    const weft_http_session *session = transfer->session;
    CURLcode code = set_route(easy, transfer, has_both_families);
    if (code == CURLE_OK)
        code = set_version(easy, session->defaults.flags);
    if (code == CURLE_OK)
        code = weft__client_trust_apply(session->trust, easy);
    SET(CURLOPT_SHARE, session->share);
    if (!(session->defaults.flags & WEFT_HTTP_NO_COOKIES))
        SET(CURLOPT_COOKIEFILE, "");
    return code;
}

static bool copy_lists(struct weft__client_transfer *transfer,
                       const struct weft__client_request *request,
                       const struct weft__client_known *known)
{
    for (int i = 0; i < 2; i++) {
        const char *entry = known->entries[i];
        struct curl_slist *longer =
            entry ? curl_slist_append(transfer->known, entry) : transfer->known;
        if (entry && !longer)
            return false;
        transfer->known = longer;
    }
    for (struct curl_slist *entry = request->fields; entry; entry = entry->next) {
        struct curl_slist *longer = curl_slist_append(transfer->fields, entry->data);
        if (!longer)
            return false;
        transfer->fields = longer;
    }
    return true;
}

bool weft__client_setup(struct weft__client_transfer *transfer,
                        const struct weft__client_request *request,
                        const struct weft__client_known *known)
{
    CURL *easy = transfer->easy;
    transfer->has_several = known->has_several;
    if (!copy_lists(transfer, request, known))
        return false;
    return set_callbacks(easy, transfer) == CURLE_OK &&
           set_request(easy, transfer, request) == CURLE_OK &&
           set_session(easy, transfer, known->has_both_families) == CURLE_OK &&
           (!transfer->has_several || share_time(easy, transfer) == CURLE_OK);
}
