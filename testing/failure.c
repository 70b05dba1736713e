/* SPDX-License-Identifier: MIT */
/* Failures on demand: the names for users of what core/memory.c and core/sys.c can do. */
#include <errno.h>
#include <weft/testing.h>

#include "core/memory.h"
#include "core/sys.h"

void weft_testing_fail_allocation(size_t n)
{
    weft__memory_fail(n);
}

bool weft_testing_allocation_failed(void)
{
    return weft__memory_failed();
}

int weft_testing_fail_call(const char *name, unsigned n, int error)
{
    return name && weft__sys_fail(name, n, error) ? 0 : -ENOENT;
}

bool weft_testing_call_failed(const char *name)
{
    return name && weft__sys_failed(name);
}
