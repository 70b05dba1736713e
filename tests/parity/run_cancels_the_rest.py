# SPDX-License-Identifier: MIT
# When main ends, the task that it left is cancelled and has the time to clean up.
import asyncio
import virtual
from virtual import say, tidy


async def main():
    asyncio.create_task(tidy("left alone", 3600, 5))
    await asyncio.sleep(1)
    say("main ends")


virtual.run(main())
print("the end")
