/* SPDX-License-Identifier: MIT */
/* The HTTP client, and a server that is lost on the way: while connecting, before its answer, in the middle
 * of that. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/http_client.h>
#include <weft/http_server.h>

#include "tests/faults/scene.h"

TestSuite(client, .timeout = 120);

#define SOON WEFT_MS(300)
#define SERVER "http://" WIRE_FAR_4 ":7"
enum { LONG = 2 << 20 };

static weft_http_session *session;
static weft_http_server *server;

/* Answers with the pattern; /half stops in the middle until the client is gone. */
struct tell {
    WEFT_FRAME;
    weft_http_request *request;
    uint64_t done, until;
};

static int tell_more(struct tell *self)
{
    char piece[16384];
    wire_pattern(piece, sizeof(piece), self->done);
    self->done += sizeof(piece);
    return weft_http_write(self->request, piece, sizeof(piece));
}

static WEFT_ASYNC(tell)
{
    WEFT_BEGIN;
    self->until = strcmp(weft_http_request_path(self->request), "/half") ? LONG : LONG / 2;
    weft_http_start(self->request, 200, "text/plain", LONG);
    while (self->done < self->until) {
        if (tell_more(self) < 0)
            break;
        WEFT_AWAIT(weft_http_drain(self->request));
    }
    if (self->until < LONG)
        WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_END;
}

static void begin(const struct weft_http_timeouts *timeouts)
{
    struct weft_http_session_options options = {.timeouts = *timeouts};
    scene_begin();
    wire_be_at(WIRE_FAR);
    server = weft_http_serve(WIRE_FAR_4 ":7", tell);
    wire_be_at(WIRE_NEAR);
    session = weft_http_session_new(&options);
    cr_assert(server && session);
}

static bool is_empty(void *unused)
{
    (void)unused;
    return weft_http_server_stats(server).connections == 0;
}

static void end(void)
{
    weft_http_session_free(session);
    wire_heal();
    weft_http_server_free(server);
    scene_end();
}

static const struct weft_http_timeouts patient = {.total = WEFT_FOREVER, .connect = WEFT_FOREVER};

static weft_http_response *response_of(weft_future *fetch)
{
    weft_value value = weft_value_ptr(NULL);
    cr_assert_eq(weft_test_run(weft_ref(fetch)), 0, "%s", weft_message(fetch));
    cr_assert_eq(weft_future_take(fetch, &value), 0);
    weft_unref(fetch);
    return value.ptr;
}

/* How reading a streamed body ends; what came before was the pattern, and that much. */
static int read_to_end(weft_http_response *response, uint64_t *ret_done)
{
    char buffer[16384];
    int64_t got;
    *ret_done = 0;
    while ((got = weft_test_count(weft_http_response_read(response, buffer, sizeof(buffer)))) > 0) {
        cr_assert(wire_is_pattern(buffer, (size_t)got, *ret_done));
        *ret_done += (uint64_t)got;
    }
    return (int)got;
}

static weft_future *stream(const char *url)
{
    return weft_http_fetch(session, "GET", url,
                           &(struct weft_http_fetch_options){.flags = WEFT_HTTP_STREAM});
}

Test(client, gets_all_of_a_body_by_a_bad_wire)
{
    uint64_t done;
    const struct wire_faults bad = {.lost = 15, .twice = 10, .late = 20, .delay = 1000000};
    begin(&patient);
    wire_set(WIRE_NEAR, &bad);
    wire_set(WIRE_FAR, &bad);
    weft_http_response *response = response_of(stream(SERVER "/"));
    cr_assert_eq(read_to_end(response, &done), 0);
    cr_assert_eq(done, LONG);
    cr_assert_gt(wire_counted(WIRE_FAR).lost, 0);
    weft_http_response_free(response);
    end();
}

Test(client, keeps_the_deadline_of_a_connection)
{
    struct weft_http_timeouts timeouts = patient;
    timeouts.connect = SOON;
    begin(&timeouts);
    cr_assert_eq(scene_ends(weft_http_get(session, "http://" WIRE_NOBODY_4 ":7/")), -ETIMEDOUT);
    wire_cut(WIRE_WHOLE);
    cr_assert_eq(scene_ends(weft_http_get(session, SERVER "/")), -ETIMEDOUT);
    end();
}

Test(client, keeps_its_deadline_when_no_answer_comes)
{
    struct weft_http_timeouts timeouts = patient;
    timeouts.total = SOON;
    begin(&timeouts);
    wire_cut_at(WIRE_NEAR, 0);
    cr_assert_eq(scene_ends(weft_http_get(session, SERVER "/")), -ETIMEDOUT);
    end();
}

Test(client, keeps_its_deadline_in_the_middle_of_a_body)
{
    struct weft_http_timeouts timeouts = patient;
    timeouts.total = SOON;
    begin(&timeouts);
    cr_assert_eq(scene_ends(weft_http_get(session, SERVER "/half")), -ETIMEDOUT);
    scene_until(is_empty, NULL);
    end();
}

Test(client, gives_up_a_body_that_comes_too_slowly)
{
    uint64_t done;
    struct weft_http_timeouts timeouts = patient;
    timeouts.low_speed = WEFT_S(1);
    begin(&timeouts);
    wire_cut_at(WIRE_FAR, 100);
    weft_http_response *response = response_of(stream(SERVER "/"));
    cr_assert_eq(read_to_end(response, &done), -ETIMEDOUT);
    cr_assert(done && done < LONG);
    weft_http_response_free(response);
    end();
}

Test(client, tells_of_a_reset_behind_what_came_before)
{
    uint64_t done;
    begin(&patient);
    wire_reset_at(WIRE_FAR, 100);
    weft_http_response *response = response_of(stream(SERVER "/"));
    cr_assert_eq(read_to_end(response, &done), -ECONNRESET);
    cr_assert(done && done < LONG);
    weft_http_response_free(response);
    scene_until(is_empty, NULL);
    end();
}

Test(client, tells_of_a_reset_before_the_answer)
{
    begin(&patient);
    wire_reset_at(WIRE_NEAR, 0);
    cr_assert_eq(scene_ends(weft_http_get(session, SERVER "/")), -ECONNRESET);
    end();
}
