# SPDX-License-Identifier: MIT
# The limit is for all of them together; what is not done by then goes on.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    a = asyncio.create_task(work("a", 1))
    b = asyncio.create_task(work("b", 5))
    try:
        for next_completed in asyncio.as_completed([a, b], timeout=3):
            say(f"main has {await next_completed}")
    except TimeoutError:
        say(f"timed out: b {outcome(b)}")
    say(await b)


virtual.run(main())
