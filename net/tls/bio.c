/* SPDX-License-Identifier: MIT */
/*
 * Where OpenSSL's bytes come from and go to: the descriptor of the stream, and the stream's buffer
 * of what is to be sent. A write always takes all; a read may say "not now".
 *
 * When recv() gave less than was asked for, the descriptor has no more, and is not asked again
 * before the loop says that there is something: that saves the call that would only fail.
 */
#include <errno.h>
#include <limits.h>

#include "net/tls/tls.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* [const] after once; NULL: no memory */

static int bio_write(BIO *bio, const char *data, int len)
{
    struct weft__tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    int status = weft__companion_filter_send(&tls->filter, data, (size_t)len);
    if (status == 0)
        return len;
    tls->io = status;
    return -1;
}

static int later(BIO *bio)
{
    BIO_set_retry_read(bio);
    return -1;
}

static int bio_read(BIO *bio, char *buffer, int size)
{
    struct weft__tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0 || tls->cut_off)
        return 0;
    if (!tls->receives || tls->drained)
        return later(bio);
    ssize_t got = weft__companion_filter_receive(&tls->filter, buffer, (size_t)size);
    tls->drained = got < size;
    if (got > 0)
        return (int)got;
    if (got == -EAGAIN)
        return later(bio);
    if (got == 0)
        tls->cut_off = true;
    else
        tls->io = (int)got;
    return (int)got < 0 ? -1 : 0;
}

static long bio_ctrl(BIO *bio, int command, long number, void *ptr)
{
    (void)number;
    (void)ptr;
    const struct weft__tls *tls = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return tls->cut_off;
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    int type = BIO_get_new_index();
    method = type < 0 ? NULL : BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "weft");
    if (!method)
        return;
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_ctrl);
    BIO_meth_set_create(method, bio_create);
}

BIO *weft__tls_bio_new(struct weft__tls *tls)
{
    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio)
        BIO_set_data(bio, tls);
    return bio;
}
