/* SPDX-License-Identifier: MIT */
/*
 * A service is a listener with what it passes on. A connection takes the rule and the config that its
 * service has when it begins, and keeps them: a reload changes later ones only.
 *
 *     RUNNING --not in the new config--> LEAVING --its last connection ends, or `grace`--> freed
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

struct service {
    struct service *next;
    struct services *services;
    char listen[MOST_TEXT];
    weft_listener *listener;
    struct config *config; /* the newest one that has it */
    const struct rule *rule;
    struct config *next_config; /* while a new one is tried */
    const struct rule *next_rule;
    bool leaving;
};

/* ---- A connection ---- */

struct serve {
    WEFT_FRAME;
    weft_stream *stream;
    struct service *service;
    struct totals *totals;
    struct config *config;
    const struct rule *rule;
    char *asked;
    weft_stream *target;
    int status;
};

static weft_future *reach(const struct serve *self)
{
    struct weft_connect_options options = {.timeout = self->config->connect_timeout};
    return weft_connect_with(&options, self->asked ? self->asked : self->rule->target);
}

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    self->config = config_ref(self->service->config);
    self->rule = self->service->rule;
    self->totals->connections++;
    if (!*self->rule->target)
        WEFT_AWAIT_INTO(self->asked, connect_target(self->stream, self->config, self->rule));
    WEFT_CATCH_INTO(self->status, self->target, reach(self));
    if (self->asked)
        connect_answer(self->stream, self->status);
    if (self->status < 0)
        WEFT_FAIL(self->status, "%s", WEFT_CAUGHT_MESSAGE);
    WEFT_AWAIT(relay(self->stream, self->target, self->config->idle_timeout, self->totals));
    WEFT_AWAIT(weft_close(self->target));
    self->target = NULL;

    WEFT_FINALLY;
    weft_stream_free(self->target);
    free(self->asked);
    config_unref(self->config);
    if (WEFT_OUTCOME < 0 && WEFT_OUTCOME != -ECANCELED) {
        self->totals->failed++;
        WEFT_RETURN(0); /* that a client or a target fails is no failure of the proxy */
    }
    WEFT_END;
}

/* ---- Services ---- */

static struct service *find(const struct services *services, const char *listen)
{
    for (struct service *service = services->first; service; service = service->next) {
        if (!service->leaving && strcmp(service->listen, listen) == 0)
            return service;
    }
    return NULL;
}

static void free_service(struct service *service)
{
    struct service **link = &service->services->first;
    while (*link && *link != service)
        link = &(*link)->next;
    if (*link)
        *link = service->next;
    weft_listener_free(service->listener);
    config_unref(service->config);
    free(service);
}

static struct service *start(struct services *services, struct config *config,
                             const struct rule *rule)
{
    struct weft_listen_options options = {.max_connections = config->most_connections,
                                          .close_timeout = config->grace};
    struct service *service = calloc(1, sizeof(*service));
    if (!service)
        return NULL;
    service->services = services;
    memcpy(service->listen, rule->listen, MOST_TEXT);
    service->listener = weft_listen_with(&options, rule->listen, serve, .service = service,
                                         .totals = &services->totals);
    if (!service->listener) {
        int error = errno;
        free(service);
        errno = error;
        return NULL;
    }
    service->next = services->first;
    services->first = service;
    return service;
}

struct leave {
    WEFT_FRAME;
    struct service *service;
    weft_ns grace;
    int status;
};

static WEFT_ASYNC(leave)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status,
               weft_wait_for(weft_listener_drain(self->service->listener), self->grace));
    if (self->status == -ETIMEDOUT) {
        weft_listener_abort(self->service->listener);
        WEFT_CATCH(self->status, weft_listener_drain(self->service->listener));
    }
    WEFT_FINALLY;
    free_service(self->service);
    WEFT_END;
}

static void stop(struct service *service, weft_ns grace)
{
    service->leaving = true;
    weft_listener_stop(service->listener);
    weft_scope_spawn(service->services->leaving, leave, .service = service, .grace = grace);
}

/* Those that were started for a config that is not to be. */
static void take_back(struct services *services)
{
    for (struct service *service = services->first, *next; service; service = next) {
        next = service->next;
        service->next_rule = NULL;
        if (!service->config)
            free_service(service);
    }
}

int services_set(struct services *services, struct config *config, const char **ret_failed)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct rule *rule = &config->rules[i];
        struct service *service = find(services, rule->listen);
        service = service ? service : start(services, config, rule);
        if (!service) {
            int status = -errno;
            *ret_failed = rule->listen;
            take_back(services);
            return status;
        }
        service->next_rule = rule;
    }
    for (struct service *service = services->first, *next; service; service = next) {
        next = service->next;
        if (service->next_rule) {
            config_unref(service->config);
            service->config = config_ref(config);
            service->rule = service->next_rule;
            service->next_rule = NULL;
        } else if (!service->leaving) {
            stop(service, config->grace);
        }
    }
    return 0;
}

size_t services_connections(const struct services *services)
{
    size_t count = 0;
    for (const struct service *service = services->first; service; service = service->next)
        count += weft_listener_connections(service->listener);
    return count;
}

void services_stop(struct services *services, weft_ns grace)
{
    for (struct service *service = services->first; service; service = service->next) {
        if (!service->leaving)
            stop(service, grace);
    }
}

void services_free(struct services *services)
{
    while (services->first)
        free_service(services->first);
}
