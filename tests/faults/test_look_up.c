/* SPDX-License-Identifier: MIT */
/* The name server is behind a wire that is cut: look-ups wait for the system's own deadline, on threads of
 * their own, and nothing else waits with them. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/resolve.h>

#include "tests/faults/scene.h"

TestSuite(look_up, .timeout = 120);

enum { MANY = 200 };
#define SOON WEFT_MS(100)

/* ---- The name server ---- */

static int name_server; /* its socket */

static void begin(const char *resolv_conf)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
    scene_names(WIRE_FAR_4 " known.test\n", resolv_conf);
    scene_begin();
    inet_pton(AF_INET, WIRE_FAR_4, &address.sin_addr);
    wire_be_at(WIRE_FAR);
    name_server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    wire_be_at(WIRE_NEAR);
    cr_assert_eq(bind(name_server, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* Questions reach a server that says nothing, and the system would wait for half a minute. */
static void begin_silent(void)
{
    begin("nameserver " WIRE_FAR_4 "\noptions timeout:30 attempts:1\n");
}

/* No question gets there, and the system gives up after a second. */
static void begin_cut_off(void)
{
    begin("nameserver " WIRE_FAR_4 "\noptions timeout:1 attempts:1\n");
    wire_cut(WIRE_WHOLE);
}

/* Every question that has come: there is no such name. */
static void deny_all(void)
{
    unsigned char message[512];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    ssize_t got;
    while ((got = recvfrom(name_server, message, sizeof(message), 0, (struct sockaddr *)&from,
                           &len)) >= 12) {
        message[2] |= 0x80;
        message[3] = 3;
        sendto(name_server, message, (size_t)got, 0, (struct sockaddr *)&from, len);
    }
}

static bool is_quiet(void *unused)
{
    struct weft_lane_stats stats;
    (void)unused;
    deny_all();
    weft_lane_get_stats(weft_loop_lane(test_loop, "dns"), &stats);
    return !stats.queued && !stats.running && !stats.abandoned_running;
}

/* A look-up that nobody waits for any more ends all the same, some time. */
static void end(void)
{
    scene_until(is_quiet, NULL);
    close(name_server);
    scene_end();
}

/* ---- Many look-ups ---- */

static void ask_for_many(weft_future *ret[MANY], weft_ns timeout)
{
    char name[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "dead%d.test", i);
        ret[i] = weft_resolve_with(&(struct weft_resolve_options){.timeout = timeout}, name, NULL);
    }
}

static int count_done(weft_future *const futures[MANY])
{
    int count = 0;
    for (int i = 0; i < MANY; i++)
        count += weft_is_done(futures[i]);
    return count;
}

struct add {
    int a, b;
};

static WEFT_BLOCKING(add)
{
    return weft_ok(self->a + self->b);
}

/* A file is read, and jobs run: it needs threads. */
static void use_threads(void)
{
    int status;
    weft_bytes *bytes = weft_test_bytes(weft_path_read_all("/etc/hosts", 0), &status);
    cr_assert_not_null(bytes, "%s", weft_strerror(status));
    weft_bytes_free(bytes);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(weft_test_count(weft_to_thread(add, .a = i, .b = 1)), i + 1);
}

Test(look_up, of_200_dead_names_delays_neither_files_nor_jobs)
{
    weft_future *asked[MANY];
    begin_silent();
    ask_for_many(asked, 0);
    weft_test_turn();
    use_threads();
    cr_assert_eq(count_done(asked), 0, "not one of them is over, and all else was done");
    for (int i = 0; i < MANY; i++)
        weft_cancel(asked[i]);
    weft_test_turn();
    cr_assert_eq(count_done(asked), MANY);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(scene_ends(asked[i]), -ECANCELED);
    end();
}

Test(look_up, of_200_dead_names_keeps_each_its_own_deadline)
{
    weft_future *asked[MANY];
    begin_silent();
    ask_for_many(asked, SOON);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(scene_ends(asked[i]), -ETIMEDOUT);
    use_threads();
    end();
}

Test(look_up, without_an_answer_says_so_and_is_not_kept)
{
    begin_cut_off();
    cr_assert_eq(scene_ends(weft_resolve("dead.test", NULL)), WEFT_ERESOLVE);
    cr_assert_neq(scene_message[0], 0);
    struct wire_counts before = wire_counted(WIRE_NEAR);
    cr_assert_eq(scene_ends(weft_resolve("dead.test", NULL)), WEFT_ERESOLVE);
    cr_assert_gt(wire_counted(WIRE_NEAR).seen, before.seen, "it was asked again");
    cr_assert_eq(scene_ends(weft_resolve("known.test", "80")), 0);
    end();
}

Test(look_up, is_given_up_with_its_connect)
{
    begin_cut_off();
    cr_assert_eq(scene_ends(weft_connect_with(&(struct weft_connect_options){.timeout = SOON},
                                              "dead.test:80")),
                 -ETIMEDOUT);
    cr_assert_str_eq(scene_message,
                     "cannot connect to dead.test:80 in time (its name is being looked up)");
    end();
}
