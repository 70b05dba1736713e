# SPDX-License-Identifier: MIT
# wait raises nothing: it tells what is done. Each task is looked at afterwards.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    a = asyncio.create_task(work("a", 3))
    b = asyncio.create_task(work("b", 1, "b is broken"))
    c = asyncio.create_task(work("c", 10))
    asyncio.get_running_loop().call_later(2, c.cancel)
    done, pending = await asyncio.wait([a, b, c])
    say(f"{len(done)} done, {len(pending)} pending")
    for task in a, b, c:
        say(outcome(task))


virtual.run(main())
