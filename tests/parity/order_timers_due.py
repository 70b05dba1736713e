# SPDX-License-Identifier: MIT
# A timer that is due already is called in the next tick, behind what was ready; earlier deadlines
# come first.
import asyncio
import virtual
from virtual import say, say_later, say_soon, steps


async def main():
    loop = asyncio.get_running_loop()
    await asyncio.sleep(10)
    task = asyncio.create_task(steps("tick", 3))
    loop.call_at(9, say, "due at 9")
    loop.call_at(7, say, "due at 7")
    loop.call_at(8, say, "due at 8")
    say_later(0, "due now")
    say_soon("soon")
    await task


virtual.run(main())
