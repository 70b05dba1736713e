# SPDX-License-Identifier: MIT
# A call that was asked for can be taken back as long as it was not made, also by another call of
# the same tick.
import asyncio
import virtual
from virtual import say, say_soon, steps


async def main():
    loop = asyncio.get_running_loop()
    late = loop.call_later(1, say, "never called")
    late.cancel()
    soon = loop.call_soon(say, "never called")
    soon.cancel()
    second = None
    loop.call_soon(lambda: (say("the first takes the second back"), second.cancel()))
    second = loop.call_soon(say, "never called")
    say_soon("third")
    await steps("tick", 3)
    third = loop.call_later(2, say, "never called")
    loop.call_later(1, lambda: (say("taken back in time"), third.cancel()))
    await asyncio.sleep(3)
    third.cancel()
    say("twice is once")


virtual.run(main())
