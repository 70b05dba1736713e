# SPDX-License-Identifier: MIT
# Ctrl-C is a cancel like any other: a main that catches it and returns has not been interrupted.
import asyncio
import signal


async def main():
    signal.raise_signal(signal.SIGINT)
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("caught")
    await asyncio.sleep(0)
    return 5


print(asyncio.run(main()))
