# SPDX-License-Identifier: MIT
# In time, the result is the task's, be it a value or a failure; no timer stays behind.
import asyncio
import virtual
from virtual import say, work


async def main():
    say(await asyncio.wait_for(work("a", 1), 3))
    try:
        await asyncio.wait_for(work("b", 1, "b is broken"), 3)
    except OSError as error:
        say(f"caught: {error}")
    try:
        await asyncio.wait_for(asyncio.create_task(work("c", 1)), 0.5)
    except TimeoutError:
        say("too late")


virtual.run(main())
