# SPDX-License-Identifier: MIT
# ≠ A cancelled gather is cancelled, whatever its children do. asyncio's may end as a child that fails
#   in its clean-up.
#
# python   | [1] failed: clean-up is broken
# weft     | [1] cancelled
import asyncio
import virtual
from virtual import outcome, say


async def fails():
    try:
        await asyncio.sleep(10)
    finally:
        raise OSError("clean-up is broken")


async def main():
    gather = asyncio.gather(fails())
    await asyncio.sleep(1)
    gather.cancel()
    await asyncio.wait([gather])
    say(outcome(gather))


virtual.run(main())
