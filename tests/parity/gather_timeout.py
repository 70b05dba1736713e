# SPDX-License-Identifier: MIT
# A gather with a limit of time: its children are cancelled with it.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    a = asyncio.create_task(work("a", 1))
    b = asyncio.create_task(work("b", 10))
    try:
        await asyncio.wait_for(asyncio.gather(a, b), 3)
    except TimeoutError:
        say("timed out")
    say(f"a {outcome(a)}, b {outcome(b)}")


virtual.run(main())
