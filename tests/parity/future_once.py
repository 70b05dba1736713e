# SPDX-License-Identifier: MIT
# A future is completed once: with a result, a failure or a cancel, whichever comes first.
import asyncio
import virtual
from virtual import outcome, say


async def main():
    loop = asyncio.get_running_loop()
    a, b, c = loop.create_future(), loop.create_future(), loop.create_future()
    a.set_result("a value")
    b.set_exception(OSError("broken"))
    c.cancel()
    for future in a, b, c:
        try:
            future.set_result("another")
        except asyncio.InvalidStateError:
            say(f"{outcome(future)}; a cancel comes too late: {not future.cancel()}")


virtual.run(main())
