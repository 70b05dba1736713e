/* SPDX-License-Identifier: MIT */
/* GNU libmicrohttpd: one thread with epoll, or MODE_=percon, a thread for each connection. What
 * blocks, blocks its thread. */
#include <microhttpd.h>

#include "http.h"

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **ret_of_request)
{
    static int has_begun;
    (void)arg;
    (void)method;
    (void)version;
    (void)data;
    (void)data_len;
    if (!*ret_of_request) {
        *ret_of_request = &has_begun;
        return MHD_YES;
    }
    if (http_path_is_slow(url))
        http_block();
    struct MHD_Response *response = MHD_create_response_from_buffer(
        HTTP_BODY_LEN, (void *)(uintptr_t)HTTP_BODY, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "text/plain");
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

int main(int argc, char **argv)
{
    const char *mode = getenv("MODE_");
    int port = server_port(argc, argv);
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
    if (mode && strcmp(mode, "percon") == 0)
        flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
    struct MHD_Daemon *server =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET,
                         server_listen(port), MHD_OPTION_CONNECTION_LIMIT, 65536U, MHD_OPTION_END);
    if (!server)
        return 1;
    for (;;)
        pause();
}
