/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "tests/support/nginx.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ftw.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], url[64], ca[96];
static pid_t nginx;

static bool exists(const char *program, const char *command)
{
    if (system(command) == 0)
        return true;
    fprintf(stderr, "not run: HTTP/2 of the client: %s is not installed\n", program);
    return false;
}

bool test_has_nginx(void)
{
    return exists("nginx", "test -x /usr/sbin/nginx") &&
           exists("openssl", "command -v openssl >/dev/null");
}

static void make_certificate(void)
{
    char command[512];
    snprintf(command, sizeof(command),
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost "
             "-keyout key.pem -out cert.pem 2>openssl.log",
             folder);
    cr_assert_eq(system(command), 0);
    snprintf(ca, sizeof(ca), "%s/cert.pem", folder);
}

static struct sockaddr_in address = {.sin_family = AF_INET};

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    return fd;
}

/* One that nobody has now. */
static int find_port(void)
{
    socklen_t len = sizeof(address);
    int fd = new_socket();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = 0;
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static bool answers(void)
{
    int fd = new_socket();
    bool found = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return found;
}

static const char general[] =
    "daemon off;\nmaster_process off;\npid pid;\nerror_log log warn;\n"
    "events { worker_connections 4096; }\n"
    "http {\n"
    "  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n"
    "  fastcgi_temp_path fcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n"
    "  ssl_certificate cert.pem;\n  ssl_certificate_key key.pem;\n"
    "  client_max_body_size 0;\n"
    "  http2_max_concurrent_streams 256;\n  keepalive_timeout 600;\n"
    "  proxy_http_version 1.1;\n  proxy_buffering off;\n  proxy_request_buffering off;\n"
    "  proxy_read_timeout 600;\n  proxy_send_timeout 600;\n  send_timeout 600;\n"
    "  add_header X-Connection $connection always;\n"
    "  add_header X-Protocol $server_protocol always;\n";

static void write_configuration(const char *origin, int port, int requests)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/nginx.conf", folder);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "%s  server {\n    listen 127.0.0.1:%d ssl http2;\n", general, port);
    fprintf(file, "    keepalive_requests %d;\n    location / { proxy_pass %s; }\n  }\n}\n",
            requests, origin);
    cr_assert_eq(fclose(file), 0);
}

static _Noreturn void become_nginx(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl("/usr/sbin/nginx", "nginx", "-e", "log", "-p", folder, "-c", "nginx.conf", (char *)NULL);
    _exit(127);
}

/* False: it has ended, since somebody else has taken the port. */
static bool start(void)
{
    nginx = fork();
    cr_assert_geq(nginx, 0);
    if (nginx == 0)
        become_nginx();
    while (!answers()) {
        if (waitpid(nginx, NULL, WNOHANG) == nginx)
            return false;
        sched_yield();
    }
    return true;
}

const char *test_nginx_start(const char *origin, int requests)
{
    snprintf(folder, sizeof(folder), "/tmp/weft-nginx-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    make_certificate();
    int port, tries = 0;
    do {
        cr_assert_lt(tries++, 10, "nginx does not start: see %s/log", folder);
        port = find_port();
        write_configuration(origin, port, requests);
    } while (!start());
    snprintf(url, sizeof(url), "https://localhost:%d", port);
    return url;
}

const char *test_nginx_ca(void)
{
    return ca;
}

static int remove_one(const char *path, const struct stat *info, int what, struct FTW *at)
{
    (void)info;
    (void)what;
    (void)at;
    return remove(path);
}

void test_nginx_end(void)
{
    kill(nginx, SIGKILL);
    waitpid(nginx, NULL, 0);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
