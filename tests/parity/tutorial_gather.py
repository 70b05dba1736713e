# SPDX-License-Identifier: MIT
# Two tasks of two seconds and of one take two seconds together.
import asyncio
import virtual
from virtual import say


async def worker(name, seconds):
    say(f"{name}: before")
    await asyncio.sleep(seconds)
    say(f"{name}: after")


async def main():
    await asyncio.gather(worker("first", 2),
                         worker("second", 1))
    say("all done")


virtual.run(main())
