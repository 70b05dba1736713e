# SPDX-License-Identifier: MIT
# ≠ Several may listen to a signal, and all hear it; with the last one what was there before comes
#   back. asyncio knows one handler a signal, and forgets what was there before.
#
# weft     | first hears it
#          | second hears it
# weft     | the handler from before hears it
#          | the end
import asyncio
import signal


def listen(name):
    came = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, came.set)

    async def task():
        await came.wait()
        print(f"{name} hears it", flush=True)

    return asyncio.create_task(task())


async def main():
    signal.signal(signal.SIGWINCH, lambda *_: print("the handler from before hears it"))
    first = listen("first")
    second = listen("second")
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGWINCH)
    await second
    asyncio.get_running_loop().remove_signal_handler(signal.SIGWINCH)
    signal.raise_signal(signal.SIGWINCH)
    first.cancel()
    print("the end", flush=True)


asyncio.run(main())
