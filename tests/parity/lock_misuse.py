# SPDX-License-Identifier: MIT
# ≠ A lock knows its owner: taking it twice is an error, in place of waiting for ever, and nobody else
#   can let it go.
#
#          | [0] main has the lock
# python   | [1] a second time: timed out
# weft     | [0] a second time: EDEADLK
# python   | another task can let it go
# weft     | another task cannot let it go
#          | locked at the end: False
#          | letting go of what is free is an error
import asyncio
import virtual
from virtual import say


async def meddles(lock):
    lock.release()
    print("another task can let it go", flush=True)


async def main():
    lock = asyncio.Lock()
    await lock.acquire()
    say("main has the lock")
    try:
        await asyncio.wait_for(lock.acquire(), 1)
    except TimeoutError:
        say("a second time: timed out")
    await asyncio.create_task(meddles(lock))
    print(f"locked at the end: {lock.locked()}", flush=True)
    try:
        lock.release()
    except RuntimeError:
        print("letting go of what is free is an error", flush=True)


virtual.run(main())
