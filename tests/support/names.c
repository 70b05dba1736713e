/* SPDX-License-Identifier: MIT */
#include "tests/support/names.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/sys.h"

enum { MAX_NAMES = 16 };

static struct entry {
    char host[64], numbers[256];
    int code;
} names[MAX_NAMES];
static size_t count;
static struct gate *held_at;

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

atomic_int test_names_asked;
struct test_question test_names_last; /* written under the lock */

static const struct entry *find(const char *host)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(names[i].host, host))
            return &names[i];
    }
    return NULL;
}

/* One number, by the system's own function: so freeaddrinfo() takes it. */
static struct addrinfo *number(const char *text, const char *service, const struct addrinfo *asked)
{
    struct addrinfo hints = {.ai_socktype = asked->ai_socktype,
                             .ai_family = asked->ai_family,
                             .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    return getaddrinfo(text, service, &hints, &found) ? NULL : found;
}

static struct addrinfo *list(const char *numbers, const char *service, const struct addrinfo *asked)
{
    char text[64];
    int used = 0;
    struct addrinfo *first = NULL, **end = &first;
    for (; sscanf(numbers, "%63s%n", text, &used) == 1; numbers += used) {
        *end = number(text, service, asked);
        if (*end)
            end = &(*end)->ai_next;
    }
    return first;
}

static void pass(void)
{
    atomic_fetch_add(&test_names_asked, 1);
    if (held_at)
        gate_pass(held_at);
}

static int look_up(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret)
{
    pass();
    struct test_question question = {.family = hints->ai_family,
                                     .type = hints->ai_socktype,
                                     .flags = hints->ai_flags,
                                     .has_service = service != NULL};
    snprintf(question.host, sizeof(question.host), "%s", host);
    snprintf(question.service, sizeof(question.service), "%s", service ? service : "");
    pthread_mutex_lock(&mu);
    test_names_last = question;
    pthread_mutex_unlock(&mu);
    const struct entry *entry = find(host);
    if (!entry || entry->code)
        return entry ? entry->code : EAI_NONAME;
    *ret = list(entry->numbers, service, hints);
    return *ret ? 0 : EAI_NONAME;
}

static int look_back(const struct sockaddr *address, socklen_t len, char *host, socklen_t host_size,
                     char *service, socklen_t service_size, int flags)
{
    char text[64];
    (void)service;
    (void)service_size;
    (void)flags;
    pass();
    int code = getnameinfo(address, len, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
    const struct entry *entry = code ? NULL : find(text);
    if (!entry || entry->code)
        return entry ? entry->code : EAI_NONAME;
    snprintf(host, host_size, "%s", entry->numbers);
    return 0;
}

void test_names_begin(void)
{
    count = 0;
    held_at = NULL;
    atomic_store(&test_names_asked, 0);
    weft__sys.getaddrinfo = look_up;
    weft__sys.getnameinfo = look_back;
}

static struct entry *entry_of(const char *host)
{
    struct entry *entry = (struct entry *)find(host);
    if (!entry)
        entry = &names[count++];
    snprintf(entry->host, sizeof(entry->host), "%s", host);
    return entry;
}

void test_name(const char *host, const char *numbers)
{
    struct entry *entry = entry_of(host);
    entry->code = 0;
    snprintf(entry->numbers, sizeof(entry->numbers), "%s", numbers);
}

void test_name_fails(const char *host, int code)
{
    entry_of(host)->code = code;
}

void test_names_gate(struct gate *gate)
{
    held_at = gate;
}
