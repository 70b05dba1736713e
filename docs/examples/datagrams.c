/* SPDX-License-Identifier: MIT */
/* Guide: datagrams. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/udp.h>
#include <weft/weft.h>

/* ---- A server ---- */

struct tell_length {
    WEFT_FRAME;
    weft_udp *udp;
    weft_datagram *got; /* owned */
    int asked;
};

static WEFT_ASYNC(tell_length)
{
    char answer[32];
    int len;
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->got, weft_udp_receive(self->udp));
        len = snprintf(answer, sizeof(answer), "%zu bytes", self->got->len);
        if (self->asked++) /* as if the first one were lost on its way */
            weft_udp_send_to(self->udp, &self->got->from, answer, (size_t)len);
        weft_datagram_free(self->got);
        self->got = NULL;
    }
    WEFT_FINALLY;
    weft_datagram_free(self->got);
    WEFT_END;
}

/* ---- A client, which asks again ---- */

struct ask {
    WEFT_FRAME;
    weft_udp *udp; /* connected to the server */
    const char *question;
    weft_datagram *answer; /* owned */
    int attempt, status;
};

static WEFT_ASYNC(ask)
{
    WEFT_BEGIN;
    for (self->attempt = 1; !self->answer; self->attempt++) {
        weft_udp_send(self->udp, self->question, strlen(self->question));
        WEFT_CATCH_INTO(self->status, self->answer,
                        weft_wait_for(weft_udp_receive(self->udp), WEFT_S(1)));
        if (self->status == -ETIMEDOUT && self->attempt < 3)
            printf("  no answer within a second\n");
        else if (self->status < 0)
            WEFT_FAIL(self->status);
    }
    printf("  the answer: %s\n", self->answer->data);

    WEFT_FINALLY;
    weft_datagram_free(self->answer);
    WEFT_END;
}

/* ---- Endpoints ---- */

static weft_udp *open_server(void)
{
    return weft_udp_open(&(struct weft_udp_options){.bind = "127.0.0.1:0", .receive_limit = 4});
}

static weft_udp *open_client(const weft_udp *server)
{
    weft_address address;
    char text[WEFT_ADDRESS_TEXT];
    if (weft_udp_local(server, &address) < 0)
        return NULL;
    weft_address_format(&address, text, sizeof(text));
    return weft_udp_open(&(struct weft_udp_options){.connect = text});
}

/* ---- More than is read ---- */

struct flood {
    WEFT_FRAME;
    weft_udp *from, *to;
    struct weft_udp_stats stats;
    int sent;
};

static WEFT_ASYNC(flood)
{
    struct weft_udp_message many[10];
    WEFT_BEGIN;
    for (int i = 0; i < 10; i++)
        many[i] = (struct weft_udp_message){.data = "line", .len = 4};
    self->sent = weft_udp_send_many(self->from, many, 10); /* by one system call */
    if (self->sent < 10)
        WEFT_FAIL(-EIO, "%d were sent", self->sent);
    WEFT_AWAIT(weft_udp_drain(self->from)); /* until the kernel has them all */
    while (self->stats.received < 10) {
        WEFT_YIELD;
        weft_udp_get_stats(self->to, &self->stats);
    }
    printf("  %d came, %d wait to be received, %d were dropped\n", (int)self->stats.received,
           (int)self->stats.to_receive, (int)self->stats.dropped);
    WEFT_END;
}

/* ---- All of it ---- */

struct main_task {
    WEFT_FRAME;
    weft_udp *server, *client, *idle; /* owned */
    weft_future *serving;             /* owned */
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->server = open_server();
    self->idle = open_server();
    self->client = self->server ? open_client(self->server) : NULL;
    if (!self->client || !self->idle)
        WEFT_FAIL(-errno, "no endpoints");
    puts("asking:");
    self->serving = weft_spawn(tell_length, .udp = self->server);
    WEFT_AWAIT(weft_call(ask, .udp = self->client, .question = "how long is this?"));

    puts("nobody there:");
    weft_cancel(self->serving);
    weft_udp_free(self->server);
    self->server = NULL;
    WEFT_CATCH(self->status, weft_call(ask, .udp = self->client, .question = "and this?"));
    printf("  %s\n", weft_error_name(self->status));

    puts("more than is read:");
    weft_udp_free(self->client);
    self->client = open_client(self->idle);
    if (!self->client)
        WEFT_FAIL(-errno, "no endpoint");
    WEFT_AWAIT(weft_call(flood, .from = self->client, .to = self->idle));

    WEFT_FINALLY;
    weft_unref(self->serving);
    weft_udp_free(self->server);
    weft_udp_free(self->client);
    weft_udp_free(self->idle);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
