/* SPDX-License-Identifier: MIT */
/* OpenSSL alone: a thread for each connection, which blocks. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "../common/server.h"
#include "../common/tls.h"

enum { STACK = 256 * 1024, BUFFER = 64 * 1024 };

static SSL_CTX *tls;

static void *serve(void *arg)
{
    int got, fd = (int)(intptr_t)arg;
    char *buffer = malloc(BUFFER);
    SSL *ssl = SSL_new(tls);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        while ((got = SSL_read(ssl, buffer, BUFFER)) > 0 && SSL_write(ssl, buffer, got) == got)
            ;
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    free(buffer);
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_attr_t attr;
    pthread_t thread;
    tls = tls_server();
    int fd, listener = server_listen(server_port(argc, argv));
    struct pollfd readable = {.fd = listener, .events = POLLIN};
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    while (poll(&readable, 1, -1) >= 0) {
        while ((fd = server_accept(listener)) >= 0) {
            fcntl(fd, F_SETFL, 0);
            if (pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd) != 0)
                close(fd);
        }
    }
    return 1;
}
