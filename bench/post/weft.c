/* SPDX-License-Identifier: MIT */
/*
 * weft_post(): a call from any thread, in memory of the loop's.
 */
#include <weft/weft.h>

#include "../common/post.h"

static weft_loop *loop;

static void ran(void *arg)
{
    (void)arg;
    if (post_ran())
        weft_loop_stop(loop);
}

static void peer_post(void)
{
    if (weft_post(loop, ran, NULL) < 0)
        die("weft_post");
}

int main(int argc, char **argv)
{
    post_args(argc, argv);
    loop = weft_loop_new(NULL);
    if (!loop)
        die("weft_loop_new");
    post_start();
    int status = weft_loop_run(loop);
    weft_loop_free(loop);
    return status < 0;
}
