/* SPDX-License-Identifier: MIT */
/* What libcurl says, as weft says it. See net/http_client/error.c. */
#ifndef WEFT_NET_HTTP_CLIENT_ERROR_H
#define WEFT_NET_HTTP_CLIENT_ERROR_H

#include <curl/curl.h>
#include <stdbool.h>

/** How a transfer has ended. */
struct weft__client_end {
    CURLcode code;
    long os_error;      /* 0: none */
    long proxy_status;  /* of a request for a tunnel; 0: none was made */
    bool has_head;      /* all headers of the response had come */
    bool lacks_goodbye; /* the body ended with a connection of TLS, and that without its goodbye */
    const char *text;   /* libcurl's; "": none */
};

/** The status, 0 for CURLE_OK; and why, borrowed as `text` is. */
int weft__client_error(const struct weft__client_end *end, const char **ret_message);

#endif
