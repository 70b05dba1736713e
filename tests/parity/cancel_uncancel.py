# SPDX-License-Identifier: MIT
# ≠ A request that is taken back before it was delivered is not delivered. (Python does so since
#   3.13.)
#
#          | [0] 1 asked
#          | [0] 0 left
# python   | [0] task is cancelled, 0 asked
# weft     | [1] task slept, 0 asked
import asyncio
import virtual
from virtual import say


async def task():
    this = asyncio.current_task()
    this.cancel()
    say(f"{this.cancelling()} asked")
    say(f"{this.uncancel()} left")
    try:
        await asyncio.sleep(1)
        say(f"task slept, {this.cancelling()} asked")
    except asyncio.CancelledError:
        say(f"task is cancelled, {this.cancelling()} asked")


async def main():
    await asyncio.create_task(task())


virtual.run(main())
