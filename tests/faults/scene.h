/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_FAULTS_SCENE_H
#define WEFT_TESTS_FAULTS_SCENE_H

#include <stdbool.h>
#include <weft/weft.h>

#include "tests/faults/wire.h"
#include "tests/support/fixture.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

/*
 * A loop on the real clock whose hosts are joined by a bad wire. Each test ends by scene_end(), which
 * fails it unless memory, descriptors and threads are all given back.
 *
 * Time is real here, so nothing is said of how long a thing takes, but only what it ends with: who keeps
 * no deadline meets that of the suite, which is far away.
 */
void scene_begin(void);
void scene_end(void);

/*
 * What this process, and it alone, reads in /etc: these files are replaced for the rest of the test. Before
 * scene_begin(), so that all threads see them.
 */
void scene_names(const char *hosts, const char *resolv_conf);

/* Listen plainly on that host, at any port of its IPv4 address; its address in *ret. */
struct scene_address {
    char text[64];
};
int scene_listen(enum wire_host host, struct scene_address *ret);

/* A stream from the near host to the far one, and its peer: another stream, or a plain socket. */
void scene_streams(weft_stream **ret_near, weft_stream **ret_far);
weft_stream *scene_stream(int *ret_peer);

/* Connect plainly from the near host to a port of the far one; not blocking. */
int scene_client(int port);

/* The stream that a connect (consumed) gives. */
weft_stream *scene_connected(weft_future *connect);

/* Run the loop until that is so. */
void scene_until(bool (*is_so)(void *arg), void *arg);

/* The status of a future (consumed) once it is done, and its message; "": none. */
int scene_ends(weft_future *future);
extern char scene_message[1024];

/* Writes a pattern of `total` bytes, then the end. */
struct scene_pour {
    WEFT_FRAME;
    weft_stream *stream;
    uint64_t total, done;
    int status;
};
WEFT_ASYNC_DECLARE(scene_pour);

/* Reads the pattern to the end; fails with WEFT_EPROTO when a byte is not what it should be. */
struct scene_drink {
    WEFT_FRAME;
    weft_stream *stream;
    uint64_t *done; /* so far */
    size_t got;
    char buffer[16384];
};
WEFT_ASYNC_DECLARE(scene_drink);

/* Counts milliseconds in which the loop was free, until it is cancelled. */
struct scene_beat {
    WEFT_FRAME;
    unsigned *count;
};
WEFT_ASYNC_DECLARE(scene_beat);

#endif
