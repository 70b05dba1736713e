/* SPDX-License-Identifier: MIT */
#include "tests/support/toy_filter.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/memory.h"
#include "tests/support/net.h"

enum { KEY = 0x5a, HELLO = 5 };

static const char hello[] = "hello";

struct test_toy_calls test_toy_calls;

static struct test_toy *toy_of(struct weft__stream_filter *filter)
{
    return (struct test_toy *)(void *)filter;
}

static void change(void *to, const void *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((char *)to)[i] = (char)(((const char *)from)[i] ^ KEY);
}

static void drop_raw(struct test_toy *toy, size_t len)
{
    toy->raw_len -= len;
    memmove(toy->raw, toy->raw + len, toy->raw_len);
}

static bool take_hello(struct test_toy *toy)
{
    if (toy->raw_len < HELLO)
        return false;
    toy->greeted = true;
    drop_raw(toy, HELLO);
    cr_assert_eq(weft_callback_soon(&toy->tell), 0);
    return true;
}

/* True: something of what has come was decoded. */
static bool decode(struct test_toy *toy)
{
    if (!toy->greeted)
        return take_hello(toy);
    if (!toy->raw_len || toy->raw_len <= toy->raw[0])
        return false;
    toy->start = 0;
    toy->end = toy->raw[0];
    toy->ended = !toy->end;
    change(toy->plain, toy->raw + 1, toy->end);
    drop_raw(toy, 1 + toy->end);
    return true;
}

static ssize_t give(struct test_toy *toy, void *buffer, size_t size)
{
    size_t len = toy->end - toy->start < size ? toy->end - toy->start : size;
    memcpy(buffer, toy->plain + toy->start, len);
    toy->start += len;
    return (ssize_t)len;
}

static ssize_t toy_receive(struct weft__stream_filter *filter, void *buffer, size_t size)
{
    struct test_toy *toy = toy_of(filter);
    test_toy_calls.receive++;
    for (;;) {
        if (toy->start < toy->end)
            return size ? give(toy, buffer, size) : -EAGAIN;
        if (toy->ended)
            return 0;
        if (decode(toy))
            continue;
        ssize_t got = weft__companion_filter_receive(filter, toy->raw + toy->raw_len,
                                                     sizeof(toy->raw) - toy->raw_len);
        if (got < 0)
            return got;
        if (got == 0) {
            filter->failure = WEFT_EPROTO;
            filter->why = "cut off";
            return WEFT_EPROTO;
        }
        toy->raw_len += (size_t)got;
    }
}

static int encode_piece(struct weft__stream_filter *filter, const char *data, size_t len)
{
    int status = 0;
    for (size_t done = 0; done < len && status == 0; done += 255) {
        char record[256];
        size_t size = test_toy_encode(data + done, len - done < 255 ? len - done : 255, record);
        status = weft__companion_filter_send(filter, record, size);
    }
    return status;
}

static int toy_encode(struct weft__stream_filter *filter, const struct iovec *pieces, size_t count)
{
    int status = toy_of(filter)->failure;
    if (!toy_of(filter)->greeted)
        return -EBUSY;
    for (size_t i = 0; i < count && status == 0; i++)
        status = encode_piece(filter, pieces[i].iov_base, pieces[i].iov_len);
    return status;
}

static bool toy_has_more(const struct weft__stream_filter *filter)
{
    const struct test_toy *toy = (const struct test_toy *)(const void *)filter;
    return toy->start < toy->end || toy->raw_len > toy->raw[0] || toy->liar;
}

static int toy_shut_down(struct weft__stream_filter *filter)
{
    struct test_toy *toy = toy_of(filter);
    test_toy_calls.shut_down++;
    if (!toy->greeted)
        return -EBUSY;
    return toy->failure ? toy->failure : weft__companion_filter_send(filter, "", 1);
}

static void toy_end(struct weft__stream_filter *filter, int status)
{
    struct test_toy *toy = toy_of(filter);
    test_toy_calls.end++;
    test_toy_calls.end_status = status;
    weft_callback_cancel(&toy->tell);
    if (!weft_is_done(toy->ready))
        weft_future_fail(toy->ready, status, NULL);
    weft_future_status(toy->ready);
    weft_unref(toy->ready);
    weft__free(toy);
}

static const struct weft__stream_filter_ops toy_ops = {
    .name = "toy",
    .receive = toy_receive,
    .encode = toy_encode,
    .has_more = toy_has_more,
    .shut_down = toy_shut_down,
    .end = toy_end,
};

static void tell(void *arg)
{
    struct test_toy *toy = arg;
    if (!weft_is_done(toy->ready))
        weft_future_resolve(toy->ready, weft_value_i64(0), NULL);
}

struct test_toy *test_toy_new(void)
{
    struct test_toy *toy = weft__calloc(1, sizeof(*toy));
    if (!toy)
        return NULL;
    toy->filter.ops = &toy_ops;
    toy->ready = weft_future_new();
    weft_callback_init(&toy->tell, tell, toy);
    return toy;
}

int test_toy_start(struct test_toy *toy, weft_stream *stream)
{
    int status = weft__companion_filter_set(stream, &toy->filter);
    if (status < 0) {
        toy_end(&toy->filter, status);
        test_toy_calls.end--; /* it was not the stream that did */
        return status;
    }
    status = weft__companion_filter_send(&toy->filter, hello, HELLO);
    return status < 0 ? status : weft__companion_filter_push(&toy->filter);
}

struct test_toy *test_toy_set(weft_stream *stream)
{
    struct test_toy *toy = test_toy_new();
    cr_assert_not_null(toy);
    cr_assert_eq(test_toy_start(toy, stream), 0);
    cr_assert_eq(weft__companion_filter_of(stream, &toy_ops), &toy->filter);
    return toy;
}

struct test_toy *test_toy_greet(weft_stream *stream, int peer)
{
    struct test_toy *toy = test_toy_set(stream);
    weft_test_send_text(peer, hello);
    cr_assert_eq(weft_test_count(weft_ref(toy->ready)), 0);
    cr_assert_str_eq(test_toy_hear(peer), "<");
    return toy;
}

size_t test_toy_encode(const void *data, size_t len, char *ret)
{
    *ret = (char)(unsigned char)len;
    change(ret + 1, data, len);
    return 1 + len;
}

void test_toy_say(int peer, const char *text)
{
    char record[256];
    weft_test_send(peer, record, test_toy_encode(text, strlen(text), record));
}

const char *test_toy_hear(int peer)
{
    static char raw[64 * 1024], text[sizeof(raw)];
    long got = weft_test_receive(peer, raw, sizeof(raw));
    size_t len = got > 0 ? (size_t)got : 0, said = 0;
    for (size_t at = 0; at < len;) {
        size_t record = (unsigned char)raw[at];
        if (len - at >= HELLO && memcmp(raw + at, hello, HELLO) == 0) {
            text[said++] = '<';
            at += HELLO;
            continue;
        }
        cr_assert_leq(at + 1 + record, len, "a record that is not whole");
        change(text + said, raw + at + 1, record);
        said += record;
        at += 1 + record;
        if (!record)
            text[said++] = '>';
    }
    text[said] = 0;
    return text;
}
