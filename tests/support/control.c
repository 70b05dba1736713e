/* SPDX-License-Identifier: MIT */
#include "tests/support/control.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

static char folder[64];

const char *control_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

void control_begin(void)
{
    snprintf(folder, sizeof(folder), "/tmp/weft-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    setenv("XDG_RUNTIME_DIR", folder, 1);
    setenv("WEFT_CONTROL", "1", 1);
    weft_test_loop_begin_real();
    unsetenv("WEFT_CONTROL");
}

void control_end(void)
{
    weft_test_loop_end();
    rmdir(control_path("weft"));
    cr_assert_eq(rmdir(folder), 0, "something was left in %s", folder);
}

int control_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int status = weft_control_path(address.sun_path, sizeof(address.sun_path));
    if (status < 0)
        return status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

char *control_ask(const char *request)
{
    int fd = control_connect();
    cr_assert_geq(fd, 0, "no connection: %s", strerror(-fd));
    (void)!send(fd, request, strlen(request), MSG_NOSIGNAL); /* it may have hung up already */
    shutdown(fd, SHUT_WR);
    size_t len = 0, room = 1 << 20;
    char *text = malloc(room);
    for (ssize_t got = 1; got > 0; len += got > 0 ? (size_t)got : 0)
        got = recv(fd, text + len, room - 1 - len, 0);
    text[len] = '\0';
    close(fd);
    return text;
}

struct asking {
    const char *request;
    char *answer;
    weft_loop *loop;
};

static void stop(void *loop)
{
    weft_loop_stop(loop);
}

static void *ask(void *arg)
{
    struct asking *asking = arg;
    asking->answer = control_ask(asking->request);
    cr_assert_eq(weft_post(asking->loop, stop, asking->loop), 0);
    return NULL;
}

char *control_ask_running(const char *request)
{
    struct asking asking = {.request = request, .loop = test_loop};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, ask, &asking), 0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    pthread_join(thread, NULL);
    return asking.answer;
}

int control_says(const char *request, const char *part)
{
    char *answer = control_ask(request);
    int found = strstr(answer, part) != NULL;
    if (!found)
        cr_log_warn("%s is answered by %s", request, answer);
    free(answer);
    return found;
}
