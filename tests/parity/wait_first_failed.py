# SPDX-License-Identifier: MIT
# The first that fails ends the wait; one that is cancelled has not failed.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    a = asyncio.create_task(work("a", 10))
    b = asyncio.create_task(work("b", 2, "b is broken"))
    c = asyncio.create_task(work("c", 3))
    asyncio.get_running_loop().call_later(1, a.cancel)
    done, pending = await asyncio.wait([a, b, c], return_when=asyncio.FIRST_EXCEPTION)
    say(f"{len(done)} done, {len(pending)} pending")
    for task in a, b, c:
        say(outcome(task))
    done, pending = await asyncio.wait([a, c], return_when=asyncio.FIRST_EXCEPTION)
    say(f"{len(done)} done, {len(pending)} pending")


virtual.run(main())
