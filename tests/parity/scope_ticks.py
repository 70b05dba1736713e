# SPDX-License-Identifier: MIT
# How many ticks a scope needs to close: none without children, one after its last child.
import asyncio
import virtual
from virtual import say, steps


async def main():
    ticker = asyncio.create_task(steps("tick", 6))
    async with asyncio.TaskGroup():
        say("nothing to wait for")
    say("closed")
    async with asyncio.TaskGroup() as group:
        group.create_task(steps("child", 2))
    say("closed")
    await ticker


virtual.run(main())
