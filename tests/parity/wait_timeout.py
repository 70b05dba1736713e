# SPDX-License-Identifier: MIT
# When the time is over the wait tells what is done by then. That is no error, and cancels nothing.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    a = asyncio.create_task(work("a", 1))
    b = asyncio.create_task(work("b", 5))
    done, pending = await asyncio.wait([a, b], timeout=3)
    say(f"{len(done)} done, {len(pending)} pending")
    say(f"a {outcome(a)}, b {outcome(b)}")
    done, pending = await asyncio.wait([a, b], timeout=0)
    say(f"{len(done)} done, {len(pending)} pending")
    say(await b)


virtual.run(main())
