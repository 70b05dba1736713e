# SPDX-License-Identifier: MIT
# The body has ended when a child fails: its sibling is cancelled.
import asyncio
import virtual
from virtual import outcome, say, stubborn, work


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            a = group.create_task(work("a", 10))
            b = group.create_task(work("b", 1, "b is broken"))
    except ExceptionGroup as errors:
        say(f"{len(errors.exceptions)} failed")
    say(f"a {outcome(a)}, b {outcome(b)}")
    try:
        async with asyncio.TaskGroup() as group:
            c = group.create_task(stubborn("c", 10))
            d = group.create_task(work("d", 1, "d is broken"))
    except ExceptionGroup as errors:
        say(f"{len(errors.exceptions)} failed")
    say(f"c {outcome(c)}, d {outcome(d)}")


virtual.run(main())
