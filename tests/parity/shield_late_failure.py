# SPDX-License-Identifier: MIT
# A task whose shield was cancelled fails later: that is reported if nobody looked.
import asyncio
import virtual
from virtual import say, say_reports, work


async def main():
    say_reports()
    shield = asyncio.shield(work("a", 3, "a is broken"))
    await asyncio.sleep(1)
    shield.cancel()
    try:
        await shield
    except asyncio.CancelledError:
        say("the shield is cancelled")
    await asyncio.sleep(3)
    say("the end")


virtual.run(main())
