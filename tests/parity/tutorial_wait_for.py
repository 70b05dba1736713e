# SPDX-License-Identifier: MIT
# Waiting has a limit; when it is over, what was waited for is cancelled.
import asyncio
import virtual
from virtual import say


async def eternity():
    await asyncio.sleep(3600)
    say("yay!")


async def main():
    try:
        await asyncio.wait_for(eternity(), timeout=1)
    except TimeoutError:
        say("timeout!")


virtual.run(main())
