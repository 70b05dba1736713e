/* SPDX-License-Identifier: MIT */
/* Files as answers of the HTTP server. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/http_static.h>
#include <weft/task.h>

#include "net/http/files/static.h"
#include "tests/support/files.h"
#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"

TestSuite(http_static, .init = test_files_begin, .timeout = 120);

#define HOST "Host: x\r\nConnection: close\r\n"

static weft_http_server *server;
static int seen;

/* Long unchanged, so that its tag is strong. */
static void make_old(const char *name, const char *content)
{
    test_make(name, content);
    struct timespec times[2] = {{784111777, 5}, {784111777, 5}};
    cr_assert_eq(utimensat(AT_FDCWD, test_path(name), times, 0), 0);
}

static void begin(void)
{
    static char root[512];
    snprintf(root, sizeof(root), "%s", test_path("www"));
    cr_assert_eq(mkdir(root, 0755), 0);
    server = test_http_begin(NULL);
    seen = 1;
    weft_http_route(server, "/s/...", weft_http_files, .root = root);
    weft_http_route(server, "/i/...", weft_http_files, .root = root,
                    .options = {.index = "index.html", .cache_control = "max-age=60"});
    weft_http_route(server, "/l/...", weft_http_files, .root = root,
                    .options = {.flags = WEFT_HTTP_FILE_NO_LINKS});
    weft_http_route(server, "/h/...", weft_http_files, .root = root,
                    .options = {.flags = WEFT_HTTP_FILE_HIDDEN, .content_type = "text/x"});
    weft_http_route(server, "/none/...", weft_http_files, .root = "/nonexistent/folder");
}

static void end(void)
{
    weft_http_server_free(server);
    test_files_end();
}

/* A whole exchange on a connection of its own; the answer, to be freed. */
static char *ask(const char *line, const char *headers, size_t *ret_len)
{
    char text[1000];
    struct test_client client = test_http_connect();
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n%s" HOST "\r\n", line, headers);
    test_http_say(&client, text);
    while (!client.ended)
        test_http_turn(&client);
    char *received = client.received;
    if (ret_len)
        *ret_len = client.len;
    client.received = NULL;
    test_http_close(&client);
    return received;
}

static void must_be(const char *line, const char *headers, int status, const char *body)
{
    char *answer = ask(line, headers, NULL);
    cr_assert_eq(test_http_status(answer), status, "%s: %s", line, answer);
    if (body)
        cr_assert_str_eq(test_http_body(answer), body, "%s: %s", line, answer);
    free(answer);
}

static char *header(const char *answer, const char *name)
{
    static char value[200];
    char line[100];
    snprintf(line, sizeof(line), "\r\n%s: ", name);
    const char *at = strstr(answer, line);
    value[0] = 0;
    if (at)
        sscanf(at + strlen(line), "%199[^\r]", value);
    return value;
}

Test(http_static, sends_a_file_with_its_type_its_tag_and_its_date)
{
    begin();
    make_old("www/a.html", "<p>a</p>");
    char *answer = ask("GET /s/a.html", "", NULL);
    cr_assert_eq(test_http_status(answer), 200);
    cr_assert_str_eq(test_http_body(answer), "<p>a</p>");
    cr_assert_str_eq(header(answer, "Content-Type"), "text/html; charset=utf-8");
    cr_assert_str_eq(header(answer, "Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    cr_assert_str_eq(header(answer, "Accept-Ranges"), "bytes");
    cr_assert_eq(header(answer, "ETag")[0], '"', "strong: %s", header(answer, "ETag"));
    cr_assert_str_eq(header(answer, "Cache-Control"), "");
    free(answer);
    answer = ask("GET /i/a.html", "", NULL);
    cr_assert_str_eq(header(answer, "Cache-Control"), "max-age=60");
    free(answer);
    end();
}

Test(http_static, a_head_has_the_same_head_and_nothing_behind_it)
{
    begin();
    make_old("www/a.txt", "text");
    char *get = ask("GET /s/a.txt", "", NULL), *head = ask("HEAD /s/a.txt", "", NULL);
    *(char *)(uintptr_t)test_http_body(get) = 0;
    cr_assert_str_eq(head, get);
    cr_assert_str_eq(header(head, "Content-Length"), "4");
    free(get);
    free(head);
    must_be("HEAD /s/a.txt", "Range: bytes=0-1\r\n", 200, "");
    end();
}

Test(http_static, an_empty_file_is_an_empty_answer)
{
    begin();
    make_old("www/empty", "");
    char *answer = ask("GET /s/empty", "", NULL);
    cr_assert_eq(test_http_status(answer), 200);
    cr_assert_str_eq(header(answer, "Content-Length"), "0");
    cr_assert_str_eq(header(answer, "Content-Type"), "application/octet-stream");
    free(answer);
    end();
}

Test(http_static, what_is_not_there_is_404_and_the_connection_goes_on)
{
    begin();
    make_old("www/a", "a");
    cr_assert_eq(mkdir(test_path("www/folder"), 0755), 0);
    must_be("GET /s/b", "", 404, NULL);
    must_be("GET /s/a/b", "", 404, NULL);
    must_be("GET /s/folder", "", 404, NULL);
    must_be("GET /s/folder/", "", 404, NULL);
    must_be("GET /s/", "", 404, NULL);
    must_be("GET /s/a/", "", 404, NULL);
    cr_assert_eq(test_reports.count, 0);
    end();
}

Test(http_static, other_methods_are_405)
{
    begin();
    make_old("www/a", "a");
    char *answer = ask("PUT /s/a", "", NULL);
    cr_assert_eq(test_http_status(answer), 405);
    cr_assert_str_eq(header(answer, "Allow"), "GET, HEAD");
    free(answer);
    end();
}

Test(http_static, what_may_not_be_read_is_403)
{
    begin();
    make_old("www/a", "a");
    cr_assert_eq(chmod(test_path("www/a"), 0), 0);
    must_be("GET /s/a", "", geteuid() == 0 ? 200 : 403, NULL);
    end();
}

Test(http_static, nothing_outside_of_the_folder_is_sent)
{
    begin();
    make_old("secret", "secret");
    make_old("www/a", "inside");
    cr_assert_eq(symlink("../secret", test_path("www/out")), 0);
    cr_assert_eq(symlink(test_path("secret"), test_path("www/absolute")), 0);
    cr_assert_eq(symlink("..", test_path("www/up")), 0);
    cr_assert_eq(symlink("a", test_path("www/in")), 0);
    cr_assert_eq(symlink("loop", test_path("www/loop")), 0);
    must_be("GET /s/out", "", 404, NULL);
    must_be("GET /s/absolute", "", 404, NULL);
    must_be("GET /s/up/secret", "", 404, NULL);
    must_be("GET /s/loop", "", 404, NULL);
    must_be("GET /s/..%2Fsecret", "", 400, NULL);
    must_be("GET /s/in", "", 200, "inside");
    must_be("GET /l/in", "", 404, NULL);
    must_be("GET /l/a", "", 200, "inside");
    end();
}

/* With and without openat2(). */
Test(http_static, the_walk_by_hand_leads_nowhere_else_either)
{
    begin();
    make_old("secret", "secret");
    make_old("www/a", "inside");
    cr_assert_eq(mkdir(test_path("www/b"), 0755), 0);
    make_old("www/b/c", "deep");
    cr_assert_eq(symlink("../secret", test_path("www/out")), 0);
    cr_assert_eq(symlink("a", test_path("www/in")), 0);
    cr_assert_eq(symlink("b", test_path("www/folder")), 0);
    int folder = open(test_path("www"), O_PATH | O_DIRECTORY);
    static const struct {
        const char *path;
        bool there, by_hand;
    } cases[] = {
        {"a", true, true},
        {"b/c", true, true},
        {"/a", true, true},
        {"//b//c", true, true},
        {"", true, true},
        {"/", true, true},
        {"b/", true, true},
        {"../secret", false, false},
        {"b/../../secret", false, false},
        {"out", false, false},
        {"in", true, false},
        {"folder/c", true, false},
        {"a/c", false, false},
        {"nothing", false, false},
        {"b/../a", true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = weft__http_open_at(folder, cases[i].path, 0, false);
        cr_assert_eq(fd >= 0, cases[i].there, "%s: %d", cases[i].path, fd);
        close(fd);
        fd = weft__http_open_at(folder, cases[i].path, 0, true);
        cr_assert_eq(fd >= 0, cases[i].by_hand, "%s by hand: %d", cases[i].path, fd);
        close(fd);
    }
    char name[400];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    cr_assert_eq(weft__http_open_at(folder, name, 0, true), -ENAMETOOLONG);
    cr_assert_eq(weft__http_open_at(-1, "a", 0, true), -EBADF);
    close(folder);
    end();
}

Test(http_static, what_is_no_file_is_not_waited_for)
{
    begin();
    cr_assert_eq(mkfifo(test_path("www/fifo"), 0666), 0);
    must_be("GET /s/fifo", "", 404, NULL);
    end();
}

Test(http_static, names_with_a_dot_in_front_are_hidden)
{
    begin();
    make_old("www/.secret", "hidden");
    cr_assert_eq(mkdir(test_path("www/.git"), 0755), 0);
    make_old("www/.git/config", "hidden");
    cr_assert_eq(mkdir(test_path("www/.well-known"), 0755), 0);
    make_old("www/.well-known/x", "known");
    make_old("www/.well-knownx", "hidden");
    must_be("GET /s/.secret", "", 404, NULL);
    must_be("GET /s/.git/config", "", 404, NULL);
    must_be("GET /s/%2Egit/config", "", 404, NULL);
    must_be("GET /s/.well-knownx", "", 404, NULL);
    must_be("GET /s/.well-known/x", "", 200, "known");
    must_be("GET /h/.git/config", "", 200, "hidden");
    char *answer = ask("GET /h/.secret", "", NULL);
    cr_assert_str_eq(header(answer, "Content-Type"), "text/x");
    free(answer);
    end();
}

Test(http_static, a_folder_is_its_index_by_a_path_that_ends_with_a_slash)
{
    begin();
    cr_assert_eq(mkdir(test_path("www/d e"), 0755), 0);
    cr_assert_eq(mkdir(test_path("www/bad"), 0755), 0);
    cr_assert_eq(mkdir(test_path("www/bad/index.html"), 0755), 0);
    make_old("www/d e/index.html", "index of d");
    make_old("www/index.html", "index");
    must_be("GET /i/", "", 200, "index");
    must_be("GET /i/d%20e/", "", 200, "index of d");
    must_be("GET /i/bad/", "", 404, NULL);
    static const char *const targets[][2] = {
        {"GET /i/d%20e", "./d%20e/"},
        {"GET /i/d%20e?a=/b?c", "./d%20e/?a=/b?c"},
        {"GET /i/bad", "./bad/"},
    };
    for (size_t i = 0; i < 3; i++) {
        char *answer = ask(targets[i][0], "", NULL);
        cr_assert_eq(test_http_status(answer), 301);
        cr_assert_str_eq(header(answer, "Location"), targets[i][1]);
        free(answer);
    }
    end();
}

Test(http_static, who_has_it_already_gets_304)
{
    begin();
    make_old("www/a.txt", "text");
    char *answer = ask("GET /i/a.txt", "", NULL), condition[300];
    snprintf(condition, sizeof(condition), "If-None-Match: %s\r\n", header(answer, "ETag"));
    free(answer);
    answer = ask("GET /i/a.txt", condition, NULL);
    cr_assert_eq(test_http_status(answer), 304);
    cr_assert_str_eq(test_http_body(answer), "");
    cr_assert_str_neq(header(answer, "ETag"), "");
    cr_assert_str_neq(header(answer, "Last-Modified"), "");
    cr_assert_str_eq(header(answer, "Cache-Control"), "max-age=60");
    cr_assert_str_eq(header(answer, "Content-Length"), "");
    cr_assert_str_eq(header(answer, "Content-Type"), "");
    free(answer);
    must_be("GET /s/a.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, "");
    must_be("GET /s/a.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200, "text");
    must_be("GET /s/a.txt", "If-Match: \"other\"\r\n", 412, NULL);
    make_old("www/a.txt", "more");
    must_be("GET /s/a.txt", condition, 304, NULL);
    make_old("www/a.txt", "longer");
    must_be("GET /s/a.txt", condition, 200, "longer");
    end();
}

Test(http_static, a_file_that_has_just_changed_has_a_weak_tag)
{
    begin();
    test_make("www/a.txt", "text");
    struct timespec times[2] = {{time(NULL) + 1000, 0}, {time(NULL) + 1000, 0}};
    utimensat(AT_FDCWD, test_path("www/a.txt"), times, 0);
    char *answer = ask("GET /s/a.txt", "", NULL), condition[300];
    cr_assert_eq(strncmp(header(answer, "ETag"), "W/\"", 3), 0);
    snprintf(condition, sizeof(condition), "Range: bytes=0-1\r\nIf-Range: %s\r\n",
             header(answer, "ETag"));
    free(answer);
    must_be("GET /s/a.txt", condition, 200, "text");
    must_be("GET /s/a.txt", "Range: bytes=0-1\r\n", 206, "te");
    end();
}

Test(http_static, a_part_is_sent_with_its_place)
{
    begin();
    make_old("www/a.txt", "0123456789");
    char *answer = ask("GET /s/a.txt", "Range: bytes=2-4\r\n", NULL);
    cr_assert_eq(test_http_status(answer), 206);
    cr_assert_str_eq(test_http_body(answer), "234");
    cr_assert_str_eq(header(answer, "Content-Range"), "bytes 2-4/10");
    cr_assert_str_eq(header(answer, "Content-Length"), "3");
    free(answer);
    must_be("GET /s/a.txt", "Range: bytes=-3\r\n", 206, "789");
    must_be("GET /s/a.txt", "Range: bytes=0-1,4-5\r\n", 206, "012345");
    answer = ask("GET /s/a.txt", "Range: bytes=10-\r\n", NULL);
    cr_assert_eq(test_http_status(answer), 416);
    cr_assert_str_eq(header(answer, "Content-Range"), "bytes */10");
    free(answer);
    end();
}

/* What several parts of a file look like, "first-last" each, in the order of `parts`. */
static void must_be_parts(const char *answer, const char *content, const char *type,
                          const int parts[][2], size_t count)
{
    char *body, boundary[60] = "";
    size_t len;
    FILE *out = open_memstream(&body, &len);
    cr_assert_eq(test_http_status(answer), 206, "%s", answer);
    sscanf(header(answer, "Content-Type"), "multipart/byteranges; boundary=%50s", boundary);
    cr_assert_eq(strlen(boundary), 16, "%s", answer);
    cr_assert_eq(test_http_count(answer, "Content-Range: "), count, "only in the parts");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %d-%d/%zu\r\n\r\n",
                boundary, type, parts[i][0], parts[i][1], strlen(content));
        fwrite(content + parts[i][0], 1, (size_t)(parts[i][1] - parts[i][0] + 1), out);
    }
    fprintf(out, "\r\n--%s--\r\n", boundary);
    fclose(out);
    cr_assert_str_eq(test_http_body(answer), body);
    cr_assert_eq(atoi(header(answer, "Content-Length")), (int)strlen(body));
    free(body);
}

Test(http_static, several_parts_are_sent_each_with_its_place)
{
    char content[1001];
    begin();
    for (int i = 0; i < 1000; i++)
        content[i] = (char)('0' + i % 10);
    content[1000] = 0;
    make_old("www/a.txt", content);
    char *answer = ask("GET /s/a.txt", "Range: bytes=500-509, 0-0,-5\r\n", NULL);
    must_be_parts(answer, content, "text/plain; charset=utf-8",
                  (const int[][2]){{500, 509}, {0, 0}, {995, 999}}, 3);
    free(answer);
    must_be("HEAD /s/a.txt", "Range: bytes=500-509, 0-0,-5\r\n", 200, "");
    must_be("GET /s/a.txt", "Range: bytes=5000-,0-1,-0\r\n", 206, "01");
    must_be("GET /s/a.txt", "Range: bytes=5000-,6000-7000\r\n", 416, NULL);
    must_be("GET /s/a.txt", "Range: bytes=0-0,500-500\r\nIf-Range: \"x\"\r\n", 200, content);
    end();
}

/* ---- Large ones ---- */

enum { LARGE = 700001 };

static char *make_large(void)
{
    char *content = malloc(LARGE + 1);
    for (size_t i = 0; i < LARGE; i++)
        content[i] = (char)('a' + i % 23);
    content[LARGE] = 0;
    make_old("www/large", content);
    return content;
}

Test(http_static, a_large_file_is_sent_piece_by_piece)
{
    begin();
    char *content = make_large(), *answer;
    answer = ask("GET /s/large", "", NULL);
    cr_assert_str_eq(header(answer, "Content-Length"), "700001");
    cr_assert_str_eq(test_http_body(answer), content);
    free(answer);
    answer = ask("GET /s/large", "Range: bytes=100000-600000\r\n", NULL);
    cr_assert_eq(test_http_status(answer), 206);
    cr_assert_eq(strlen(test_http_body(answer)), 500001);
    cr_assert_eq(strncmp(test_http_body(answer), content + 100000, 500001), 0);
    free(answer);
    answer = ask("GET /s/large", "Range: bytes=600000-,0-200000,300000-300000\r\n", NULL);
    must_be_parts(answer, content, "application/octet-stream",
                  (const int[][2]){{600000, LARGE - 1}, {0, 200000}, {300000, 300000}}, 3);
    free(answer);
    must_be("HEAD /s/large", "", 200, "");
    must_be("GET /s/large", "If-None-Match: *\r\n", 304, "");
    free(content);
    end();
}

Test(http_static, a_client_that_goes_away_in_the_middle_leaves_nothing)
{
    begin();
    char *content = make_large();
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /s/large HTTP/1.1\r\nHost: x\r\n\r\n");
    while (weft_http_server_stats(server).active == 0)
        test_http_turn(&client);
    test_http_close(&client);
    client = test_http_connect();
    while (weft_http_server_stats(server).active)
        test_http_turn(&client);
    test_http_close(&client);
    cr_assert_eq(test_reports.count, 0);
    free(content);
    end();
}

Test(http_static, a_file_that_gets_shorter_meanwhile_breaks_its_answer_off)
{
    begin();
    char *content = make_large();
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /s/large HTTP/1.1\r\nHost: x\r\n\r\n");
    char some[1000];
    while (recv(client.fd, some, sizeof(some), MSG_PEEK) < 0)
        test_http_turn(&client);
    cr_assert_eq(truncate(test_path("www/large"), 10), 0);
    client.deaf = false;
    while (!client.ended)
        test_http_turn(&client);
    cr_assert_lt(client.len, (size_t)LARGE);
    cr_assert_str_eq(test_reports.task, "weft_http_files");
    cr_assert_eq(test_reports.status, WEFT_EPROTO);
    test_http_close(&client);
    free(content);
    end();
}

/* ---- Misuse, and what fails ---- */

struct sends {
    WEFT_FRAME;
    weft_http_request *request;
    int status, value;
};

static struct weft_http_file_options wrong = {.size = 3};

static WEFT_ASYNC(sends)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "X-Mine", "1");
    WEFT_CATCH(self->status, weft_http_send_file(self->request, NULL, "a", NULL));
    cr_assert_eq(self->status, -EINVAL);
    WEFT_CATCH(self->status, weft_http_send_file(self->request, "/", NULL, NULL));
    cr_assert_eq(self->status, -EINVAL);
    WEFT_CATCH(self->status, weft_http_send_file(self->request, "/", "a", &wrong));
    cr_assert_eq(self->status, -EINVAL);
    WEFT_AWAIT_INTO(seen, weft_http_send_file(self->request, test_path("www"), "a", NULL));
    WEFT_CATCH(self->status, weft_http_send_file(self->request, test_path("www"), "a", NULL));
    cr_assert_eq(self->status, -EALREADY);
    WEFT_END;
}

Test(http_static, a_handler_learns_what_was_answered)
{
    begin();
    make_old("www/a", "text");
    weft_http_route(server, "GET /mine", sends);
    char *answer = ask("GET /mine", "", NULL);
    cr_assert_str_eq(test_http_body(answer), "text");
    cr_assert_str_eq(header(answer, "X-Mine"), "1");
    cr_assert_eq(seen, 200);
    free(answer);
    unlink(test_path("www/a"));
    must_be("GET /mine", "", 404, NULL);
    cr_assert_eq(seen, 404);
    end();
}

Test(http_static, a_root_that_is_none_is_an_error_of_the_server)
{
    begin();
    must_be("GET /none/a", "", 500, NULL);
    cr_assert_eq(test_reports.status, -ENOTDIR);
    cr_assert_not_null(strstr(test_reports.message, "/nonexistent/folder"));
    end();
}

Test(http_static, a_server_that_aborts_in_the_middle_leaves_nothing)
{
    begin();
    free(make_large());
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /s/large HTTP/1.1\r\nHost: x\r\n\r\n");
    weft_http_server_abort(server);
    cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
    test_http_close(&client);
    end();
}

struct own {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(own)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_send_file(self->request, test_path("www"), "a", NULL));
    WEFT_END;
}

/* One allocation fails, the n-th; true if it came to that. */
static bool send_without(size_t n)
{
    struct test_client client = test_http_connect();
    if (n == 1)
        cr_assert_eq(weft_http_route(server, "GET /own", own), 0);
    weft_test_heap_fail_at(n);
    test_http_say(&client, "GET /own HTTP/1.1\r\nHost: x\r\n\r\n"
                           "GET /s/large HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0,900-901\r\n\r\n"
                           "GET /s/large HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 200000 && !client.ended; i++)
        test_http_turn(&client);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    while (!client.ended)
        test_http_pass(&client, WEFT_MS(100));
    cr_assert(failed || client.len > LARGE);
    test_http_close(&client);
    return failed;
}

Test(http_static, survives_every_lack_of_memory)
{
    begin();
    free(make_large());
    make_old("www/a", "text");
    size_t n = 1;
    while (send_without(n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 5);
    end();
}
