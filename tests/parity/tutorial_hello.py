# SPDX-License-Identifier: MIT
# The first program of every tutorial.
import asyncio


async def main():
    print("Hello ...", flush=True)
    await asyncio.sleep(0.01)
    print("... World!", flush=True)


asyncio.run(main())
