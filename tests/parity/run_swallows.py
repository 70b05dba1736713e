# SPDX-License-Identifier: MIT
# At the end each task is asked once. One that swallows that is waited for as long as it takes.
import asyncio
import virtual
from virtual import say, stubborn


async def obstinate():
    await stubborn("the first sleep", 10)
    await stubborn("the second sleep", 5)


async def main():
    asyncio.create_task(obstinate())
    await asyncio.sleep(1)
    say("main ends")


virtual.run(main())
print("the end")
