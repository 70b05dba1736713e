# SPDX-License-Identifier: MIT
# A child may start siblings, also while the scope waits for its end.
import asyncio
import virtual
from virtual import say, work


async def parent(group):
    say("parent begins")
    await asyncio.sleep(1)
    group.create_task(work("sibling", 2))
    say("parent ends")


async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(parent(group))
        say("the body has ended")
    say("the scope is closed")
    try:
        group.create_task(work("too late"))
    except RuntimeError:
        say("nothing can be started in it")


virtual.run(main())
