# SPDX-License-Identifier: MIT
# A task that answers the cancel at the deadline in its own way: its value counts, and so does its
# failure.
import asyncio
import virtual
from virtual import say, stubborn


async def fails():
    try:
        await asyncio.sleep(10)
    finally:
        raise OSError("clean-up is broken")


async def main():
    say(await asyncio.wait_for(stubborn("a", 10), 1))
    try:
        await asyncio.wait_for(fails(), 1)
    except OSError as error:
        say(f"caught: {error}")


virtual.run(main())
