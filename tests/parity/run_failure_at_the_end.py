# SPDX-License-Identifier: MIT
# A task that fails in its clean-up at the end of the program is reported.
import asyncio
import virtual
from virtual import say, say_reports


async def careless():
    try:
        await asyncio.sleep(3600)
    finally:
        raise OSError("cannot write the last page")


async def main():
    say_reports()
    asyncio.create_task(careless())
    await asyncio.sleep(1)
    say("main ends")


virtual.run(main())
print("the end")
