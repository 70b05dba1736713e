/* SPDX-License-Identifier: MIT */
/* Uploads to the HTTP server. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/http_upload.h>
#include <weft/task.h>

#include "tests/support/files.h"
#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"

TestSuite(http_upload, .init = test_files_begin, .timeout = 120);

static weft_http_server *server;
static struct weft_http_upload_options options;
static char keep[512];
static int kept;

/* Says what was uploaded: "name=value;" or "name:filename:type:size:content;". */
struct takes {
    WEFT_FRAME;
    weft_http_request *request;
    weft_http_upload *upload;
    const struct weft_http_part *part;
    size_t i, got;
    char text[2000], content[400];
};

static void say(struct takes *self, const char *text)
{
    snprintf(self->text + strlen(self->text), sizeof(self->text) - strlen(self->text), "%s", text);
}

static void say_part(struct takes *self)
{
    char text[1000];
    const struct weft_http_part *part = self->part;
    if (part->file)
        snprintf(text, sizeof(text), "%s:%s:%s:%d:%.*s;", part->name, part->filename,
                 part->content_type ? part->content_type : "-", (int)part->size,
                 (int)(self->got < 20 ? self->got : 20), self->content);
    else
        snprintf(text, sizeof(text), "%s=%s;", part->name, part->value);
    say(self, text);
}

static WEFT_ASYNC(takes)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->upload, weft_http_read_upload(self->request, &options));
    while ((self->part = weft_http_upload_at(self->upload, self->i++)) != NULL) {
        if (self->part->file)
            WEFT_AWAIT_INTO(self->got, weft_file_pread(self->part->file, self->content,
                                                       sizeof(self->content), 0));
        say_part(self);
    }
    self->part = weft_http_upload_get(self->upload, "f");
    if (keep[0])
        WEFT_CATCH(kept, weft_http_upload_keep(self->upload, self->part, keep));
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, self->text, strlen(self->text)));
    WEFT_FINALLY;
    weft_http_upload_free(self->upload);
    WEFT_END;
}

static void begin(void)
{
    static char folder[512];
    snprintf(folder, sizeof(folder), "%s", test_path("."));
    options = (struct weft_http_upload_options){.folder = folder};
    keep[0] = 0;
    kept = 1;
    server = test_http_begin(NULL);
    weft_http_route(server, "POST /up", takes);
}

/* Nothing is left in the folder but what the test says. */
static void end(size_t entries)
{
    weft_http_server_free(server);
    cr_assert_eq(test_count_entries(), entries);
    test_files_end();
}

#define TYPE "Content-Type: multipart/form-data; boundary=B\r\n"
#define FIELD(name) "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define AS_FILE(name, filename)                                                               \
    "--B\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"" filename "\"\r\n" \
    "Content-Type: text/plain\r\n\r\n"

static char *post(const char *type, const char *body)
{
    static char text[4000];
    struct test_client client = test_http_connect();
    snprintf(text, sizeof(text),
             "POST /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
             type, strlen(body), body);
    test_http_say(&client, text);
    while (!client.ended)
        test_http_turn(&client);
    char *received = client.received;
    client.received = NULL;
    test_http_close(&client);
    return received;
}

static void must_be(const char *body, int status, const char *expected)
{
    char *answer = post(TYPE, body);
    cr_assert_eq(test_http_status(answer), status, "%s: %s", body, answer);
    if (expected)
        cr_assert_str_eq(test_http_body(answer), expected);
    free(answer);
}

Test(http_upload, fields_and_files_come_in_their_order)
{
    begin();
    must_be(FIELD("a") "one\r\n" AS_FILE("f", "../x.txt") "content\r\n" FIELD("b") "\r\n--B--\r\n",
            200, "a=one;f:x.txt:text/plain:7:content;b=;");
    must_be("--B--", 200, "");
    must_be(AS_FILE("f", "") "\r\n--B--", 200, "f::text/plain:0:;");
    end(0);
}

Test(http_upload, a_file_that_is_kept_gets_its_name)
{
    begin();
    snprintf(keep, sizeof(keep), "%s", test_path("kept"));
    must_be(AS_FILE("f", "x") "content\r\n--B--", 200, NULL);
    cr_assert_eq(kept, 0);
    char *content = test_content("kept");
    cr_assert_str_eq(content, "content");
    free(content);
    must_be(AS_FILE("f", "x") "other\r\n--B--", 200, NULL);
    cr_assert_eq(kept, -EEXIST);
    must_be(FIELD("f") "no file\r\n--B--", 200, NULL);
    cr_assert_eq(kept, -EINVAL);
    snprintf(keep, sizeof(keep), "%s", test_path("nowhere/kept"));
    must_be(AS_FILE("f", "x") "content\r\n--B--", 200, NULL);
    cr_assert_eq(kept, -ENOENT);
    end(1);
}

Test(http_upload, a_file_is_copied_to_another_file_system)
{
    struct stat here, there;
    begin();
    snprintf(keep, sizeof(keep), "/dev/shm/weft-upload-%d", (int)getpid());
    cr_assert_eq(stat(test_path("."), &here), 0);
    if (stat("/dev/shm", &there) == 0 && here.st_dev != there.st_dev) {
        must_be(AS_FILE("f", "x") "content\r\n--B--", 200, NULL);
        cr_assert_eq(kept, 0);
        char content[20] = "";
        int fd = open(keep, O_RDONLY);
        cr_assert_eq(read(fd, content, sizeof(content)), 7);
        cr_assert_str_eq(content, "content");
        close(fd);
        unlink(keep);
    }
    end(0);
}

Test(http_upload, what_is_no_upload_is_refused_with_the_status_that_fits)
{
    begin();
    char *answer = post("Content-Type: text/plain\r\n", "--B--");
    cr_assert_eq(test_http_status(answer), 415);
    free(answer);
    answer = post("", "--B--");
    cr_assert_eq(test_http_status(answer), 415);
    free(answer);
    must_be("nonsense", 400, NULL);
    must_be("", 400, NULL);
    must_be(AS_FILE("f", "x") "cut off", 400, NULL);
    must_be(FIELD("a") "x\r\n--B--behind", 400, NULL);
    cr_assert_eq(test_reports.count, 0);
    end(0);
}

Test(http_upload, what_is_too_much_is_413)
{
    begin();
    options.max_parts = 2;
    options.max_field = 5;
    options.max_file = 10;
    options.max_total = 12;
    must_be(FIELD("a") "12345\r\n--B--", 200, "a=12345;");
    must_be(FIELD("a") "123456\r\n--B--", 413, NULL);
    must_be(AS_FILE("f", "x") "1234567890\r\n--B--", 200, "f:x:text/plain:10:1234567890;");
    must_be(AS_FILE("f", "x") "12345678901\r\n--B--", 413, NULL);
    must_be(AS_FILE("f", "x") "1234567890\r\n" FIELD("a") "12\r\n--B--", 200, NULL);
    must_be(AS_FILE("f", "x") "1234567890\r\n" FIELD("a") "123\r\n--B--", 413, NULL);
    must_be(FIELD("a") "\r\n" FIELD("b") "\r\n--B--", 200, NULL);
    must_be(FIELD("a") "\r\n" FIELD("b") "\r\n" FIELD("c") "\r\n--B--", 413, NULL);
    cr_assert_eq(test_reports.count, 0);
    end(0);
}

/* However long the server waits for its disk. */
static void send_all(struct test_client *client, const char *data, size_t len)
{
    while (len) {
        ssize_t sent = send(client->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        cr_assert(sent > 0 || errno == EAGAIN, "%s", client->received);
        data += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
        test_http_turn(client);
    }
}

Test(http_upload, a_large_file_arrives_whole)
{
    enum { LARGE = 400000 };
    static char content[LARGE + 1];
    char head[400];
    begin();
    snprintf(keep, sizeof(keep), "%s", test_path("kept"));
    for (size_t i = 0; i < LARGE; i++)
        content[i] = (char)(i % 7 == 0 ? '\r' : 'a' + (char)(i % 23));
    struct test_client client = test_http_connect();
    snprintf(head, sizeof(head),
             "POST /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" TYPE
             "Content-Length: %zu\r\n\r\n" AS_FILE("f", "x"),
             strlen(AS_FILE("f", "x")) + LARGE + strlen("\r\n--B--"));
    test_http_say(&client, head);
    send_all(&client, content, LARGE);
    send_all(&client, "\r\n--B--", 7);
    while (!client.ended)
        test_http_turn(&client);
    cr_assert_eq(kept, 0, "%s", client.received);
    char *stored = test_content("kept");
    cr_assert_eq(memcmp(stored, content, LARGE), 0);
    free(stored);
    test_http_close(&client);
    end(1);
}

Test(http_upload, a_client_that_goes_away_leaves_nothing)
{
    begin();
    struct test_client client = test_http_connect();
    test_http_say(&client, "POST /up HTTP/1.1\r\nHost: x\r\n" TYPE
                           "Content-Length: 1000\r\n\r\n" AS_FILE("f", "x") "some");
    while (weft_http_server_stats(server).active == 0)
        test_http_turn(&client);
    test_http_close(&client);
    client = test_http_connect();
    while (weft_http_server_stats(server).active)
        test_http_turn(&client);
    test_http_close(&client);
    cr_assert_eq(test_reports.count, 0);
    end(0);
}

Test(http_upload, a_server_that_aborts_leaves_nothing)
{
    begin();
    struct test_client client = test_http_connect();
    test_http_say(&client, "POST /up HTTP/1.1\r\nHost: x\r\n" TYPE
                           "Content-Length: 1000\r\n\r\n" AS_FILE("f", "x") "some");
    weft_http_server_abort(server);
    cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
    test_http_close(&client);
    end(0);
}

Test(http_upload, a_folder_that_is_none_is_an_error_of_the_server)
{
    begin();
    options.folder = "/nonexistent/folder";
    must_be(AS_FILE("f", "x") "content\r\n--B--", 500, NULL);
    cr_assert_eq(test_reports.status, -ENOENT);
    cr_assert_not_null(strstr(test_reports.message, "/nonexistent/folder"));
    options = (struct weft_http_upload_options){.size = 3};
    must_be("--B--", 500, NULL);
    cr_assert_eq(test_reports.status, -EINVAL);
    end(0);
}

/* One allocation fails, the n-th; true if it came to that. */
static bool upload_without(size_t n)
{
    struct test_client client = test_http_connect();
    struct weft_http_part none = {0};
    weft_test_heap_fail_at(n);
    weft_unref(weft_http_read_upload(NULL, NULL));
    cr_assert(weft_test_run(weft_http_upload_keep(NULL, &none, "x")) < 0);
    test_http_say(&client, "POST /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" TYPE
                           "Content-Length: 159\r\n\r\n" AS_FILE("f", "x") "content\r\n");
    test_http_say(&client, FIELD("a") "one\r\n--B--\r\n");
    for (int i = 0; i < 100000 && !client.ended; i++)
        test_http_turn(&client);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    while (!client.ended)
        test_http_pass(&client, WEFT_MS(100));
    cr_assert(failed || test_http_status(client.received) == 200, "%s", client.received);
    test_http_close(&client);
    return failed;
}

Test(http_upload, survives_every_lack_of_memory)
{
    begin();
    char path[512];
    snprintf(path, sizeof(path), "%s", test_path("kept"));
    memcpy(keep, path, sizeof(keep));
    cr_assert_eq(strlen(AS_FILE("f", "x") "content\r\n" FIELD("a") "one\r\n--B--\r\n"), 159);
    size_t n = 1;
    while (upload_without(n)) {
        unlink(path);
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    unlink(path);
    cr_assert(n > 10);
    end(0);
}
