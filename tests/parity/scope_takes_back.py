# SPDX-License-Identifier: MIT
# ≠ A scope that fails takes back the cancel by which it stopped its own body. (asyncio's forgets to
#   before 3.13, when the body waits for the children already.)
#
#          | [0] a begins
#          | [1] 1 failed
# python   | [1] 1 asked me
# weft     | [1] 0 asked me
import asyncio
import virtual
from virtual import say, work


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(work("a", 1, "a is broken"))
    except ExceptionGroup as errors:
        say(f"{len(errors.exceptions)} failed")
    say(f"{asyncio.current_task().cancelling()} asked me")


virtual.run(main())
