# SPDX-License-Identifier: MIT
# Ctrl-C cancels main, which cleans up; then the program ends as interrupted.
import asyncio
import signal


async def main():
    try:
        signal.raise_signal(signal.SIGINT)
        print("SIGINT was sent")
        await asyncio.sleep(3600)
        print("not reached")
    finally:
        print("main cleans up")
        await asyncio.sleep(0)
        print("main has cleaned up")


try:
    asyncio.run(main())
    print("ended")
except KeyboardInterrupt:
    print("interrupted")
