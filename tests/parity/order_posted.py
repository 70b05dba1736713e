# SPDX-License-Identifier: MIT
# Calls from another thread are made in the loop's, in the order in which they were asked for.
import asyncio
import threading
import virtual
from virtual import say


def thread(loop, future):
    loop.call_soon_threadsafe(say, "posted 1")
    loop.call_soon_threadsafe(say, "posted 2")
    loop.call_soon_threadsafe(say, "posted 3")
    loop.call_soon_threadsafe(future.set_result, "the end")


async def main():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    worker = threading.Thread(target=thread, args=(loop, future))
    worker.start()
    worker.join()
    say("the thread has ended, nothing was called")
    say(await future)


virtual.run(main())
