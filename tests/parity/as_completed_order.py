# SPDX-License-Identifier: MIT
# Results in the order in which they come, failures among them.
import asyncio
import virtual
from virtual import say, work


async def main():
    a = asyncio.create_task(work("a", 3))
    b = asyncio.create_task(work("b", 1))
    c = asyncio.create_task(work("c", 2, "c is broken"))
    for next_completed in asyncio.as_completed([a, b, c]):
        try:
            say(f"main has {await next_completed}")
        except OSError as error:
            say(f"main has a failure: {error}")
    say("no more")


virtual.run(main())
