/* SPDX-License-Identifier: MIT */
/*
 * A thread that asks. A process that is stopped answers late, or not at all; nobody should have to wait for it
 * to leave `weft top`.
 *
 * Questions go to the thread by one pipe, answers come back by another, each as an address. So whatever it
 * points to is one thread's at a time.
 */
#include "tools/weft/top_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/weft/client.h"

struct top_asker {
    int pid;
    int questions[2], answers[2]; /* read, write */
    bool is_asking;
    struct top_answer answer; /* the thread's while `is_asking` */
};

static void *serve(void *arg)
{
    struct top_asker *asker = arg;
    struct top_answer *answer;
    while (read(asker->questions[0], &answer, sizeof(answer)) == sizeof(answer)) {
        answer->json =
            weft_client_ask(asker->pid, answer->request, answer->error, sizeof(answer->error));
        if (write(asker->answers[1], &answer, sizeof(answer)) != sizeof(answer))
            break;
    }
    return NULL;
}

/* Signals are for the thread that has the screen. */
static int start(struct top_asker *asker)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&thread, NULL, serve, asker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == 0)
        pthread_detach(thread);
    return status;
}

struct top_asker *top_asker_new(int pid)
{
    static struct top_asker only; /* not freed: the thread may have it when the process ends */
    struct top_asker *asker = &only;
    asker->pid = pid;
    if (pipe2(asker->questions, O_CLOEXEC) < 0)
        goto no_questions;
    if (pipe2(asker->answers, O_CLOEXEC) < 0)
        goto no_answers;
    errno = start(asker);
    if (errno == 0)
        return asker;
    close(asker->answers[0]);
    close(asker->answers[1]);
no_answers:
    close(asker->questions[0]);
    close(asker->questions[1]);
no_questions:
    return NULL;
}

bool top_asker_ask(struct top_asker *asker, const char *request)
{
    struct top_answer *answer = &asker->answer;
    if (asker->is_asking)
        return false;
    snprintf(answer->request, sizeof(answer->request), "%s", request);
    answer->error[0] = '\0';
    asker->is_asking = write(asker->questions[1], &answer, sizeof(answer)) == sizeof(answer);
    return asker->is_asking;
}

int top_asker_fd(const struct top_asker *asker)
{
    return asker->answers[0];
}

struct top_answer top_asker_take(struct top_asker *asker)
{
    struct top_answer *answer;
    if (read(asker->answers[0], &answer, sizeof(answer)) != sizeof(answer))
        return (struct top_answer){.error = "nobody asks any more"};
    asker->is_asking = false;
    struct top_answer taken = *answer;
    answer->json = NULL;
    return taken;
}

void top_asker_leave(struct top_asker *asker)
{
    if (!asker->is_asking) /* else the thread has it, until the process ends */
        close(asker->questions[1]);
}
