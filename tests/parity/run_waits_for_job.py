# SPDX-License-Identifier: MIT
# A job that runs in a thread when main ends is waited for; the program does not end before.
import asyncio
import threading

running, go = threading.Event(), threading.Event()


def job():
    running.set()
    go.wait()
    print("the job ends", flush=True)


async def main():
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, job)
    running.wait()
    loop.call_soon(go.set)
    print("main ends", flush=True)


asyncio.run(main())
print("the end", flush=True)
