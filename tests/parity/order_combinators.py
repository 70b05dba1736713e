# SPDX-License-Identifier: MIT
# How many ticks shield and wait_for need: none when there is no limit.
import asyncio
import virtual
from virtual import say, steps


async def main():
    ticker = asyncio.create_task(steps("tick", 12))
    await asyncio.shield(steps("shielded", 1))
    say("after the shield")
    await asyncio.wait_for(steps("limited", 1), 10)
    say("after the limit")
    await asyncio.wait_for(asyncio.create_task(steps("not limited", 1)), None)
    say("after the wait without limit")
    await ticker


virtual.run(main())
