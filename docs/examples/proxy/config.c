/* SPDX-License-Identifier: MIT */
/*
 * The file, a statement a line; "#" begins a comment:
 *
 *     tcp     ADDRESS TARGET         pass connections on to a target
 *     connect ADDRESS PATTERN...     speak CONNECT, for targets that match one of the patterns
 *     set     NAME VALUE             connect_timeout, idle_timeout, head_timeout, grace: seconds;
 *                                    connections: how many of each ADDRESS at a time
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

enum { MOST_FILE = 1 << 20 };
static const double MOST_SECONDS = 1000000;

static const char blanks[] = " \t\r";

struct config *config_ref(struct config *config)
{
    config->users++;
    return config;
}

void config_unref(struct config *config)
{
    if (!config || --config->users)
        return;
    for (size_t i = 0; i < config->count; i++)
        free(config->rules[i].allow);
    free(config->rules);
    free(config);
}

static void destroy(void *config)
{
    config_unref(config);
}

static struct config *new_config(void)
{
    struct config *config = calloc(1, sizeof(*config));
    if (config)
        *config = (struct config){.users = 1,
                                  .connect_timeout = WEFT_S(10),
                                  .idle_timeout = WEFT_S(300),
                                  .head_timeout = WEFT_S(10),
                                  .grace = WEFT_S(30),
                                  .most_connections = 10000};
    return config;
}

/* ---- Statements: NULL, or what is wrong ---- */

static const char out_of_memory[] = "out of memory";

static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, blanks);
    *rest = word + strcspn(word, blanks);
    if (**rest)
        *(*rest)++ = '\0';
    return *word ? word : NULL;
}

static const char *add_pattern(struct rule *rule, const char *pattern)
{
    size_t len = strlen(pattern) + 1;
    char *allow = realloc(rule->allow, rule->allow_len + len);
    if (!allow)
        return out_of_memory;
    memcpy(allow + rule->allow_len, pattern, len);
    rule->allow = allow;
    rule->allow_len += len;
    return NULL;
}

static const char *add_rule(struct config *config, bool connect, char *rest)
{
    char *address = next_word(&rest), *word = next_word(&rest);
    if (!address || !word)
        return connect ? "connect needs an address and patterns"
                       : "tcp needs an address and a target";
    if (strlen(address) >= MOST_TEXT || strlen(word) >= MOST_TEXT)
        return "too long";
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->rules[i].listen, address) == 0)
            return "this address has a rule already";
    }
    struct rule *rules = realloc(config->rules, (config->count + 1) * sizeof(*rules));
    if (!rules)
        return out_of_memory;
    config->rules = rules;
    struct rule *rule = &rules[config->count++];
    *rule = (struct rule){0};
    snprintf(rule->listen, MOST_TEXT, "%s", address);
    if (connect) {
        const char *wrong = NULL;
        for (; word && !wrong; word = next_word(&rest))
            wrong = add_pattern(rule, word);
        return wrong;
    }
    snprintf(rule->target, MOST_TEXT, "%s", word);
    weft_address target;
    int status = weft_address_parse(word, &target);
    if (status < 0 && status != WEFT_ERESOLVE)
        return "not a target";
    return next_word(&rest) ? "one target only" : NULL;
}

static const char *set_option(struct config *config, char *rest)
{
    const char *name = next_word(&rest), *value = next_word(&rest);
    struct {
        const char *name;
        weft_ns *seconds;
    } durations[] = {{"connect_timeout", &config->connect_timeout},
                     {"idle_timeout", &config->idle_timeout},
                     {"head_timeout", &config->head_timeout},
                     {"grace", &config->grace}};
    if (!name || !value || next_word(&rest))
        return "set needs a name and a value";
    char *end;
    double number = strtod(value, &end);
    if (*end || !(number > 0) || number > MOST_SECONDS)
        return "not a number above 0, and at most 1000000";
    for (size_t i = 0; i < sizeof(durations) / sizeof(*durations); i++) {
        if (strcmp(name, durations[i].name) == 0) {
            *durations[i].seconds = (weft_ns)(number * 1e9);
            return NULL;
        }
    }
    if (strcmp(name, "connections") != 0)
        return "no such option";
    config->most_connections = (size_t)number;
    return config->most_connections ? NULL : "at least one connection";
}

static const char *read_line(struct config *config, char *line)
{
    line[strcspn(line, "#")] = '\0';
    char *word = next_word(&line);
    if (!word)
        return NULL;
    if (strcmp(word, "tcp") == 0 || strcmp(word, "connect") == 0)
        return add_rule(config, *word == 'c', line);
    return strcmp(word, "set") == 0 ? set_option(config, line) : "neither tcp, connect nor set";
}

/* ---- The file ---- */

struct read_config {
    WEFT_FRAME;
    const char *path;
    weft_bytes *text;
    struct config *config;
};

static WEFT_ASYNC(read_config)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text, weft_path_read_all(self->path, MOST_FILE));
    self->config = new_config();
    if (!self->config)
        WEFT_FAIL(-ENOMEM);
    int number = 0;
    for (char *line = self->text->data, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        const char *wrong = read_line(self->config, line);
        if (wrong)
            WEFT_FAIL(-EINVAL, "%s:%d: %s", self->path, number, wrong);
    }
    if (!self->config->count)
        WEFT_FAIL(-EINVAL, "%s: no rules", self->path);
    WEFT_RETURN(config_ref(self->config), destroy);

    WEFT_FINALLY;
    weft_bytes_free(self->text);
    config_unref(self->config);
    WEFT_END;
}

weft_future *config_read(const char *path)
{
    return weft_call(read_config, .path = path);
}
