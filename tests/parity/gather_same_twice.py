# SPDX-License-Identifier: MIT
# The same task may stand there twice; it runs once.
import asyncio
import virtual
from virtual import say, work


async def main():
    task = asyncio.create_task(work("a", 1))
    results = await asyncio.gather(task, work("b", 2), task)
    say(", ".join(results))


virtual.run(main())
