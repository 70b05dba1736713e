# SPDX-License-Identifier: MIT
# ≠ A cancelled gather ends when all its children have ended. asyncio's ends with the first of them,
#   while others still clean up.
#
#          | [0] c begins
#          | [0] a begins
#          | [0] b begins
#          | [1] a ends
#          | [2] b cleans up
#          | [2] c cleans up
#          | [3] b has cleaned up
# python   | [3] the gather is cancelled; c pending
#          | [7] c has cleaned up
# weft     | [7] the gather is cancelled; c cancelled
#          | [12] the end
import asyncio
import virtual
from virtual import outcome, say, tidy


async def main():
    c = asyncio.create_task(tidy("c", 10, 5))
    gather = asyncio.gather(tidy("a", 1, 0), tidy("b", 10, 1), c)
    await asyncio.sleep(2)
    gather.cancel()
    try:
        await gather
    except asyncio.CancelledError:
        say(f"the gather is cancelled; c {outcome(c)}")
    await asyncio.sleep(12 - asyncio.get_running_loop().time())
    say("the end")


virtual.run(main())
