# SPDX-License-Identifier: MIT
# Who is cancelled while it waits for a value takes none; the next in line gets it. So with a limit of
# time.
import asyncio
import virtual
from virtual import outcome, say


async def getter(name, queue):
    say(f"{name} got {await queue.get()}")


async def main():
    queue = asyncio.Queue()
    a = asyncio.create_task(getter("a", queue))
    b = asyncio.create_task(getter("b", queue))
    await asyncio.sleep(1)
    a.cancel()
    queue.put_nowait(1)
    await b
    say(f"a {outcome(a)}, b {outcome(b)}")
    try:
        await asyncio.wait_for(queue.get(), 2)
    except TimeoutError:
        say("timed out")
    queue.put_nowait(2)
    say(f"{queue.qsize()} in the queue")
    say(f"main got {await queue.get()}")


virtual.run(main())
