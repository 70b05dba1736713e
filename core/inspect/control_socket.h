/* SPDX-License-Identifier: MIT */
/* A listening socket for this user's processes. See core/inspect/control_socket.c. */
#ifndef WEFT_CORE_INSPECT_CONTROL_SOCKET_H
#define WEFT_CORE_INSPECT_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

enum { WEFT__CTL_PATH = 512 };

struct weft__ctl_socket {
    int folder, fd;
    char name[32]; /* in the folder */
    dev_t device;  /* which file it is: */
    ino_t inode;
    char path[WEFT__CTL_PATH]; /* also of one that could not be opened */
};

/** 0 or -errno, with *ret_why, what was wrong, static. */
int weft__ctl_listen(struct weft__ctl_socket *ret, const char **ret_why);

/** Close it; `remove` the file, too, if it is still the one that was made. */
void weft__ctl_unlisten(struct weft__ctl_socket *socket, bool remove);

/** Who has connected is this user, or root. */
bool weft__ctl_may_ask(int fd);

#endif
