# SPDX-License-Identifier: MIT
# A gather goes on two ticks after the last of its children.
import asyncio
import virtual
from virtual import say, steps


async def main():
    ticker = asyncio.create_task(steps("tick", 7))
    await asyncio.gather(steps("a", 1), steps("b", 3), steps("c", 2))
    say("gathered")
    await ticker


virtual.run(main())
