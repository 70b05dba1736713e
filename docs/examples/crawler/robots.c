/* SPDX-License-Identifier: MIT */
/*
 * Groups of "User-agent" lines and the rules that follow them. The group that names us counts, else that
 * of "*". Of the rules that match a path the longest decides, and of two as long "Allow".
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crawler.h"

static const double MOST_DELAY = 60; /* seconds */

struct rule {
    bool allows;
    char *pattern;
};

struct robots {
    struct rule *rules;
    size_t count;
    weft_ns delay;
};

void robots_free(struct robots *robots)
{
    if (!robots)
        return;
    for (size_t i = 0; i < robots->count; i++)
        free(robots->rules[i].pattern);
    free(robots->rules);
    free(robots);
}

/* "name: value", in place. False: it is not of that kind. */
static bool split(char *line, char **ret_name, char **ret_value)
{
    line[strcspn(line, "#\r")] = '\0';
    char *colon = strchr(line, ':');
    if (!colon)
        return false;
    *colon = '\0';
    for (char *end = colon; end > line && isspace((unsigned char)end[-1]);)
        *--end = '\0';
    *ret_name = line + strspn(line, " \t");
    *ret_value = colon + 1 + strspn(colon + 1, " \t");
    size_t len = strlen(*ret_value);
    while (len && isspace((unsigned char)(*ret_value)[len - 1]))
        (*ret_value)[--len] = '\0';
    return true;
}

static bool add_rule(struct robots *robots, bool allows, const char *pattern)
{
    if (!*pattern)
        return true; /* "Disallow:" forbids nothing */
    struct rule *rules = realloc(robots->rules, (robots->count + 1) * sizeof(*rules));
    char *copy = strdup(pattern);
    if (rules)
        robots->rules = rules;
    if (!rules || !copy) {
        free(copy);
        return false;
    }
    rules[robots->count++] = (struct rule){allows, copy};
    return true;
}

static bool add_line(struct robots *robots, const char *name, const char *value)
{
    char *end;
    if (strcasecmp(name, "allow") == 0 || strcasecmp(name, "disallow") == 0)
        return add_rule(robots, tolower((unsigned char)*name) == 'a', value);
    double delay = strcasecmp(name, "crawl-delay") == 0 ? strtod(value, &end) : 0;
    if (delay > 0)
        robots->delay = (weft_ns)((delay < MOST_DELAY ? delay : MOST_DELAY) * 1e9);
    return true;
}

/* Take the rules of the groups that name `agent`. False: out of memory. *ret_found: is there one? */
static bool take_groups(struct robots *robots, const char *text, const char *agent, bool *ret_found)
{
    char *copy = strdup(text);
    bool ok = copy, agents_before = false, is_ours = false;
    *ret_found = false;
    for (char *line = copy, *next; ok && line; line = next) {
        char *name, *value;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (!split(line, &name, &value))
            continue;
        if (strcasecmp(name, "user-agent") == 0) {
            is_ours = (agents_before && is_ours) || strcasecmp(value, agent) == 0;
            *ret_found |= is_ours;
            agents_before = true;
        } else {
            agents_before = false;
            ok = !is_ours || add_line(robots, name, value);
        }
    }
    free(copy);
    return ok;
}

struct robots *robots_parse(const char *text, size_t len)
{
    struct robots *robots = calloc(1, sizeof(*robots));
    char *copy = strndup(text, len);
    bool found = false;
    bool ok = robots && copy && take_groups(robots, copy, USER_AGENT, &found);
    if (ok && !found)
        ok = take_groups(robots, copy, "*", &found);
    free(copy);
    if (ok)
        return robots;
    robots_free(robots);
    return NULL;
}

/* "*" is any text, "$" at the end the end. */
static bool matches(const char *pattern, const char *path)
{
    const char *star = NULL, *from = path;
    for (;;) {
        if (!*pattern || (pattern[0] == '$' && !pattern[1] && !*path))
            return true;
        if (*pattern == '*') {
            star = pattern++;
            from = path;
        } else if (*path && *pattern == *path) {
            pattern++, path++;
        } else if (star && *from) {
            pattern = star + 1;
            path = ++from;
        } else {
            return false;
        }
    }
}

bool robots_allow(const struct robots *robots, const char *path)
{
    size_t longest = 0;
    bool allows = true;
    for (size_t i = 0; robots && i < robots->count; i++) {
        const struct rule *rule = &robots->rules[i];
        size_t len = strlen(rule->pattern);
        if (len >= longest && matches(rule->pattern, path)) {
            allows = len > longest ? rule->allows : allows || rule->allows;
            longest = len;
        }
    }
    return allows;
}

weft_ns robots_delay(const struct robots *robots)
{
    return robots ? robots->delay : 0;
}
