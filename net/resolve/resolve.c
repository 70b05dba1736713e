/* SPDX-License-Identifier: MIT */
/*
 * Who asks for a name, what is known of it, and what is being looked up.
 *
 * Of equal questions there is one entry in the loop's table, with those who wait for its answer:
 *
 *     (none) --asked--> ASKED: a job is under way
 *     ASKED  --asked--> ASKED: one more waits
 *     ASKED  --the last one leaves, the job has not begun--> freed, the job is dropped
 *            --the last one leaves, the job runs--> ASKED, and nobody waits
 *            --the job has ended--> TOLD: all who wait get the answer, each a copy of his own
 *     TOLD   --it may be kept--> KEPT --too old, no room, configured--> freed
 *            --else--> freed
 *     any    --the loop ends--> freed; a job that runs is abandoned
 *
 * Leaving means a cancel, or the end of the time that one has given it. It completes at once: the
 * job has its own copy of the question. One that runs cannot be stopped; so that the same dead name,
 * asked for again and again, holds one thread and not all of the lane's, its entry stays.
 *
 * An answer has no port, unless a service was looked up: so who asks for the same name with another
 * port has the same question, and gets his port with his copy.
 *
 * To tell the answer may run the error handler, which may ask, leave or configure: those who wait are
 * told one by one off a list of which each can leave, and an entry that is TOLD is not freed by others.
 *
 * Failure modes: no memory for the entry, who asks, his timer or his copy (-ENOMEM for that one); the
 * pool refuses the job (all who wait fail as it did).
 */
#include "net/resolve/resolve.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/callback.h>

#include "core/bytes.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/text.h"
#include "net/net.h"
#include "net/resolve/look_up.h"
#include "pool/job.h"

enum { DEFAULT_NAMES = 256, KEY = WEFT__HOST_NAME + WEFT__SERVICE_NAME + 32 };

#define POSITIVE_TTL WEFT_S(10)
#define NEGATIVE_TTL WEFT_S(1)

enum state { ASKED, TOLD, KEPT };

/* All [loop]. */
struct weft__look_up_entry {
    weft__link link;       /* first; in its bucket */
    struct weft__net *net; /* [const] */
    enum state state;
    bool is_reverse;                           /* [const] */
    bool has_ports;                            /* [const] the answer's; else each has his own */
    weft__link *askers;                        /* newest first */
    weft__waiter waiter;                       /* ASKED: on the job */
    struct weft__answer *answer;               /* owned; NULL: the job has given none */
    weft_ns good_until;                        /* what is looked up is answered before that */
    struct weft__look_up_entry *newer, *older; /* KEPT */
    char key[]; /* [const] host, ':' and service, and behind a blank what else was asked */
};

/* Somebody who waits. All [loop]. */
struct asker {
    weft_future future; /* first */
    weft__link link;
    struct weft__look_up_entry *entry; /* while PENDING */
    struct weft_callback timer;        /* of `timeout` */
    uint16_t port;
};

static struct asker *asker_of(weft_future *future)
{
    return (struct asker *)(void *)future;
}

static struct asker *asker_at(weft__link *link)
{
    return WEFT__CONTAINER(link, struct asker, link);
}

/* ---- The table ---- */

/* Names are the same in capitals. */
static void write_key(const struct weft__question *question, char key[KEY])
{
    snprintf(key, KEY, "%s%s%s %d %d %d", question->host, question->service[0] ? ":" : "",
             question->service, question->family, question->type, question->is_reverse);
    for (char *at = key; *at; at++)
        *at = (char)tolower((unsigned char)*at);
}

static weft__link **bucket(struct weft__net *net, const char *key)
{
    uint32_t hash = 2166136261u;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return &net->resolver.buckets[(hash ^ hash >> 16) % WEFT__RESOLVER_BUCKETS];
}

/* The question as its message has it. */
static int shown(const struct weft__look_up_entry *entry)
{
    return (int)strcspn(entry->key, " ");
}

static void unkeep(struct weft__look_up_entry *entry)
{
    struct weft__resolver *resolver = &entry->net->resolver;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        resolver->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        resolver->oldest = entry->newer;
    resolver->kept--;
}

static void forget(struct weft__look_up_entry *entry)
{
    if (entry->state == KEPT)
        unkeep(entry);
    weft__link_remove(&entry->link);
    weft__free(entry->answer);
    weft__free(entry);
}

static void keep(struct weft__look_up_entry *entry)
{
    struct weft__resolver *resolver = &entry->net->resolver;
    size_t most = resolver->options.max_names ? resolver->options.max_names : DEFAULT_NAMES;
    entry->state = KEPT;
    entry->newer = NULL;
    entry->older = resolver->newest;
    if (entry->older)
        entry->older->newer = entry;
    else
        resolver->oldest = entry;
    resolver->newest = entry;
    if (++resolver->kept > most)
        forget(resolver->oldest);
}

/* What answers the question, or will; NULL: nothing. What is too old goes. */
static struct weft__look_up_entry *find(struct weft__net *net, const char *key, bool fresh)
{
    weft__link *link = *bucket(net, key), *next;
    for (; link; link = next) {
        struct weft__look_up_entry *entry = (struct weft__look_up_entry *)(void *)link;
        next = link->next;
        if (strcmp(entry->key, key) != 0)
            continue;
        if (entry->state == ASKED)
            return entry;
        if (!fresh && weft__loop_now(net->loop) < entry->good_until)
            return entry;
        if (entry->state == KEPT)
            forget(entry);
    }
    return NULL;
}

/* ---- Copies of an answer ---- */

/* 0 and the value, or the failure. `port` < 0: as they are. */
static int copy_addresses(const struct weft__address *list, size_t count, int port,
                          weft_addresses **ret)
{
    weft_addresses *copy = weft__malloc(sizeof(*copy) + count * sizeof(copy->list[0]));
    if (!copy)
        return -ENOMEM;
    copy->count = count;
    copy->list = (weft_address *)(copy + 1);
    for (size_t i = 0; i < count; i++) {
        copy->list[i] = weft__address_outside(&list[i]);
        if (port >= 0)
            weft_address_set_port(&copy->list[i], (uint16_t)port);
    }
    *ret = copy;
    return 0;
}

static int copy_name(const char *name, weft_bytes **ret)
{
    size_t len = strlen(name);
    *ret = weft__bytes_new(len);
    if (!*ret)
        return -ENOMEM;
    memcpy((*ret)->data, name, len + 1);
    return 0;
}

/* Complete a future as the answer says. */
static void answer(weft_future *future, const struct weft__look_up_entry *entry, uint16_t port)
{
    const struct weft__answer *from = entry->answer;
    weft_addresses *addresses = NULL;
    weft_bytes *name = NULL;
    int status = from->status;
    if (status == 0 && entry->is_reverse)
        status = copy_name(from->text, &name);
    else if (status == 0)
        status = copy_addresses(from->list, from->count, entry->has_ports ? -1 : port, &addresses);
    if (status < 0)
        weft__complete_failed(future, status,
                              status == from->status ? weft__strdup(from->text) : NULL);
    else if (name)
        weft__complete(future, weft_value_ptr(name), weft__bytes_destroy);
    else
        weft__complete(future, weft_value_ptr(addresses), weft__free);
}

/* ---- Who waits ---- */

/* The last things that are done with one. */
static void let_go(struct asker *asker, int status, char *message)
{
    weft_callback_cancel(&asker->timer);
    weft__complete_failed(&asker->future, status, message);
    weft_unref(&asker->future);
}

static void drop_if_alone(struct weft__look_up_entry *entry)
{
    if (entry->state != ASKED || entry->askers || !weft__is_waiting(&entry->waiter))
        return;
    weft_future *job = entry->waiter.future;
    weft__detach(&entry->waiter);
    if (!weft__job_drop(job)) {
        weft__wait(&entry->waiter, job);
        return;
    }
    weft_unref(job);
    forget(entry);
}

static void leave(struct asker *asker, int status, char *message)
{
    weft__link_remove(&asker->link);
    drop_if_alone(asker->entry);
    let_go(asker, status, message);
}

static bool cancel(weft_future *future)
{
    leave(asker_of(future), -ECANCELED, NULL);
    return true;
}

static void on_timeout(void *arg)
{
    struct asker *asker = arg;
    const struct weft__look_up_entry *entry = asker->entry;
    char *message = weft__format("%.*s was not looked up in time", shown(entry), entry->key);
    leave(asker, -ETIMEDOUT, message);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct asker asker;
    struct weft__look_up_entry entry;
    if (!weft__eye_see(eye, &asker, at, sizeof(asker)) ||
        !weft__eye_see(eye, &entry, asker.entry, sizeof(entry)))
        return;
    ret->needs = WEFT__NEEDS_WORLD;
    const char *key = weft__eye_text(eye, asker.entry->key);
    if (key)
        ret->name = weft__eye_say(eye, "%.*s", (int)strcspn(key, " "), key);
    weft__eye_child(eye, entry.waiter.future);
}

WEFT__OPS(resolve_ops) = {.name = "resolve", .cancel = cancel, .explain = explain};

/* ---- The answer ---- */

static weft_ns time_to_live(const struct weft__look_up_entry *entry)
{
    const struct weft_resolver_options *options = &entry->net->resolver.options;
    if (!entry->answer || !entry->answer->is_firm)
        return 0;
    weft_ns ttl = entry->answer->status == 0 ? options->positive_ttl : options->negative_ttl;
    if (ttl == 0)
        ttl = entry->answer->status == 0 ? POSITIVE_TTL : NEGATIVE_TTL;
    return ttl < 0 ? 0 : ttl;
}

/* In the order in which they came. */
static void tell_all(struct weft__look_up_entry *entry, weft_future *job)
{
    weft__link *link, *oldest_first = NULL;
    while ((link = entry->askers)) {
        weft__link_remove(link);
        weft__link_add(&oldest_first, link);
    }
    while ((link = oldest_first)) {
        struct asker *asker = asker_at(link);
        weft__link_remove(link);
        if (entry->answer) {
            weft_callback_cancel(&asker->timer);
            answer(&asker->future, entry, asker->port);
            weft_unref(&asker->future);
        } else {
            let_go(asker, weft_future_status(job), weft__strdup(weft_message(job)));
        }
    }
}

static void on_answer(weft__item *item)
{
    weft__waiter *waiter = WEFT__CONTAINER(item, weft__waiter, item);
    struct weft__look_up_entry *entry = WEFT__CONTAINER(waiter, struct weft__look_up_entry, waiter);
    weft_future *job = waiter->future;
    weft_value value;
    if (weft_future_take(job, &value) == 0)
        entry->answer = value.ptr;
    weft_ns ttl = time_to_live(entry), now = weft__loop_now(entry->net->loop);
    waiter->future = NULL;
    entry->state = TOLD;
    entry->good_until = ttl < WEFT_FOREVER - now ? now + ttl : WEFT_FOREVER;
    tell_all(entry, job);
    weft_unref(job);
    if (ttl > 0)
        keep(entry);
    else
        forget(entry);
}

/* ---- Asking ---- */

static struct weft__look_up_entry *begin(struct weft__net *net, const char *key,
                                         const struct weft__question *question)
{
    size_t len = strlen(key) + 1;
    struct weft__look_up_entry *entry = weft__calloc(1, sizeof(*entry) + len);
    if (!entry)
        return NULL;
    entry->net = net;
    entry->is_reverse = question->is_reverse;
    entry->has_ports = question->service[0];
    entry->waiter.item.run = on_answer;
    memcpy(entry->key, key, len);
    weft__link_add(bucket(net, key), &entry->link);
    weft__wait(&entry->waiter, weft__look_up(question));
    return entry;
}

static weft_future *wait_for(struct weft__net *net, struct weft__look_up_entry *entry,
                             weft_ns timeout, uint16_t port)
{
    struct asker *asker = weft__future_alloc(net->loop, &resolve_ops, sizeof(*asker), 2);
    if (!asker)
        return weft__future_enomem(net->loop);
    weft_callback_init(&asker->timer, on_timeout, asker);
    if (timeout && weft_callback_later(&asker->timer, timeout) < 0) {
        weft__future_free(&asker->future);
        return weft__future_enomem(net->loop);
    }
    asker->entry = entry;
    asker->port = port;
    weft__link_add(&entry->askers, &asker->link);
    return &asker->future;
}

WEFT__OPS(known_ops) = {.name = "resolve"};

/* A future that is completed at once; NULL: out of memory. */
static weft_future *new_known(struct weft__net *net)
{
    return weft__future_alloc(net->loop, &known_ops, sizeof(weft_future), 1);
}

static weft_future *ask(struct weft__net *net, const struct weft__question *question,
                        const struct weft_resolve_options *options, uint16_t port)
{
    char key[KEY];
    write_key(question, key);
    struct weft__look_up_entry *entry = find(net, key, options->flags & WEFT_RESOLVE_FRESH);
    if (entry && entry->state != ASKED) {
        weft_future *known = new_known(net);
        if (known)
            answer(known, entry, port);
        return known ? known : weft__future_enomem(net->loop);
    }
    if (!entry)
        entry = begin(net, key, question);
    if (!entry)
        return weft__future_enomem(net->loop);
    weft_future *future = wait_for(net, entry, options->timeout, port);
    drop_if_alone(entry);
    return future;
}

static weft_future *ask_for_host(struct weft__net *net, const struct weft__address_spec *spec,
                                 const struct weft_resolve_options *options)
{
    struct weft__question question = {
        .is_number = spec->address.len > 0,
        .family = options->family,
        .type = options->type ? options->type : SOCK_STREAM,
    };
    memcpy(question.host, spec->host, sizeof(question.host));
    memcpy(question.service, spec->service, sizeof(question.service));
    return ask(net, &question, options, spec->port);
}

weft_future *weft__resolve(struct weft__net *net, const struct weft__address_spec *spec, int family)
{
    return ask_for_host(net, spec, &(struct weft_resolve_options){.family = family});
}

/* What is no name needs no look-up. */
static weft_future *list_numbers(struct weft__net *net, const struct weft__address_spec *spec,
                                 const char *host, int family)
{
    struct weft__address list[2];
    weft_addresses *addresses;
    size_t count = weft__address_list(spec, family, list);
    if (!count)
        return weft_future_failed(WEFT_ERESOLVE, "%s has no address of this family", host);
    weft_future *known = new_known(net);
    if (!known)
        return weft__future_enomem(net->loop);
    int status = copy_addresses(list, count, -1, &addresses);
    if (status < 0)
        weft__complete_failed(known, status, NULL);
    else
        weft__complete(known, weft_value_ptr(addresses), weft__free);
    return known;
}

/* ---- For users ---- */

void weft_addresses_free(weft_addresses *addresses)
{
    weft__free(addresses);
}

static bool make_sense(const struct weft_resolve_options *options)
{
    int family = options->family, type = options->type;
    return (!options->size || options->size == sizeof(*options)) &&
           (family == AF_UNSPEC || family == AF_INET || family == AF_INET6) &&
           (type == 0 || type == SOCK_STREAM || type == SOCK_DGRAM) && options->timeout >= 0 &&
           !(options->flags & ~(unsigned)WEFT_RESOLVE_FRESH);
}

weft_future *weft_resolve_with(const struct weft_resolve_options *options, const char *host,
                               const char *service)
{
    static const struct weft_resolve_options usual;
    int status = 0;
    struct weft__address_spec spec;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    if (!net)
        return weft__net_refused(status);
    if (!options)
        options = &usual;
    if (!make_sense(options))
        return weft_future_failed(-EINVAL, "options that make no sense");
    if (weft__address_parse_host(host, service, &spec) < 0)
        return weft_future_failed(-EINVAL, "not a host and a service: \"%s\", \"%s\"",
                                  host ? host : "", service ? service : "");
    if (spec.kind == WEFT__ADDRESS_NAME)
        return ask_for_host(net, &spec, options);
    return list_numbers(net, &spec, host, options->family);
}

weft_future *weft_resolve(const char *host, const char *service)
{
    return weft_resolve_with(NULL, host, service);
}

weft_future *weft_resolve_reverse(const weft_address *address)
{
    int status = 0;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    if (!net)
        return weft__net_refused(status);
    struct weft__question question = {.is_reverse = true, .address = weft__address_inside(address)};
    int family = weft_address_family(address);
    if (family != AF_INET && family != AF_INET6)
        return weft_future_failed(-EINVAL, "only an IPv4 or IPv6 address has a name");
    weft__address_set_port(&question.address, 0);
    weft__address_format(&question.address, question.host);
    *strrchr(question.host, ':') = 0;
    return ask(net, &question, &(struct weft_resolve_options){0}, 0);
}

int weft_resolver_configure(const struct weft_resolver_options *options)
{
    static const struct weft_resolver_options usual;
    int status = 0;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    if (!net)
        return status;
    if (options && options->size && options->size != sizeof(*options))
        return -EINVAL;
    net->resolver.options = options ? *options : usual;
    while (net->resolver.oldest)
        forget(net->resolver.oldest);
    return 0;
}

/* ---- The end of the loop ---- */

/* One whose job is done already is left to on_answer(), which is queued. */
static void end(struct weft__look_up_entry *entry)
{
    while (entry->askers) {
        struct asker *asker = asker_at(entry->askers);
        weft__link_remove(&asker->link);
        let_go(asker, -ECANCELED, NULL);
    }
    if (entry->state != ASKED || !weft__is_waiting(&entry->waiter))
        return;
    weft_future *job = entry->waiter.future;
    weft__detach(&entry->waiter);
    weft_cancel(job);
    weft_unref(job);
    forget(entry);
}

void weft__resolver_end(struct weft__net *net)
{
    for (size_t i = 0; i < WEFT__RESOLVER_BUCKETS; i++) {
        weft__link *link = net->resolver.buckets[i], *next;
        for (; link; link = next) {
            next = link->next;
            end((struct weft__look_up_entry *)(void *)link);
        }
    }
}

void weft__resolver_release(struct weft__net *net)
{
    while (net->resolver.oldest)
        forget(net->resolver.oldest);
}
