# SPDX-License-Identifier: MIT
# ≠ A task that returns a value before a cancel could be delivered has returned it; the request still
#   shows. asyncio throws the value away.
#
#          | [0] asks for its own end, and returns
# python   | [0] cancelled, 1 asked
# weft     | [0] returned something of value, 1 asked
import asyncio
import virtual
from virtual import outcome, say


async def returns():
    say("asks for its own end, and returns")
    asyncio.current_task().cancel()
    return "something of value"


async def main():
    task = asyncio.create_task(returns())
    await asyncio.wait([task])
    say(f"{outcome(task)}, {task.cancelling()} asked")


virtual.run(main())
