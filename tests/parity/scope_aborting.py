# SPDX-License-Identifier: MIT
# In a scope that is being aborted nothing is started any more.
import asyncio
import virtual
from virtual import say, work


async def starts_another(group):
    say("a begins")
    try:
        await asyncio.sleep(10)
    finally:
        say("a cleans up")
        try:
            group.create_task(work("late", 1))
            say("started all the same")
        except RuntimeError:
            say("refused")


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(starts_another(group))
            group.create_task(work("b", 1, "b is broken"))
    except ExceptionGroup as errors:
        say(f"{len(errors.exceptions)} failed")


virtual.run(main())
