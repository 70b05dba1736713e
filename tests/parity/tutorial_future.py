# SPDX-License-Identifier: MIT
# A future is resolved by one task and awaited by another.
import asyncio
import virtual
from virtual import say


async def set_after(future, delay, value):
    await asyncio.sleep(delay)
    future.set_result(value)


async def main():
    future = asyncio.get_running_loop().create_future()
    asyncio.create_task(set_after(future, 1, "... world"))
    say("hello ...")
    say(await future)


virtual.run(main())
