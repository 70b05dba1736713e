/* SPDX-License-Identifier: MIT */
/* Routes of the HTTP server: parameters, precedence, parts of the paths, and what is answered without one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_http_server *server;

static void begin(void)
{
    weft_test_loop_begin();
    server = test_http_begin(NULL);
}

TestSuite(http_router, .init = begin, .timeout = 120);

#define HOST "Host: x\r\nConnection: close\r\n\r\n"

struct tell {
    WEFT_FRAME;
    weft_http_request *request;
    const char *name;
};

static const char *or_none(const char *text)
{
    return text ? text : "-";
}

static WEFT_ASYNC(tell)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s|%s|%s|%s|%s", self->name,
                                  or_none(weft_http_request_param(self->request, "id")),
                                  or_none(weft_http_request_param(self->request, "post_2")),
                                  weft_http_request_tail(self->request),
                                  weft_http_request_pattern(self->request)));
    WEFT_END;
}

static void must_say(const char *request, const char *expected)
{
    char text[200];
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" HOST, request);
    char *answer = test_http_ask(text);
    cr_assert_eq(test_http_status(answer), 200, "%s: %s", request, answer);
    cr_assert_str_eq(test_http_body(answer), expected, "%s: %s", request, answer);
    free(answer);
}

/* The status, and the list of the header Allow (NULL: none). */
static void must_refuse(const char *request, int status, const char *allowed)
{
    char text[200], line[100];
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" HOST, request);
    char *answer = test_http_ask(text);
    cr_assert_eq(test_http_status(answer), status, "%s: %s", request, answer);
    snprintf(line, sizeof(line), "\r\nAllow: %s\r\n", allowed ? allowed : "");
    if (allowed)
        cr_assert_not_null(strstr(answer, line), "%s: %s", request, answer);
    else
        cr_assert_null(strstr(answer, "Allow:"));
    free(answer);
}

Test(http_router, a_parameter_is_one_segment_decoded)
{
    weft_http_route(server, "GET /users/{id}", tell, .name = "user");
    weft_http_route(server, "GET /users/{id}/posts/{post_2}", tell, .name = "post");
    must_say("GET /users/17", "user|17|-||/users/{id}");
    must_say("GET /users/a%20b%C3%BC", "user|a b\xC3\xBC|-||/users/{id}");
    test_http_end(server);
}

Test(http_router, parameters_are_known_by_their_names)
{
    weft_http_route(server, "GET /users/{id}/posts/{post_2}", tell, .name = "post");
    weft_http_route(server, "GET /turned/{post_2}/{other}/{id}", tell, .name = "turned");
    weft_http_route(server, "PUT /users/{post_2}/posts/{id}", tell, .name = "put");
    must_say("GET /users/1/posts/22", "post|1|22||/users/{id}/posts/{post_2}");
    must_say("GET /turned/1/22/333?id=4", "turned|333|1||/turned/{post_2}/{other}/{id}");
    must_say("PUT /users/1/posts/22", "put|22|1||/users/{post_2}/posts/{id}");
    must_refuse("GET /users/1/posts/22/", 404, NULL);
    test_http_end(server);
}

Test(http_router, an_empty_segment_is_no_parameter_and_a_slash_more_is_another_path)
{
    weft_http_route(server, "GET /users/{id}", tell, .name = "user");
    weft_http_route(server, "GET /folder/", tell, .name = "folder");
    must_refuse("GET /users/", 404, NULL);
    must_refuse("GET /users", 404, NULL);
    must_refuse("GET /users/1/", 404, NULL);
    must_refuse("GET //users/1", 404, NULL);
    must_refuse("GET /folder", 404, NULL);
    must_say("GET /folder/", "folder|-|-||/folder/");
    test_http_end(server);
}

Test(http_router, an_escaped_slash_separates_nothing)
{
    weft_http_route(server, "GET /admin/...", tell, .name = "admin");
    weft_http_route(server, "GET /users/{id}", tell, .name = "user");
    weft_http_route(server, "GET /users/{id}/x", tell, .name = "x");
    weft_http_route(server, "GET /files/...", tell, .name = "files");
    must_refuse("GET /admin%2Fkeys", 404, NULL);
    must_refuse("GET %2Fadmin/keys", 400, NULL);
    must_say("GET /users/a%2fb", "user|a/b|-||/users/{id}");
    must_say("GET /users/a%2Fx", "user|a/x|-||/users/{id}");
    must_say("GET /users/%2F%41%2F/x", "x|/A/|-||/users/{id}/x");
    must_say("GET /files/a%2Fb/c", "files|-|-|a/b/c|/files/...");
    must_say("GET /%66iles/%2F", "files|-|-|/|/files/...");
    must_say("GET /users/%252F", "user|%2F|-||/users/{id}");
    test_http_end(server);
}

Test(http_router, a_text_wins_over_a_parameter_and_that_over_what_is_below)
{
    weft_http_route(server, "/u/...", tell, .name = "below");
    weft_http_route(server, "/u/{id}", tell, .name = "param");
    weft_http_route(server, "/u/me", tell, .name = "me");
    weft_http_route(server, "/u/{id}/a", tell, .name = "a");
    weft_http_route(server, "/u/me/...", tell, .name = "below me");
    must_say("GET /u/me", "me|-|-||/u/me");
    must_say("GET /u/mee", "param|mee|-||/u/{id}");
    must_say("GET /u/me/a", "below me|-|-|a|/u/me/...");
    must_say("GET /u/x/a", "a|x|-||/u/{id}/a");
    must_say("GET /u/x/b", "below|-|-|x/b|/u/...");
    must_say("GET /u/", "below|-|-||/u/...");
    test_http_end(server);
}

Test(http_router, where_the_first_choice_leads_to_nothing_the_next_one_is_tried)
{
    weft_http_route(server, "/a/b/c", tell, .name = "abc");
    weft_http_route(server, "/a/{id}/d", tell, .name = "a?d");
    weft_http_route(server, "/{post_2}/b/{id}", tell, .name = "?b?");
    weft_http_route(server, "POST /a/{id}", tell, .name = "post");
    weft_http_route(server, "GET /a/me", tell, .name = "me");
    must_say("GET /a/b/d", "a?d|b|-||/a/{id}/d");
    must_say("GET /a/b/e", "?b?|e|a||/{post_2}/b/{id}");
    must_say("POST /a/me", "post|me|-||/a/{id}");
    must_say("GET /a/me", "me|-|-||/a/me");
    test_http_end(server);
}

Test(http_router, a_known_path_with_another_method_is_405_with_all_that_are_allowed)
{
    weft_http_route(server, "GET /a/me", tell, .name = "");
    weft_http_route(server, "PUT /a/{id}", tell, .name = "");
    weft_http_route(server, "PUT /a/me", tell, .name = "");
    weft_http_route(server, "DELETE /a/...", tell, .name = "");
    must_refuse("POST /a/me", 405, "GET, HEAD, PUT, DELETE, OPTIONS");
    must_refuse("POST /a/x", 405, "PUT, DELETE, OPTIONS");
    must_refuse("get /a/me", 405, "GET, HEAD, PUT, DELETE, OPTIONS");
    must_refuse("POST /b", 404, NULL);
    test_http_end(server);
}

Test(http_router, options_tells_what_is_allowed_unless_there_is_a_route)
{
    weft_http_route(server, "GET /a", tell, .name = "");
    weft_http_route(server, "OPTIONS /b", tell, .name = "mine");
    weft_http_route(server, "GET /b", tell, .name = "");
    weft_http_route(server, "/c", tell, .name = "all");
    must_refuse("OPTIONS /a", 204, "GET, HEAD, OPTIONS");
    must_refuse("OPTIONS *", 204, NULL);
    must_refuse("OPTIONS /nowhere", 404, NULL);
    must_say("OPTIONS /b", "mine|-|-||/b");
    must_say("OPTIONS /c", "all|-|-||/c");
    char *answer = test_http_ask("OPTIONS /a HTTP/1.1\r\n" HOST);
    cr_assert_null(strstr(answer, "Content-"), "%s", answer);
    cr_assert_str_eq(test_http_body(answer), "");
    free(answer);
    test_http_end(server);
}

Test(http_router, more_methods_than_the_list_has_room_for_are_left_out_as_a_whole)
{
    char pattern[100];
    for (int i = 0; i < 10; i++) {
        snprintf(pattern, sizeof(pattern), "A-METHOD-WITH-QUITE-A-LONG-NAME-AND-A-NUMBER-%d /m", i);
        cr_assert_eq(weft_http_route(server, pattern, tell, .name = ""), 0);
    }
    char *answer = test_http_ask("GET /m HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 405);
    const char *allow = strstr(answer, "Allow: ");
    cr_assert_not_null(allow);
    cr_assert_not_null(strstr(allow, "-NUMBER-4, OPTIONS\r\n"), "%s", allow);
    free(answer);
    test_http_end(server);
}

Test(http_router, what_is_no_pattern_is_refused)
{
    static const char *const bad[] = {
        "GET /{}",         "GET /{a",
        "GET /a}",         "GET /x{a}",
        "GET /{a}x",       "GET /{a}{b}",
        "GET /{a-}",       "GET ",
        "GET /{a}/{a}",    "",
        "GET a",           "G\tT /a",
        "/{a}/b/{ab}/{a}", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(weft_http_route(server, bad[i], tell), -EINVAL, "%s", bad[i]);
    cr_assert_eq(weft_http_server_listen(server, "127.0.0.1:0"), -EINVAL);
    cr_assert_eq(weft_http_route(server, "/{a}/{ab}/{b}", tell), 0);
    cr_assert_eq(weft_http_route((weft_http_router *)NULL, "/a", tell), -EINVAL);
    test_http_end(server);
}

Test(http_router, the_same_shape_twice_is_refused_whatever_the_names)
{
    weft_http_server_free(server);
    server = weft_http_server_new(NULL);
    cr_assert_eq(weft_http_route(server, "GET /a/{x}", tell), 0);
    cr_assert_eq(weft_http_route(server, "GET /a/{y}", tell), -EEXIST);
    cr_assert_eq(weft_http_route(server, "/a/{y}", tell), 0);
    cr_assert_eq(weft_http_route(server, "/a/{z}", tell), -EEXIST);
    cr_assert_eq(weft_http_route(server, "GET /a/...", tell), 0);
    cr_assert_eq(weft_http_route(server, "GET /a/...", tell), -EEXIST);
    cr_assert_eq(weft_http_route(server, "GET /{y}/...", tell), 0);
    test_http_end(server);
}

/* Five thousand routes in no order: each is found, and what is between them is not. */
Test(http_router, finds_each_of_many_routes)
{
    enum { MANY = 5000 };
    char text[64], expected[100];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "GET /many/r%zu/{id}", i * 2357 % MANY);
        cr_assert_eq(weft_http_route(server, text, tell, .name = "one"), 0);
    }
    for (size_t i = 0; i < MANY; i += 97) {
        snprintf(text, sizeof(text), "GET /many/r%zu/%zu", i, i);
        snprintf(expected, sizeof(expected), "one|%zu|-||/many/r%zu/{id}", i, i);
        must_say(text, expected);
    }
    must_refuse("GET /many/r5000/1", 404, NULL);
    must_refuse("GET /many/r/1", 404, NULL);
    must_refuse("GET /many/r49/", 404, NULL);
    test_http_end(server);
}

/* ---- Routers ---- */

static void add_shop(weft_http_router *shop)
{
    weft_http_route(shop, "GET ", tell, .name = "shop");
    weft_http_route(shop, "GET /", tell, .name = "shop/");
    weft_http_route(shop, "GET /cart/{id}", tell, .name = "cart");
    weft_http_route(shop, "/...", tell, .name = "rest");
}

Test(http_router, a_router_is_put_below_any_prefix)
{
    add_shop(weft_http_mount(server, "/shop"));
    add_shop(weft_http_mount(weft_http_mount(server, "/v2"), "/{post_2}/shop"));
    must_say("GET /shop", "shop|-|-||/shop");
    must_say("GET /shop/", "shop/|-|-||/shop/");
    must_say("GET /shop/cart/3", "cart|3|-||/shop/cart/{id}");
    must_say("PUT /shop/cart/3", "rest|-|-|cart/3|/shop/...");
    must_say("GET /v2/x/shop", "shop|-|x||/v2/{post_2}/shop");
    must_say("GET /v2/x/shop/cart/3", "cart|3|x||/v2/{post_2}/shop/cart/{id}");
    must_refuse("GET /v2/x", 404, NULL);
    must_refuse("PUT /shop", 405, "GET, HEAD, OPTIONS");
    test_http_end(server);
}

Test(http_router, the_same_prefix_is_the_same_router)
{
    weft_http_router *api = weft_http_mount(server, "/api");
    cr_assert_not_null(api);
    cr_assert_eq(weft_http_mount(server, "/api"), api);
    cr_assert_eq(weft_http_mount(weft_http_server_router(server), "/api"), api);
    weft_http_router *deep = weft_http_mount(api, "/{id}/x");
    cr_assert_eq(weft_http_mount(server, "/api/{id}/x"), deep);
    cr_assert_neq(deep, api);
    weft_http_route(weft_http_server_router(server), "/root", tell, .name = "root");
    must_say("GET /root", "root|-|-||/root");
    test_http_end(server);
}

Test(http_router, what_is_no_prefix_is_refused_and_fails_the_listening)
{
    static const char *const bad[] = {"",     "/",        "api",      "/api/", "/a/...",
                                      "/...", "/a/.../b", "/{a}/{a}", "/{a}b", "/{a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        weft_http_server *other = weft_http_server_new(NULL);
        cr_assert_null(weft_http_mount(other, bad[i]), "%s", bad[i]);
        cr_assert_eq(errno, EINVAL);
        cr_assert_eq(weft_http_server_listen(other, "127.0.0.1:0"), -EINVAL);
        weft_http_server_free(other);
    }
    weft_http_server_free(server);
    server = weft_http_server_new(NULL);
    cr_assert_null(weft_http_mount((weft_http_router *)NULL, "/a"));
    cr_assert_eq(errno, EINVAL);
    cr_assert_not_null(weft_http_mount(server, "/a/{x}"));
    cr_assert_null(weft_http_mount(server, "/a/{y}"));
    cr_assert_eq(errno, EEXIST);
    cr_assert_eq(weft_http_server_listen(server, "127.0.0.1:0"), -EEXIST);
    test_http_end(server);
}

/* ---- While it runs ---- */

struct grows {
    WEFT_FRAME;
    weft_http_request *request;
    weft_http_server *server;
    int i;
    char pattern[32];
};

static WEFT_ASYNC(grows)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < 200; self->i++) {
        snprintf(self->pattern, sizeof(self->pattern), "/grown/%d/{id}", self->i);
        cr_assert_eq(weft_http_route(self->server, self->pattern, tell, .name = "grown"), 0);
    }
    WEFT_AWAIT(weft_sleep(0));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s %s",
                                  weft_http_request_param(self->request, "id"),
                                  weft_http_request_pattern(self->request)));
    WEFT_END;
}

Test(http_router, routes_that_are_added_while_a_handler_runs_leave_its_parameters_alone)
{
    weft_http_route(server, "POST /grow/{id}", grows, .server = server);
    must_say("POST /grow/7", "7 /grow/{id}");
    must_say("GET /grown/199/8", "grown|8|-||/grown/199/{id}");
    test_http_end(server);
}

Test(http_router, long_parameters_are_kept_from_request_to_request)
{
    weft_http_route(server, "GET /users/{id}", tell, .name = "user");
    char request[5000], expected[5000], filler[4001];
    memset(filler, 'f', 4000);
    filler[4000] = 0;
    struct test_client client = test_http_connect();
    for (int round = 0; round < 3; round++) {
        snprintf(request, sizeof(request), "GET /users/%d%s HTTP/1.1\r\nHost: x\r\n\r\n", round,
                 round == 1 ? filler : "");
        snprintf(expected, sizeof(expected), "user|%d%s|-||/users/{id}", round,
                 round == 1 ? filler : "");
        size_t before = client.len;
        test_http_say(&client, request);
        cr_assert_str_eq(test_http_body(client.received + before), expected);
    }
    test_http_close(&client);
    test_http_end(server);
}

/* ---- Out of memory ---- */

static int add_routes(void)
{
    weft_http_server *other = weft_http_server_new(NULL);
    int status = other ? 0 : -errno;
    if (status == 0)
        status = weft_http_route(other, "GET /a/{b}/c", tell, .name = "");
    weft_http_router *router = status == 0 ? weft_http_mount(other, "/x/{y}") : NULL;
    if (status == 0 && !router)
        status = -errno;
    if (status == 0)
        status = weft_http_route(router, "/...", tell, .name = "");
    weft_http_server_free(other);
    return status;
}

Test(http_router, adding_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(add_routes);
    weft_test_loop_end();
}

/* One allocation fails, the n-th. The status of the answer. */
static int ask_without(size_t n, bool *ret_failed)
{
    struct test_client client = test_http_connect();
    weft_test_heap_fail_at(n);
    test_http_say(&client, "GET /users/a%2Fb/posts/2?x=y HTTP/1.1\r\n" HOST);
    *ret_failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    int status = test_http_status(client.received);
    test_http_close(&client);
    return status;
}

Test(http_router, finding_survives_every_lack_of_memory)
{
    weft_http_route(server, "GET /users/{id}/posts/{post_2}", tell, .name = "");
    bool failed = true;
    size_t n = 1;
    for (; failed; n++) {
        int status = ask_without(n, &failed);
        cr_assert(failed || status == 200);
        cr_assert(status == 200 || status == 503 || status == 500 || status == 0, "%d", status);
        cr_assert_eq(weft_http_server_stats(server).active, 0);
    }
    cr_assert(n > 3);
    test_http_end(server);
}
