/* SPDX-License-Identifier: MIT */
/*
 * CONNECT (RFC 9110, section 9.3.6): "CONNECT host:port HTTP/1.1", headers, an empty line. The headers
 * are not looked at. What comes behind the empty line is the client's already and stays in the stream.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/bytes.h>

#include "proxy.h"

enum { MOST_HEAD = 16 * 1024 };

static int answer(weft_stream *client, int status, const char *meaning, const char *why)
{
    char text[512];
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                       "Connection: close\r\n\r\n%s\n",
                       status, meaning, strlen(why) + 1, why);
    return weft_write(client, text, (size_t)len);
}

/* The target of the request line, or NULL. The text is cut there. */
static char *target_of(char *head)
{
    char *line_end = strstr(head, "\r\n");
    if (strncmp(head, "CONNECT ", 8) != 0 || !line_end)
        return NULL;
    char *target = head + 8;
    char *target_end = target + strcspn(target, " \r\n");
    if (strncmp(target_end, " HTTP/1.", 8) != 0 || !isdigit((unsigned char)target_end[8]) ||
        target_end + 9 != line_end || target_end == target || target_end - target >= MOST_TEXT)
        return NULL;
    *target_end = '\0';
    for (char *c = target; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("-._:[]", *c))
            return NULL;
        *c = (char)tolower((unsigned char)*c);
    }
    char *colon = strrchr(target, ':');
    return colon && colon > target && colon[1] && colon[1] != ']' && !strchr(colon, ']') ? target
                                                                                         : NULL;
}

static bool is_allowed(const struct rule *rule, const char *target)
{
    for (const char *pattern = rule->allow; pattern < rule->allow + rule->allow_len;
         pattern += strlen(pattern) + 1) {
        if (fnmatch(pattern, target, FNM_CASEFOLD) == 0)
            return true;
    }
    return false;
}

struct read_target {
    WEFT_FRAME;
    weft_stream *client;
    const struct config *config;
    const struct rule *rule;
    weft_bytes *head;
    int status;
};

static WEFT_ASYNC(read_target)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->head,
                    weft_wait_for(weft_read_until(self->client, "\r\n\r\n", 4, MOST_HEAD),
                                  self->config->head_timeout));
    if (self->status == -ETIMEDOUT)
        answer(self->client, 408, "Request Timeout", "The request took too long.");
    else if (self->status == WEFT_ELIMIT)
        answer(self->client, 431, "Request Header Fields Too Large", "The request is too long.");
    if (self->status < 0)
        WEFT_FAIL(self->status);
    bool is_text = strlen(self->head->data) == self->head->len;
    bool is_connect = is_text && strncmp(self->head->data, "CONNECT ", 8) == 0;
    char *target = is_text ? target_of(self->head->data) : NULL;
    if (!target) {
        if (is_connect || !is_text)
            answer(self->client, 400, "Bad Request", "This is not a CONNECT request.");
        else
            answer(self->client, 405, "Method Not Allowed", "This proxy speaks CONNECT only.");
        WEFT_FAIL(WEFT_EPROTO);
    }
    if (!is_allowed(self->rule, target)) {
        answer(self->client, 403, "Forbidden", "This target is not allowed.");
        WEFT_FAIL(-EACCES, "%s is not allowed", target);
    }
    char *copy = strdup(target);
    if (!copy)
        WEFT_FAIL(-ENOMEM);
    WEFT_RETURN(copy, free);

    WEFT_FINALLY;
    weft_bytes_free(self->head);
    WEFT_END;
}

weft_future *connect_target(weft_stream *client, const struct config *config,
                            const struct rule *rule)
{
    return weft_call(read_target, .client = client, .config = config, .rule = rule);
}

int connect_answer(weft_stream *client, int status)
{
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    if (status == 0)
        return weft_write(client, established, sizeof(established) - 1);
    if (status == -ETIMEDOUT)
        return answer(client, 504, "Gateway Timeout", "The target does not answer.");
    return answer(client, 502, "Bad Gateway", "The target cannot be reached.");
}
