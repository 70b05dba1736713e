# SPDX-License-Identifier: MIT
# A task that waits for a future is cancelled: so is the future, and whoever else waits for it.
import asyncio
import virtual
from virtual import outcome, say


async def waiter(name, future):
    try:
        await future
    except asyncio.CancelledError:
        say(f"{name} is cancelled, {asyncio.current_task().cancelling()} asked for it")
        raise


async def main():
    future = asyncio.get_running_loop().create_future()
    a = asyncio.create_task(waiter("a", future))
    b = asyncio.create_task(waiter("b", future))
    await asyncio.sleep(1)
    b.cancel()
    say(outcome(future))
    await asyncio.gather(a, b, return_exceptions=True)
    say(f"{outcome(a)}, {outcome(b)}")
    try:
        future.set_result("too late")
    except asyncio.InvalidStateError:
        say("there is no more to resolve")


virtual.run(main())
