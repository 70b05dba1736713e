# SPDX-License-Identifier: MIT
# Awaiting what is done already does not suspend.
import asyncio
import virtual
from virtual import say, work


async def main():
    future = asyncio.get_running_loop().create_future()
    future.set_result("a result")
    task = asyncio.create_task(work("task"))
    say(await future)
    say(await future)
    say("the task has not begun")
    say(await task)
    say(await task)


virtual.run(main())
