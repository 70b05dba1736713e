/* SPDX-License-Identifier: MIT */
#include "core/blocking.h"

#include <stddef.h>

_Thread_local const struct weft__blocking_ops *weft__blocking_ops = NULL;
