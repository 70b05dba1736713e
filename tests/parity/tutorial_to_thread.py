# SPDX-License-Identifier: MIT
# A call that blocks runs in a thread, and the loop goes on meanwhile.
import asyncio
import threading

called = threading.Event()


def blocking(text):
    called.wait()
    return text


async def main():
    job = asyncio.create_task(asyncio.to_thread(blocking, "read from a slow disk"))
    print("the loop goes on", flush=True)
    await asyncio.sleep(0)
    called.set()
    print(await job, flush=True)


asyncio.run(main())
