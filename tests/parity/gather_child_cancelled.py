# SPDX-License-Identifier: MIT
# Cancelling one child ends the gather as a failure would; its siblings go on, and who waits was not
# asked to stop.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    a = asyncio.create_task(work("a", 3))
    b = asyncio.create_task(work("b", 4))
    gather = asyncio.gather(a, b)
    await asyncio.sleep(1)
    a.cancel()
    try:
        await gather
    except asyncio.CancelledError:
        say(f"the gather is cancelled, {asyncio.current_task().cancelling()} asked me")
    say(f"a {outcome(a)}, b {outcome(b)}")
    await b
    say(f"a {outcome(a)}, b {outcome(b)}")


virtual.run(main())
