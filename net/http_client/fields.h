/* SPDX-License-Identifier: MIT */
/* The headers of a request, as libcurl takes them, and those of a response. */
#ifndef WEFT_NET_HTTP_CLIENT_FIELDS_H
#define WEFT_NET_HTTP_CLIENT_FIELDS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <weft/http_client.h>

/* ---- Of a request ---- */

/** Add those of the array (NULL: none) whose names are not there yet. 0, -EINVAL, -ENOMEM. */
int weft__client_fields_add(struct curl_slist **list, const struct weft_http_field *fields);

/** Add one, unless its name is there. A value that is NULL leaves out what libcurl would send. */
int weft__client_fields_add_one(struct curl_slist **list, const char *name, const char *value);

/** Add a line of another list, unless its name is there. 0, -ENOMEM. */
int weft__client_fields_add_line(struct curl_slist **list, const char *line);

bool weft__client_fields_has(const struct curl_slist *list, const char *name);

/** Take out all of that name. */
void weft__client_fields_drop(struct curl_slist **list, const char *name);

/** A token, as a method and a header's name are. */
bool weft__client_is_token(const char *text);

/* ---- Of a response ---- */

/** "name\0value\0name\0value\0…", in one block. */
struct weft__client_head {
    char *text; /* owned */
    size_t len, capacity;
    size_t last; /* where the last value begins, to which a folded line belongs */
};

enum { WEFT__CLIENT_MAX_HEAD = 256 << 10 };

/** Add a line as it came. 0, WEFT_ELIMIT, -ENOMEM. */
int weft__client_head_add(struct weft__client_head *head, const char *line, size_t len);

void weft__client_head_clear(struct weft__client_head *head);
void weft__client_head_free(struct weft__client_head *head);

/** False behind the last. */
bool weft__client_head_at(const struct weft__client_head *head, size_t index, const char **ret_name,
                          const char **ret_value);

/** NULL: there is none. */
const char *weft__client_head_get(const struct weft__client_head *head, const char *name);

#endif
