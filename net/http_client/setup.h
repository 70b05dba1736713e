/* SPDX-License-Identifier: MIT */
/* libcurl's options for a transfer. See net/http_client/setup.c. */
#ifndef WEFT_NET_HTTP_CLIENT_SETUP_H
#define WEFT_NET_HTTP_CLIENT_SETUP_H

#include <stdbool.h>
#include <stddef.h>

struct weft__client_known;
struct weft__client_request;
struct weft__client_transfer;

/** False: out of memory. */
bool weft__client_setup(struct weft__client_transfer *transfer,
                        const struct weft__client_request *request,
                        const struct weft__client_known *known);

/* What libcurl calls; `arg` is the transfer. See transfer.c. */
size_t weft__client_on_header(char *line, size_t one, size_t count, void *arg);
size_t weft__client_on_data(char *data, size_t one, size_t count, void *arg);
int weft__client_on_connected(void *arg, char *ip, char *local, int port, int local_port);

#endif
