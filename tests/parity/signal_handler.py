# SPDX-License-Identifier: MIT
# A signal is handled in the loop: by a callback that wakes a task, or as something to await.
import asyncio
import signal


async def main():
    came = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, came.set)
    for number in range(1, 4):
        signal.raise_signal(signal.SIGUSR1)
        print(f"sent {number}", flush=True)
        await came.wait()
        came.clear()
        print(f"came {number}", flush=True)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)


asyncio.run(main())
