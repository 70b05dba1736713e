/* SPDX-License-Identifier: MIT */
#include "tests/support/http.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/time.h>

#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"

static char address[64];
const char *const test_http_address = address;

weft_http_server *test_http_begin(const struct weft_http_server_options *options)
{
    weft_http_server *server = weft_http_server_new(options);
    cr_assert_not_null(server);
    test_http_handlers(server);
    snprintf(address, sizeof(address), "unix:@weft-http-test-%d", (int)getpid());
    cr_assert_eq(weft_http_server_listen(server, address), 0);
    return server;
}

void test_http_end(weft_http_server *server)
{
    weft_http_server_free(server);
    weft_test_loop_end();
}

static struct test_client client_of(int fd)
{
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    char *received = calloc(1, 1);
    cr_assert_not_null(received);
    return (struct test_client){.fd = fd, .received = received};
}

struct test_client test_http_connect_tcp(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0, "%s", strerror(errno));
    return client_of(fd);
}

struct test_client test_http_connect(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t len = strlen(address) - strlen("unix:@");
    memcpy(to.sun_path + 1, address + strlen("unix:@"), len);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, size), 0, "%s", strerror(errno));
    return client_of(fd);
}

static void turn(void)
{
    for (int i = 0; i < 4; i++) {
        event_base_loop(weft_loop_base(test_loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
        int status = weft_test_run(weft_sleep(0));
        cr_assert(status == 0 || status == -ENOMEM); /* a test may want the latter */
    }
}

static void drop_dates(struct test_client *client)
{
    char *date;
    char *end;
    while ((date = strstr(client->received, "\r\nDate: ")) && (end = strstr(date + 2, "\r\n"))) {
        memmove(date, end, client->len - (size_t)(end - client->received) + 1);
        client->len -= (size_t)(end - date);
    }
}

/* Take what is there; false if nothing is. */
static bool take(struct test_client *client)
{
    char data[65536];
    if (client->ended || client->deaf)
        return false;
    ssize_t got = recv(client->fd, data, sizeof(data), 0);
    if (got < 0 && errno == EAGAIN)
        return false;
    client->ended = got <= 0;
    client->reset = got < 0;
    if (got <= 0)
        return false;
    client->received = realloc(client->received, client->len + (size_t)got + 1);
    cr_assert_not_null(client->received);
    memcpy(client->received + client->len, data, (size_t)got);
    client->len += (size_t)got;
    client->received[client->len] = 0;
    if (strlen(client->received) == client->len)
        drop_dates(client);
    return true;
}

/* What was sent and is not read yet. */
static int unread(const struct test_client *client)
{
    int queued = 0;
    return ioctl(client->fd, SIOCOUTQ, &queued) < 0 ? 0 : queued;
}

void test_http_turn(struct test_client *client)
{
    int left = unread(client);
    for (int quiet = 0; quiet < 2; quiet++) {
        turn();
        while (take(client))
            quiet = 0;
        if (unread(client) != left)
            quiet = 0;
        left = unread(client);
    }
}

bool test_http_send(struct test_client *client, const void *data, size_t len)
{
    for (int stuck = 0; len && stuck < 8;) {
        ssize_t sent = send(client->fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            data = (const char *)data + sent;
            len -= (size_t)sent;
            stuck = 0;
            continue;
        }
        turn();
        stuck++;
    }
    return len == 0;
}

const char *test_http_say(struct test_client *client, const char *text)
{
    test_http_send(client, text, strlen(text));
    test_http_turn(client);
    return client->received;
}

void test_http_pass(struct test_client *client, weft_ns duration)
{
    cr_assert_eq(weft_test_run(weft_sleep(duration)), 0);
    test_http_turn(client);
}

weft_ns test_http_to_end(struct test_client *client)
{
    weft_ns begin = weft_now();
    test_http_turn(client);
    while (!client->ended) {
        test_http_pass(client, WEFT_MS(250));
        cr_assert(weft_now() - begin < WEFT_S(600), "no end after ten minutes: %s",
                  client->received);
    }
    return weft_now() - begin;
}

void test_http_close(struct test_client *client)
{
    close(client->fd);
    free(client->received);
    client->received = NULL;
}

char *test_http_ask(const char *text)
{
    struct test_client client = test_http_connect();
    test_http_say(&client, text);
    test_http_to_end(&client);
    char *received = client.received;
    client.received = NULL;
    test_http_close(&client);
    return received;
}

int test_http_status(const char *answer)
{
    int status = 0;
    return sscanf(answer, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

const char *test_http_body(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : NULL;
}

size_t test_http_count(const char *in, const char *text)
{
    size_t count = 0;
    for (const char *at = strstr(in, text); at; at = strstr(at + 1, text))
        count++;
    return count;
}
