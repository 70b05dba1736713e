# SPDX-License-Identifier: MIT
# ≠ A task that is started while the others end is cancelled as well, and cleans up. asyncio forgets
#   it.
#
#          | [1] main ends
#          | [1] the first cleans up, and starts another
#          | [1] the second begins
#          | [2] the first has ended
# weft     | [2] the second is cancelled
#          | the end
import asyncio
import virtual
from virtual import say, work


async def first():
    try:
        await asyncio.sleep(3600)
    finally:
        say("the first cleans up, and starts another")
        asyncio.create_task(work("the second", 3600))
        await asyncio.sleep(1)
        say("the first has ended")


async def main():
    asyncio.create_task(first())
    await asyncio.sleep(1)
    say("main ends")


virtual.run(main())
print("the end")
