# SPDX-License-Identifier: MIT
# Through a shield come the result, the failure and the cancel of what it stands for.
import asyncio
import virtual
from virtual import say, work


async def main():
    say(await asyncio.shield(work("a", 1)))
    try:
        await asyncio.shield(work("b", 1, "b is broken"))
    except OSError as error:
        say(f"caught: {error}")
    c = asyncio.create_task(work("c", 10))
    asyncio.get_running_loop().call_later(1, c.cancel)
    try:
        await asyncio.shield(c)
    except asyncio.CancelledError:
        say(f"c was cancelled, {asyncio.current_task().cancelling()} asked me")


virtual.run(main())
