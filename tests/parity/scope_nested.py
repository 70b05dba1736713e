# SPDX-License-Identifier: MIT
# A scope in a scope: the inner one's failure is its child's to the outer one, which cancels the rest.
import asyncio
import virtual
from virtual import say, work


async def inner():
    async with asyncio.TaskGroup() as group:
        group.create_task(work("a", 1, "a is broken"))
        group.create_task(work("b", 10))


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(inner())
            group.create_task(work("c", 10))
    except ExceptionGroup as errors:
        nested = errors.exceptions[0]
        say(f"{len(errors.exceptions)} failed: a scope in which {len(nested.exceptions)} failed: "
            f"{nested.exceptions[0]}")


virtual.run(main())
