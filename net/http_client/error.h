/* SPDX-License-Identifier: MIT */
/* libcurl's errors in weft's words. */
#ifndef WEFT_NET_HTTP_CLIENT_ERROR_H
#define WEFT_NET_HTTP_CLIENT_ERROR_H

#include <curl/curl.h>

/** The status for a transfer that ended with `code`; `os_error` is an errno or 0. */
int weft__client_error(CURLcode code, long os_error);

#endif
