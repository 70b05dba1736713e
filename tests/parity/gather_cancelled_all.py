# SPDX-License-Identifier: MIT
# Cancelled while it keeps every end, a gather waits for all children and is cancelled, also when
# one of them swallows the cancel or fails.
import asyncio
import virtual
from virtual import outcome, say, stubborn, tidy


async def fails():
    try:
        await asyncio.sleep(10)
    finally:
        raise OSError("clean-up is broken")


async def main():
    gather = asyncio.gather(tidy("a", 10, 3), stubborn("b", 10), fails(), return_exceptions=True)
    await asyncio.sleep(1)
    gather.cancel()
    say(outcome(gather))
    try:
        await gather
    except asyncio.CancelledError:
        say("the gather is cancelled")


virtual.run(main())
