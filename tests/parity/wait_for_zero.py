# SPDX-License-Identifier: MIT
# No time at all: what is done is taken, what runs is cancelled and waited for, what has not begun
# never does.
import asyncio
import virtual
from virtual import outcome, say, tidy, work


async def main():
    done = asyncio.create_task(work("done", 1))
    runs = asyncio.create_task(tidy("runs", 10, 2))
    await done
    say(await asyncio.wait_for(done, 0))
    try:
        await asyncio.wait_for(runs, 0)
    except TimeoutError:
        say(f"timed out: {outcome(runs)}")
    new = asyncio.create_task(work("new"))
    try:
        await asyncio.wait_for(new, 0)
    except TimeoutError:
        say(f"timed out: {outcome(new)}")


virtual.run(main())
