# SPDX-License-Identifier: MIT
# Tasks and callbacks that wait for one future go on in the order in which they came.
import asyncio
import virtual
from virtual import say, say_when_done


async def waiter(name, future):
    say(f"{name} waits")
    say(f"{name} has {await future}")


async def main():
    future = asyncio.get_running_loop().create_future()
    a = asyncio.create_task(waiter("a", future))
    b = asyncio.create_task(waiter("b", future))
    await asyncio.sleep(0)
    say_when_done(future, "the callback is called")
    c = asyncio.create_task(waiter("c", future))
    await asyncio.sleep(1)
    future.set_result("it")
    say("main has the result first")
    await c
    say("c is done, and so are a and b: " + ", ".join(str(t.done()) for t in (a, b)))


virtual.run(main())
