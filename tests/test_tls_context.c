/* SPDX-License-Identifier: MIT */
/* Contexts: what is read, what is refused, what is remembered, and how it is exchanged. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/guard.h>

#include "net/tls/tls.h"
#include "tests/support/beside.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/tls.h"

TestSuite(tls_context, .init = test_tls_begin, .timeout = 60);

static weft_tls_context *client, *server;

static void make(const struct weft_tls_options *of_client, const struct weft_tls_options *of_server)
{
    client = test_client_context(of_client);
    server = test_server_context(of_server);
}

static void end(void)
{
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
}

/* A server with this certificate is refused with a status; `text` is in the message. */
static bool refused(struct weft_tls_certificate certificate, int status, const char *text)
{
    const struct weft_tls_options options = {.certificates = &certificate};
    cr_assert_null(test_context(weft_tls_server_new(&options)));
    return test_status == status && test_says(text);
}

/* ---- Files ---- */

Test(tls_context, certificates_and_keys_are_files_or_texts)
{
    char both[8192];
    const char *chain = test_file("chain.pem", test_server->chain);
    const char *key = test_file("key.pem", test_server->key);
    snprintf(both, sizeof(both), "%s%s", test_server->key, test_server->chain);
    const struct weft_tls_certificate whats[] = {
        {.chain = chain, .key = key},
        {.chain = test_file("both.pem", both)},
        {.chain = both},
        {.chain = test_server->chain, .key = key},
    };
    client = test_client_context(&(struct weft_tls_options){.ca = test_file("ca", test_ca->chain)});
    for (size_t i = 0; i < sizeof(whats) / sizeof(*whats); i++) {
        server = test_server_context(&(struct weft_tls_options){.certificates = &whats[i]});
        struct test_pair pair = test_handshake(client, server, "example.org");
        cr_assert(test_agreed(&pair));
        test_free(&pair);
        weft_tls_context_unref(server);
    }
    server = NULL;
    end();
}

static const char *encrypted_key(const char *password)
{
    static char text[4096];
    BIO *bio = BIO_new(BIO_s_mem());
    cr_assert(PEM_write_bio_PKCS8PrivateKey(bio, test_server->private_key, EVP_aes_256_cbc(),
                                            password, (int)strlen(password), NULL, NULL));
    int len = BIO_read(bio, text, sizeof(text) - 1);
    cr_assert_gt(len, 0);
    text[len] = 0;
    BIO_free(bio);
    return text;
}

Test(tls_context, a_key_may_have_a_password_and_nobody_is_asked_for_it)
{
    const char *key = encrypted_key("secret");
    struct weft_tls_certificate certificate = {
        .chain = test_server->chain, .key = key, .password = "secret"};
    server = test_server_context(&(struct weft_tls_options){.certificates = &certificate});
    certificate.password = NULL;
    cr_assert(refused(certificate, WEFT_ECERT, "a text: no private key that needs no password"));
    certificate.password = "wrong";
    cr_assert(refused(certificate, WEFT_ECERT, "a text: no key that the password opens"));
    end();
}

Test(tls_context, a_file_that_cannot_be_read_is_named)
{
    struct weft_tls_certificate certificate = {.chain = "/nowhere/chain.pem", .key = "x"};
    cr_assert(refused(certificate, -ENOENT, "/nowhere/chain.pem: cannot read the certificate"));
    certificate = (struct weft_tls_certificate){test_server->chain, "/nowhere/key.pem", NULL};
    cr_assert(refused(certificate, -ENOENT, "/nowhere/key.pem: cannot read the key"));
    const struct weft_tls_options options = {.ca = "/nowhere/ca.pem"};
    cr_assert_null(test_context(weft_tls_client_new(&options)));
    cr_assert(test_status == -ENOENT && test_says("/nowhere/ca.pem: cannot read those who"));
    end();
}

Test(tls_context, what_is_in_a_file_is_checked)
{
    const char *nothing = test_file("nothing", "nothing\n");
    const char *broken = test_file("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    struct weft_tls_certificate certificate = {.chain = nothing, .key = test_server->key};
    cr_assert(refused(certificate, WEFT_ECERT, "nothing: no certificate"));
    certificate.chain = broken;
    cr_assert(refused(certificate, WEFT_ECERT, "broken: no certificate"));
    certificate = (struct weft_tls_certificate){test_server->chain, nothing, NULL};
    cr_assert(refused(certificate, WEFT_ECERT, "nothing: no private key"));
    certificate.key = test_ca->key;
    cr_assert(refused(certificate, WEFT_ECERT, "this is not the key of the certificate"));
    const struct weft_tls_options options = {.ca = nothing};
    cr_assert_null(test_context(weft_tls_client_new(&options)));
    cr_assert(test_status == WEFT_ECERT && test_says("nothing: no certificate"));
    end();
}

Test(tls_context, a_chain_with_a_broken_end_is_refused)
{
    char chain[8192];
    snprintf(chain, sizeof(chain),
             "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
             test_server->chain);
    struct weft_tls_certificate certificate = {.chain = chain, .key = test_server->key};
    cr_assert(refused(certificate, WEFT_ECERT, "a broken certificate"));
    const struct weft_tls_options options = {.ca = chain};
    cr_assert_null(test_context(weft_tls_client_new(&options)));
    cr_assert(test_status == WEFT_ECERT && test_says("a broken certificate"));
    end();
}

/* ---- Options ---- */

static bool makes_no_sense(bool is_server, struct weft_tls_options options, const char *text)
{
    const struct weft_tls_certificate certificate = {test_server->chain, test_server->key, NULL};
    if (is_server && !options.certificates)
        options.certificates = &certificate;
    cr_assert_null(
        test_context(is_server ? weft_tls_server_new(&options) : weft_tls_client_new(&options)));
    return test_status == -EINVAL && test_says(text);
}

Test(tls_context, options_that_make_no_sense_are_refused_by_name)
{
    typedef struct weft_tls_options O;
    cr_assert(makes_no_sense(false, (O){.size = 1}, "another version"));
    cr_assert(makes_no_sense(false, (O){.flags = WEFT_TLS_CLIENT_REQUIRED}, "not for clients"));
    cr_assert(makes_no_sense(true, (O){.flags = WEFT_TLS_INSECURE}, "not for servers"));
    cr_assert(makes_no_sense(true, (O){.flags = WEFT_TLS_CLIENT_OPTIONAL}, "`ca` is needed"));
    cr_assert(makes_no_sense(true, (O){.ca = "x"}, "none are asked for"));
    cr_assert(makes_no_sense(false, (O){.handshake_timeout = -1}, "is negative"));
    cr_assert(makes_no_sense(false, (O){.alpn = ""}, "`alpn` is a list"));
    cr_assert(makes_no_sense(false, (O){.alpn = "h2,"}, "`alpn` is a list"));
    cr_assert(makes_no_sense(false, (O){.alpn = ",h2"}, "`alpn` is a list"));
    cr_assert(makes_no_sense(false, (O){.ciphers = "NONE"}, "no cipher of \"NONE\""));
    cr_assert(
        makes_no_sense(false, (O){.min_version = (enum weft_tls_version)7}, "no such version"));
    cr_assert(makes_no_sense(false, (O){.min_version = WEFT_TLS_1_3, .max_version = WEFT_TLS_1_2},
                             "newer than"));
    cr_assert(
        makes_no_sense(true, (O){.certificates = &(struct weft_tls_certificate){0}}, "a chain"));
    cr_assert_null(test_context(weft_tls_server_new(NULL)));
    cr_assert(test_says("a server needs a certificate"));
    end();
}

Test(tls_context, the_systems_certificates_are_trusted_unless_told_otherwise)
{
    setenv("SSL_CERT_FILE", test_file("system", test_ca->chain), 1);
    setenv("SSL_CERT_DIR", "", 1);
    server = test_server_context(NULL);
    client = test_context(weft_tls_client_new(NULL));
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    test_free(&pair);
    weft_tls_context_unref(client);
    const struct weft_tls_options options = {.flags = WEFT_TLS_NO_SYSTEM_CA};
    client = test_context(weft_tls_client_new(&options));
    pair = test_handshake(client, server, "example.org");
    cr_assert_eq(pair.client_status, WEFT_ECERT);
    test_free(&pair);
    end();
}

Test(tls_context, the_systems_folder_is_read_when_a_context_is_made)
{
    char folder[384];
    const char *path = test_file("0123abcd.0", test_ca->chain);
    snprintf(folder, sizeof(folder), ":%s", path);
    *strrchr(folder, '/') = 0;
    setenv("SSL_CERT_FILE", "/nowhere", 1);
    setenv("SSL_CERT_DIR", folder, 1);
    server = test_server_context(NULL);
    client = test_context(weft_tls_client_new(NULL));
    cr_assert_eq(unlink(path), 0); /* a handshake does not look for it */
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    test_free(&pair);
    end();
}

/* ---- Sessions ---- */

/* A connection over which something is read, so that tickets arrive. True: it was resumed. */
static bool resumes(const char *name)
{
    struct test_pair pair = test_handshake(client, server, name);
    cr_assert(test_agreed(&pair) && test_talks(&pair));
    bool is_resumed = weft_tls_info(pair.client)->is_resumed;
    cr_assert_eq(is_resumed, weft_tls_info(pair.server)->is_resumed);
    cr_assert(weft_tls_info(pair.client)->is_verified);
    cr_assert_str_eq(weft_tls_info(pair.client)->subject, "CN=a server");
    cr_assert_str_eq(weft_tls_info(pair.server)->server_name, isdigit(name[0]) ? "" : name);
    test_free(&pair);
    return is_resumed;
}

Test(tls_context, a_second_connection_is_resumed)
{
    make(NULL, NULL);
    cr_assert(!resumes("example.org"));
    for (int i = 0; i < 5; i++)
        cr_assert(resumes("example.org"));
    cr_assert(!resumes("127.0.0.1")); /* what was verified was another name */
    end();
}

Test(tls_context, a_second_connection_with_tls_1_2_is_resumed)
{
    make(&(struct weft_tls_options){.max_version = WEFT_TLS_1_2}, NULL);
    cr_assert(!resumes("example.org"));
    for (int i = 0; i < 3; i++)
        cr_assert(resumes("example.org"));
    end();
}

/* RFC 6066, 3: whoever asks for another name begins from nothing. */
Test(tls_context, a_session_is_for_the_name_that_it_began_with)
{
    static const enum weft_tls_version versions[] = {WEFT_TLS_1_2, WEFT_TLS_1_3};
    const struct test_cert *both = test_make(&(struct test_make){
        .subject = "a server", .names = "DNS:example.org,DNS:example.com", .issuer = test_ca});
    struct weft_tls_options options = test_serving(both);
    for (size_t i = 0; i < 2; i++) {
        options.max_version = versions[i];
        make(NULL, &options);
        cr_assert(!resumes("example.org"));
        cr_assert_null(weft__tls_cache_take(&client->cache, "example.com"));
        SSL_SESSION *session = weft__tls_cache_take(&client->cache, "example.org");
        cr_assert(weft__tls_cache_put(&client->cache, "example.com", session));
        cr_assert(!resumes("example.com") && resumes("example.com"));
        weft_tls_context_unref(client);
        weft_tls_context_unref(server);
    }
    client = server = NULL;
    end();
}

/* Who listens could tell otherwise that it is the same client. */
Test(tls_context, a_ticket_of_tls_1_3_is_used_once)
{
    SSL_SESSION *session, *last = NULL;
    size_t count = 0;
    make(NULL, NULL);
    cr_assert(!resumes("example.org"));
    for (; (session = weft__tls_cache_take(&client->cache, "example.org")); count++) {
        cr_assert_neq(session, last);
        SSL_SESSION_free(last);
        last = session;
    }
    SSL_SESSION_free(last);
    cr_assert_gt(count, 0);
    end();
}

Test(tls_context, a_session_with_nobody_in_particular_is_not_kept)
{
    make(&(struct weft_tls_options){.flags = WEFT_TLS_ANY_NAME}, NULL);
    for (int i = 0; i < 2; i++) {
        struct test_pair pair = test_handshake(client, server, NULL);
        cr_assert(test_agreed(&pair) && test_talks(&pair));
        cr_assert(!weft_tls_info(pair.client)->is_resumed);
        test_free(&pair);
    }
    end();
}

Test(tls_context, no_connection_is_resumed_where_that_is_not_wanted)
{
    make(&(struct weft_tls_options){.flags = WEFT_TLS_NO_RESUMPTION}, NULL);
    cr_assert(!resumes("example.org") && !resumes("example.org"));
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    make(NULL, &(struct weft_tls_options){.flags = WEFT_TLS_NO_RESUMPTION});
    cr_assert(!resumes("example.org") && !resumes("example.org"));
    end();
}

Test(tls_context, a_client_whom_the_server_knows_by_certificate_is_resumed_as_the_same)
{
    struct weft_tls_options options =
        test_serving(test_make(&(struct test_make){.subject = "me", .issuer = test_ca}));
    client = test_client_context(&options);
    server = test_server_context(
        &(struct weft_tls_options){.ca = test_ca->chain, .flags = WEFT_TLS_CLIENT_REQUIRED});
    for (int i = 0; i < 2; i++) {
        struct test_pair pair = test_handshake(client, server, "example.org");
        cr_assert(test_agreed(&pair) && test_talks(&pair));
        cr_assert_eq(weft_tls_info(pair.server)->is_resumed, i == 1);
        cr_assert_str_eq(weft_tls_info(pair.server)->subject, "CN=me");
        test_free(&pair);
    }
    end();
}

Test(tls_context, only_the_last_sessions_are_remembered)
{
    struct weft__tls_cache cache = {0};
    char name[32];
    for (int i = 0; i < WEFT__TLS_SESSIONS + 3; i++) {
        SSL_SESSION *session = SSL_SESSION_new();
        snprintf(name, sizeof(name), "host%d", i);
        cr_assert(
            SSL_SESSION_set_protocol_version(session, i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION));
        cr_assert(weft__tls_cache_put(&cache, name, session));
    }
    cr_assert_null(weft__tls_cache_take(&cache, "host2"));
    for (int round = 0; round < 2; round++) {
        SSL_SESSION *twelve = weft__tls_cache_take(&cache, "host4");
        SSL_SESSION *thirteen = weft__tls_cache_take(&cache, "host3");
        cr_assert_not_null(twelve);
        cr_assert_eq(thirteen != NULL, round == 0); /* it is used once */
        SSL_SESSION_free(twelve);
        SSL_SESSION_free(thirteen);
    }
    weft__tls_cache_clear(&cache);
    cr_assert_null(weft__tls_cache_take(&cache, "host4"));
    end();
}

/* ---- Reloading ---- */

static struct weft_tls_certificate in_files(const struct test_cert *cert)
{
    return (struct weft_tls_certificate){.chain = test_file("chain.pem", cert->chain),
                                         .key = test_file("key.pem", cert->key)};
}

static const char *subject_of(const struct test_pair *pair)
{
    return weft_tls_info(pair->client)->subject;
}

Test(tls_context, a_reload_is_for_new_connections_and_old_ones_go_on)
{
    struct weft_tls_certificate files = in_files(test_server);
    make(NULL, &(struct weft_tls_options){.certificates = &files});
    struct test_pair old = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&old) && test_talks(&old));
    in_files(test_make(
        &(struct test_make){.subject = "renewed", .names = "DNS:example.org", .issuer = test_ca}));
    struct test_pair between = test_plain();
    weft_future *accepted = weft_start_tls(between.server, server, NULL);
    weft_future *reloaded = weft_tls_reload(server);
    cr_assert_eq(test_wait_for(reloaded), 0);
    weft_future *connected = weft_start_tls(between.client, client, "example.org");
    cr_assert_eq(test_wait_for(connected), 0);
    cr_assert_eq(test_wait_for(accepted), 0);
    cr_assert_str_eq(subject_of(&between), "CN=a server"); /* it had begun */
    struct test_pair new = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&new));
    cr_assert_str_eq(subject_of(&new), "CN=renewed"); /* also: it was not resumed */
    cr_assert_str_eq(subject_of(&old), "CN=a server");
    cr_assert(test_talks(&old) && test_talks(&between) && test_talks(&new));
    test_free(&old);
    test_free(&between);
    test_free(&new);
    end();
}

Test(tls_context, a_client_that_was_reloaded_forgets_its_sessions)
{
    make(NULL, NULL);
    cr_assert(!resumes("example.org") && resumes("example.org"));
    struct test_pair old = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&old));
    cr_assert_eq(test_wait_for(weft_tls_reload(client)), 0);
    cr_assert(test_talks(&old)); /* its tickets come now, and are not kept */
    test_free(&old);
    cr_assert(!resumes("example.org") && resumes("example.org"));
    end();
}

Test(tls_context, a_reload_that_fails_changes_nothing)
{
    struct weft_tls_certificate files = in_files(test_server);
    make(NULL, &(struct weft_tls_options){.certificates = &files});
    cr_assert(!resumes("example.org"));
    test_file("key.pem", "no key\n");
    cr_assert_eq(test_wait_for(weft_tls_reload(server)), WEFT_ECERT);
    cr_assert(test_says("key.pem: no private key"));
    cr_assert(resumes("example.org"));
    cr_assert_eq(test_wait_for(weft_tls_reload(NULL)), -EINVAL);
    end();
}

/* ---- Cancel ---- */

/* A context whose key comes by a pipe that nobody writes to: its job is stuck. */
static weft_future *start_stuck(char path[384])
{
    snprintf(path, 384, "%s", test_file("pipe", ""));
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    const struct weft_tls_certificate certificate = {.chain = path, .key = test_server->key};
    return weft_tls_server_new(&(struct weft_tls_options){.certificates = &certificate});
}

static struct weft_lane_stats file_jobs(void)
{
    struct weft_lane_stats stats;
    weft_lane_get_stats(weft_loop_lane(test_loop, "files"), &stats);
    return stats;
}

/* Who reads the pipe, now or later, finds nothing in it. */
static void empty_pipe(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
}

/* The loop is gone, and a job that was left to itself may not be. */
static void end_behind_jobs(const char *path)
{
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    weft_loop_free(test_loop);
    test_loop = NULL;
    while (weft_test_heap_live() > 0) {
        empty_pipe(path);
        sched_yield();
    }
    test_tls_end();
}

Test(tls_context, a_cancel_does_not_wait_for_a_file_that_does_not_come)
{
    char path[384];
    weft_future *made = start_stuck(path);
    while (!file_jobs().running)
        sched_yield();
    weft_cancel(made);
    cr_assert_eq(test_wait_for(made), -ECANCELED);
    end_behind_jobs(path);
}

Test(tls_context, a_reload_that_was_cancelled_has_not_happened)
{
    struct weft_tls_certificate files = in_files(test_server);
    make(NULL, &(struct weft_tls_options){.certificates = &files});
    const struct test_cert *renewed = test_make(
        &(struct test_make){.subject = "renewed", .names = "DNS:example.org", .issuer = test_ca});
    test_file("key.pem", renewed->key);
    cr_assert_eq(unlink(files.chain), 0);
    cr_assert_eq(mkfifo(files.chain, 0600), 0);
    weft_future *reloaded = weft_tls_reload(server);
    int fd = open(files.chain, O_WRONLY | O_CLOEXEC); /* as soon as the job has opened it */
    cr_assert_geq(fd, 0);
    weft_cancel(reloaded);
    cr_assert_eq(test_wait_for(reloaded), -ECANCELED);
    ssize_t len = (ssize_t)strlen(renewed->chain);
    cr_assert_eq(write(fd, renewed->chain, (size_t)len), len);
    close(fd);
    while (file_jobs().abandoned_running)
        sched_yield();
    cr_assert(!resumes("example.org") && resumes("example.org"));
    end_behind_jobs("/nowhere");
}

Test(tls_context, a_cancel_before_it_has_begun_leaves_nothing)
{
    const struct weft_tls_options options = {.ca = test_ca->chain, .flags = WEFT_TLS_NO_SYSTEM_CA};
    weft_future *made = weft_tls_client_new(&options);
    weft_cancel(made);
    int status = test_wait_for(made);
    cr_assert(status == -ECANCELED || status == 0);
    end_behind_jobs("/nowhere");
}

Test(tls_context, a_context_that_nobody_takes_is_freed)
{
    const struct weft_tls_options options = {.ca = test_ca->chain, .flags = WEFT_TLS_NO_SYSTEM_CA};
    cr_assert_eq(test_wait_for(weft_tls_client_new(&options)), 0);
    weft_unref(weft_tls_client_new(&options));
    end_behind_jobs("/nowhere");
}

/* ---- A lock that another thread holds ---- */

#ifdef WEFT_TEST_HAS_GUARD
static struct gate held;

/* Until somebody waits for it: then it is 2, as libc has it. */
static void hold(void *context)
{
    pthread_mutex_t *lock = &((weft_tls_context *)context)->lock;
    pthread_mutex_lock(lock);
    gate_open(&held);
    while (__atomic_load_n(&lock->__data.__lock, __ATOMIC_RELAXED) != 2)
        sched_yield();
    pthread_mutex_unlock(lock);
}

/* It does so for a few pointers only: no sin of the loop's. */
static void take_current(void *context)
{
    WEFT_ALLOW_BLOCKING("the other thread has the lock then")
        gate_pass(&held);
    SSL_CTX_free(weft__tls_current(context));
}

Test(tls_context, is_waited_for_without_a_report)
{
    make(NULL, NULL);
    gate_init(&held);
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    weft_future *taken = weft_call_soon(take_current, server);
    weft_test_beside(hold, server);
    cr_assert_eq(weft_test_run(taken), 0);
    cr_assert_eq(weft_guard_watch_count(watch), 0);
    weft_guard_watch_end(watch);
    end();
}
#endif
