/* SPDX-License-Identifier: MIT */
/*
 * A command is "*COUNT\r\n", then "$LEN\r\n…\r\n" for each argument; or a line of words, as somebody
 * types it. Arguments are not copied: they lie in the stream's buffer until the command has run.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

enum { MOST_LINE = 64 * 1024 };

void resp_bulk(struct text *out, const void *data, size_t len)
{
    text_addf(out, "$%zu\r\n", len);
    text_add(out, data, len);
    text_add(out, "\r\n", 2);
}

void resp_null(struct text *out)
{
    text_add(out, "$-1\r\n", 5);
}

void resp_integer(struct text *out, int64_t number)
{
    text_addf(out, ":%" PRId64 "\r\n", number);
}

bool resp_number(const struct arg *arg, int64_t *ret)
{
    bool negative = arg->len && arg->data[0] == '-';
    int64_t number = 0; /* its negative, of which there is one more */
    if (arg->len == negative || arg->len > 20 || (arg->data[negative] == '0' && arg->len > 1))
        return false;
    for (size_t i = negative; i < arg->len; i++) {
        if (arg->data[i] < '0' || arg->data[i] > '9' ||
            __builtin_mul_overflow(number, (int64_t)10, &number) ||
            __builtin_sub_overflow(number, (int64_t)(arg->data[i] - '0'), &number))
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, number, &number))
        return false;
    *ret = number;
    return true;
}

static bool add_arg(struct args *args, const char *data, size_t len)
{
    if (args->count == args->room) {
        size_t room = args->room ? args->room * 2 : 16;
        struct arg *list = realloc(args->list, room * sizeof(*list));
        if (!list)
            return false;
        args->list = list;
        args->room = room;
    }
    args->list[args->count++] = (struct arg){data, len};
    return true;
}

struct input {
    const char *at, *end;
    size_t have; /* with less than this and one, nothing changes */
    const char *error;
};

/* "PREFIX digits \r\n" at input->at. False: `error`, or there is not enough. */
static bool take_count(struct input *input, char prefix, int64_t most, const char *error,
                       size_t *ret)
{
    const char *line_end = memchr(input->at, '\n', (size_t)(input->end - input->at));
    if (!line_end) {
        if (input->end - input->at > 32)
            input->error = error;
        return false;
    }
    struct arg digits = {input->at + 1, (size_t)(line_end - input->at) - 1};
    int64_t number = 0;
    if (*input->at != prefix || digits.len < 2 || line_end[-1] != '\r')
        input->error = error;
    digits.len -= digits.len > 0;
    if (!input->error && (!resp_number(&digits, &number) || number < 0 || number > most))
        input->error = error;
    if (input->error)
        return false;
    input->at = line_end + 1;
    *ret = (size_t)number;
    return true;
}

static bool take_bulk(struct input *input, struct args *args)
{
    size_t len;
    if (input->at == input->end)
        return false;
    if (*input->at != '$') {
        input->error = "Protocol error: expected '$'";
        return false;
    }
    if (!take_count(input, '$', MOST_BULK, "Protocol error: invalid bulk length", &len))
        return false;
    size_t left = (size_t)(input->end - input->at);
    if (left < len + 2) {
        input->have += len + 1 - left;
        return false;
    }
    if (input->at[len] != '\r' || input->at[len + 1] != '\n')
        input->error = "Protocol error: no end of line behind an argument";
    else if (!add_arg(args, input->at, len))
        input->error = "out of memory";
    input->at += len + 2;
    return !input->error;
}

static bool take_all(struct input *input, struct args *args)
{
    size_t count;
    if (!take_count(input, '*', MOST_ARGS, "Protocol error: invalid multibulk length", &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!take_bulk(input, args))
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool take_words(struct input *input, struct args *args)
{
    const char *line_end = memchr(input->at, '\n', (size_t)(input->end - input->at));
    if (!line_end && input->end - input->at > MOST_LINE)
        input->error = "Protocol error: too big inline request";
    if (!line_end)
        return false;
    while (input->at < line_end && !input->error) {
        const char *begin = input->at;
        while (input->at < line_end && !is_blank(*input->at))
            input->at++;
        if (input->at > begin && !add_arg(args, begin, (size_t)(input->at - begin)))
            input->error = "out of memory";
        while (input->at < line_end && is_blank(*input->at))
            input->at++;
    }
    input->at = line_end + 1;
    return !input->error;
}

ptrdiff_t resp_parse(const char *data, size_t len, struct args *args, size_t *ret_have,
                     const char **ret_error)
{
    struct input input = {data, data + len, len, NULL};
    args->count = 0;
    bool whole = len && (*data == '*' ? take_all(&input, args) : take_words(&input, args));
    *ret_have = input.have;
    *ret_error = input.error;
    if (!input.error && input.have >= MOST_REQUEST)
        *ret_error = "Protocol error: too long a command";
    return *ret_error ? -1 : whole ? input.at - data : 0;
}
