# SPDX-License-Identifier: MIT
# Timers fire in the order of their deadlines, whatever the order in which they were asked for.
import asyncio
import virtual
from virtual import say, say_later, work


async def main():
    say_later(3, "after three")
    say_later(1, "after one")
    task = asyncio.create_task(work("the task that takes four", 4))
    say_later(5, "after five: too late")
    say_later(2, "after two")
    await asyncio.sleep(1.5)
    say("main slept")
    say_later(1, "one after that")
    await task


virtual.run(main())
